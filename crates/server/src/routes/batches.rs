//! `/api/v1/tenants/{tenant}/batches`: how a tenant's batches stand. What they hold is the tenant's alone, under `/v1`.

use axum::{Json, extract::State};
use insula_engine::{
    directory::ManagedTenant,
    manage::batches::{self, BatchView},
};
use insula_model::{BatchStatus, BatchWait};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictQuery},
    wire::{Listed, Moment, PageQuery},
};

/// How a batch stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchState {
    /// Its id.
    id: String,
    /// `chat`, `embeddings` or `moderations`.
    operation: &'static str,
    /// How it stands.
    status: BatchStatus,
    /// What it waits for, where it does.
    waiting_for: Option<BatchWait>,
    /// Its lines; 0 until they are counted.
    total: u64,
    /// Lines that were answered.
    completed: u64,
    /// Lines that were not, and will not be.
    failed: u64,
    /// When it was asked for.
    created_at: Moment,
    /// When its time runs out.
    expires_at: Moment,
}

impl From<&BatchView> for BatchState {
    fn from(batch: &BatchView) -> Self {
        Self {
            id: batch.id.to_string(),
            operation: batch.operation.name(),
            status: batch.status,
            waiting_for: batch.waiting,
            total: batch.total,
            completed: batch.completed,
            failed: batch.failed,
            created_at: Moment(batch.created_at),
            expires_at: Moment(batch.expires_at),
        }
    }
}

/// Lists a tenant's batches, latest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/batches", operation_id = "list_tenant_batches", tag = "batches",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of batches", body = Listed<BatchState>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<BatchState>>, Failure> {
    let page = batches::list(&app.engine, &tenant, page.ask()?).await?;
    Ok(Json(Listed::page(page, |batch| BatchState::from(batch))))
}

/// Shows how a batch stands.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/batches/{batch}", operation_id = "read_tenant_batch", tag = "batches",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("batch" = String, Path, description = "The batch's id"),
    ),
    responses((status = 200, description = "How it stands", body = BatchState), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<Json<BatchState>, Failure> {
    Ok(Json(BatchState::from(&batches::read(&app.engine, &tenant, path.get("batch")?).await?)))
}

/// Stops a batch: what is under way comes to its end, the rest is not begun.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/batches/{batch}/cancel", operation_id = "cancel_tenant_batch", tag = "batches",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("batch" = String, Path, description = "The batch's id"),
    ),
    responses(
        (status = 200, description = "How it stands now", body = BatchState),
        (status = 409, description = "It is over, or about to be", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors,
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<Json<BatchState>, Failure> {
    Ok(Json(BatchState::from(&batches::cancel(&app.engine, &tenant, path.get("batch")?).await?)))
}
