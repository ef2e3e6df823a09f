//! `.../limits` of a tenant and a key.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{ManagedKey, ManagedTenant, OperatedTenant},
    manage::limits,
};
use insula_model::Limits;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// Shows a tenant's own limits; `effective` shows what it inherits beside them.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/limits", operation_id = "tenant_limits", tag = "limits",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The limits; an absent one is inherited", body = Limits), TenantErrors),
)]
pub(crate) async fn of_tenant(Authorised(tenant): Authorised<ManagedTenant>) -> Json<Limits> {
    Json(limits::of_tenant(&tenant))
}

/// Replaces a tenant's own limits: all of them, so that an absent one is inherited.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/limits", operation_id = "replace_tenant_limits", tag = "limits",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = Limits,
    responses((status = 200, description = "The limits as they are now", body = Limits), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictJson(new): StrictJson<Limits>,
) -> Result<Json<Limits>, Failure> {
    Ok(Json(limits::replace_of_tenant(&app.engine, &tenant, new).await?))
}

/// Shows a key's own limits.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/keys/{key}/limits", operation_id = "key_limits", tag = "limits",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The limits; an absent one is none", body = Limits), TenantErrors),
)]
pub(crate) async fn of_key(Authorised(key): Authorised<ManagedKey>) -> Json<Limits> {
    Json(limits::of_key(&key))
}

/// Replaces a key's own limits. They hold beside its tenant's.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/keys/{key}/limits", operation_id = "replace_key_limits", tag = "limits",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    request_body = Limits,
    responses((status = 200, description = "The limits as they are now", body = Limits), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_key(
    State(app): State<App>,
    Authorised(key): Authorised<ManagedKey>,
    StrictJson(new): StrictJson<Limits>,
) -> Result<Json<Limits>, Failure> {
    Ok(Json(limits::replace_of_key(&app.engine, &key, new).await?))
}
