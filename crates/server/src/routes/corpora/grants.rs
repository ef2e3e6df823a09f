//! `/api/v1/tenants/{tenant}/corpora`: the reference corpora that a tenant may read.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::{GrantedCorpus, ManagedTenant, OperatedTenant},
    manage::corpora,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Corpus;
use crate::{
    App,
    errors::{Failure, TenantErrors},
    extract::{Authorised, PathTexts},
    wire::{Listed, Moment},
};

/// A reference corpus that a tenant may read.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadableCorpus {
    #[serde(flatten)]
    corpus: Corpus,
    /// Since when it may.
    granted_at: Moment,
}

impl From<GrantedCorpus> for ReadableCorpus {
    fn from(granted: GrantedCorpus) -> Self {
        Self { corpus: Corpus::from(&granted.entry), granted_at: Moment(granted.granted_at) }
    }
}

/// Lists the reference corpora that a tenant may read, in order of their names.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/corpora", operation_id = "list_readable_corpora", tag = "corpora",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "All of them", body = Listed<ReadableCorpus>), TenantErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<Json<Listed<ReadableCorpus>>, Failure> {
    Ok(Json(Listed::whole(corpora::granted(&app.engine, &tenant)?.into_iter().map(ReadableCorpus::from))))
}

/// Shows a reference corpus that a tenant may read. One that it may not read answers like one that never was.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/corpora/{corpus}", operation_id = "read_readable_corpus", tag = "corpora",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("corpus" = String, Path, description = "Name or id"),
    ),
    responses((status = 200, description = "The corpus", body = ReadableCorpus), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<Json<ReadableCorpus>, Failure> {
    Ok(Json(corpora::granted_one(&app.engine, &tenant, path.get("corpus")?)?.into()))
}

/// Lets a tenant read a reference corpus: its next search may find what stands there. Granting twice changes nothing.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/corpora/{corpus}", operation_id = "grant_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("corpus" = String, Path, description = "Name or id"),
    ),
    responses(
        (status = 200, description = "The corpus, since when it may be read", body = ReadableCorpus),
        (status = 409, description = "The tenant may read as many as it may", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors,
    ),
)]
pub(crate) async fn grant(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    path: PathTexts,
) -> Result<Json<ReadableCorpus>, Failure> {
    Ok(Json(corpora::grant(&app.engine, &tenant, path.get("corpus")?).await?.into()))
}

/// Takes a grant back. Once this has answered no search of the tenant's finds anything there, on any node.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/corpora/{corpus}", operation_id = "revoke_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("corpus" = String, Path, description = "Name or id"),
    ),
    responses((status = 204, description = "It is taken back"), TenantErrors),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    corpora::revoke(&app.engine, &tenant, path.get("corpus")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
