//! `/api/v1/tenants/{tenant}/profile`: what holds for a tenant, above what stands in reference corpora.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::ManagedTenant,
    manage::profile::{self, Profile as Record},
};
use insula_model::Jurisdiction;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
    wire::Moment,
};

/// A tenant's profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profile {
    /// Who the tenant is and what holds for it; empty where nothing is said.
    text: String,
    /// Where it is at home: a search that names no corpora looks into those of these jurisdictions. Where empty, into all.
    jurisdictions: Vec<String>,
    /// When it came to say so; null where there is none.
    changed_at: Option<Moment>,
}

impl Profile {
    fn of(record: Option<Record>) -> Self {
        let Some(Record { text, jurisdictions, changed_at }) = record else {
            return Self { text: String::new(), jurisdictions: Vec::new(), changed_at: None };
        };
        let jurisdictions = jurisdictions.into_iter().map(String::from).collect();
        Self { text, jurisdictions, changed_at: Some(Moment(changed_at)) }
    }
}

/// A profile as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileOrder {
    /// Who the tenant is and what holds for it, in its own words.
    #[schema(max_length = 8000)]
    text: String,
    /// Where it is at home, such as `eu`.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 64)]
    jurisdictions: Vec<Jurisdiction>,
}

/// Shows a tenant's profile. Not for operators, who see no content.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/profile", operation_id = "read_profile", tag = "corpora",
    extensions(("x-credential" = json!("tenant-admin"))), security(("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The profile, empty where there is none", body = Profile), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<Json<Profile>, Failure> {
    Ok(Json(Profile::of(profile::read(&app.engine, &tenant).await?)))
}

/// Replaces a tenant's profile. It is sealed with the tenant's own key.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/profile", operation_id = "replace_profile", tag = "corpora",
    extensions(("x-credential" = json!("tenant-admin"))), security(("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")), request_body = ProfileOrder,
    responses((status = 200, description = "The profile as it is now", body = Profile), TenantErrors, InputErrors),
)]
pub(crate) async fn replace(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(order): StrictJson<ProfileOrder>,
) -> Result<Json<Profile>, Failure> {
    let ProfileOrder { text, jurisdictions } = order;
    Ok(Json(Profile::of(Some(profile::replace(&app.engine, &tenant, text, jurisdictions).await?))))
}

/// Removes a tenant's profile.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/profile", operation_id = "remove_profile", tag = "corpora",
    extensions(("x-credential" = json!("tenant-admin"))), security(("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 204, description = "There is none any more"), TenantErrors),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<StatusCode, Failure> {
    profile::remove(&app.engine, &tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}
