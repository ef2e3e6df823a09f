//! `.../cache` of a tenant.

use axum::{Json, extract::State};
use insula_engine::{directory::ManagedTenant, manage::cache};
use insula_model::CacheRules;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// Shows a tenant's own rules of the answer cache; `effective` shows what it inherits beside them.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/cache", operation_id = "tenant_cache", tag = "cache",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The rules; an absent one is inherited", body = CacheRules), TenantErrors),
)]
pub(crate) async fn of_tenant(Authorised(tenant): Authorised<ManagedTenant>) -> Json<CacheRules> {
    Json(cache::of_tenant(&tenant))
}

/// Replaces a tenant's own rules of the answer cache: all of them, so that an absent one is inherited. Answers that were kept
/// before are given no more.
///
/// A finished answer is given again to the very same request of the same tenant and, unless `per_end_user` is false, of the same
/// end user; also where `temperature` asks for variety. Never kept are answers to requests with tools, with state at the provider,
/// with several choices, with audio or with images behind an address, and answers that broke off or were filtered.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/cache", operation_id = "replace_tenant_cache", tag = "cache",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = CacheRules,
    responses((status = 200, description = "The rules as they are now", body = CacheRules), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(new): StrictJson<CacheRules>,
) -> Result<Json<CacheRules>, Failure> {
    Ok(Json(cache::replace_of_tenant(&app.engine, &tenant, new).await?))
}
