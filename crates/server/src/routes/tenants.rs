//! `/api/v1/tenants`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use insula_engine::{
    directory::{ManagedTenant, OperatedTenant, Operator, TenantEntry},
    manage::{
        tags::Tags,
        tenants::{self, NewTenant, Region, TenantPatch},
    },
};
use insula_model::{Name, Placement, Slug, TenantState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictJson, StrictQuery},
    wire::{Listed, Moment, PageQuery, or_null},
};

/// A tenant: one customer's workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tenant {
    /// Its id.
    #[schema(examples("ten_01jx3v9d3k8m2q5r7t0w4y6z8a"))]
    id: String,
    /// Its short name in URLs.
    slug: String,
    /// Its name for people.
    name: String,
    /// What the product around Insula calls it.
    external_id: Option<String>,
    /// The plan whose defaults it inherits.
    plan: Option<String>,
    /// The segment whose defaults it inherits; they come before those of the plan.
    segment: Option<String>,
    /// The models that it may call, whatever segment and plan say; null leaves it to them.
    models: Option<Vec<String>>,
    /// Where alone its requests are processed: in this region or within it, as `eu-central-1` lies within `eu`; anywhere where null.
    region: Option<String>,
    /// How its data is stored.
    placement: Placement,
    /// Labels.
    tags: BTreeMap<String, String>,
    /// Whether it is served.
    state: TenantState,
    /// Counts its changes; also the `ETag`.
    version: u64,
    /// When it was created.
    created_at: Moment,
}

impl From<&TenantEntry> for Tenant {
    fn from(entry: &TenantEntry) -> Self {
        let record = entry.record.clone();
        Self {
            id: record.id.to_string(),
            slug: record.slug.into(),
            name: record.name.into(),
            external_id: record.external_id,
            plan: record.plan.map(String::from),
            segment: record.segment.map(String::from),
            models: record.models,
            region: record.region,
            placement: record.placement,
            tags: record.tags,
            state: record.state,
            version: record.version,
            created_at: Moment(record.created_at),
        }
    }
}

/// The tenant with its version as the `ETag`.
fn tagged(status: StatusCode, entry: &TenantEntry) -> Response {
    (status, [(header::ETAG, format!("\"{}\"", entry.record.version))], Json(Tenant::from(entry))).into_response()
}

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantOrder {
    /// 1 to 63 of a-z, 0-9 and inner hyphens; unique, and never changed.
    #[schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length = 63, examples("acme"))]
    slug: Slug,
    /// 1 to 200 characters.
    #[schema(value_type = String, max_length = 200)]
    name: Name,
    /// Unique on the platform.
    #[schema(value_type = Option<String>, max_length = 200)]
    external_id: Option<Name>,
    /// A plan of this platform.
    plan: Option<String>,
    /// A segment of this platform.
    segment: Option<String>,
    /// The models that it may call, by name or alias; left to segment and plan where absent.
    models: Option<Vec<String>>,
    /// Such as `eu` or `eu-west-1`.
    #[schema(value_type = Option<String>, max_length = 63)]
    region: Option<Region>,
    /// How its data is to be stored.
    #[serde(default)]
    placement: Placement,
    /// At most 32 labels.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    tags: Tags,
}

/// Changes to a tenant; an absent field stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    /// Replaces all labels.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    tags: Option<Tags>,
    /// Null takes it away. Operators only.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<String>, max_length = 200)]
    external_id: Option<Option<Name>>,
    /// Null takes it away. Operators only.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<String>)]
    plan: Option<Option<String>>,
    /// Null takes it away. Operators only.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<String>)]
    segment: Option<Option<String>>,
    /// Replaces the whole list; null leaves it to segment and plan. Operators only.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<Option<Vec<String>>>,
    /// Null takes it away. Operators only.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<String>, max_length = 63)]
    region: Option<Option<Region>>,
    /// Operators only.
    #[serde(default)]
    placement: Option<Placement>,
}

/// Proof that a tenant was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureReceipt {
    /// Who was erased.
    tenant: String,
    /// When its keys were destroyed and its data dropped.
    erased_at: Moment,
    /// After this no copy of its keys remains in any backup.
    keys_gone_after: Moment,
    /// What remains, in words.
    rows_kept: &'static str,
}

/// Lists all tenants in order of creation.
#[utoipa::path(
    get, path = "/api/v1/tenants", operation_id = "list_tenants", tag = "tenants",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of tenants", body = Listed<Tenant>), OperatorErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Tenant>>, Failure> {
    let page = tenants::list(&app.engine, &by, page.ask()?);
    Ok(Json(Listed::page(page, |entry| Tenant::from(&**entry))))
}

/// Creates a tenant, ready for its first key.
#[utoipa::path(
    post, path = "/api/v1/tenants", operation_id = "create_tenant", tag = "tenants",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = TenantOrder,
    responses(
        (status = 201, description = "The tenant", body = Tenant),
        (status = 409, description = "The slug or the external id is taken", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors, InputErrors,
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictJson(order): StrictJson<TenantOrder>,
) -> Result<Response, Failure> {
    let TenantOrder { slug, name, external_id, plan, segment, models, region, placement, tags } = order;
    let new = NewTenant { slug, name, external_id, plan, segment, models, region, placement, tags };
    Ok(tagged(StatusCode::CREATED, &*tenants::create(&app.engine, &by, new).await?))
}

/// Shows a tenant.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}", operation_id = "read_tenant", tag = "tenants",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The tenant", body = Tenant), TenantErrors),
)]
pub(crate) async fn read(Authorised(tenant): Authorised<ManagedTenant>) -> Response {
    tagged(StatusCode::OK, &tenant.entry)
}

/// Changes a tenant. Its admin may change `name` and `tags`; an operator everything. What another plan or segment brings holds
/// from the next request on, on every node.
#[utoipa::path(
    patch, path = "/api/v1/tenants/{tenant}", operation_id = "change_tenant", tag = "tenants",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("If-Match" = Option<String>, Header, description = "Changes only this version, as the `ETag` told it"),
    ),
    request_body = TenantChange,
    responses(
        (status = 200, description = "The tenant as it is now", body = Tenant),
        (status = 409, description = "The external id is taken", body = crate::errors::Problem, content_type = "application/problem+json"),
        (status = 412, description = "It has another version by now", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors, InputErrors,
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    headers: HeaderMap,
    StrictJson(change): StrictJson<TenantChange>,
) -> Result<Response, Failure> {
    let TenantChange { name, tags, external_id, plan, segment, models, region, placement } = change;
    let patch = TenantPatch { name, tags, external_id, plan, segment, models, region, placement };
    let if_match = if_match(&headers);
    Ok(tagged(StatusCode::OK, &*tenants::change(&app.engine, &tenant, if_match.as_deref(), patch).await?))
}

/// Erases a tenant for good and answers a receipt.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}", operation_id = "erase_tenant", tag = "tenants",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The receipt", body = ErasureReceipt), TenantErrors),
)]
pub(crate) async fn erase(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
) -> Result<Json<ErasureReceipt>, Failure> {
    let receipt = tenants::erase(&app.engine, &tenant).await?;
    Ok(Json(ErasureReceipt {
        tenant: receipt.tenant.to_string(),
        erased_at: Moment(receipt.erased_at),
        keys_gone_after: Moment(receipt.keys_gone_after),
        rows_kept: receipt.rows_kept,
    }))
}

/// Refuses a tenant's keys and tokens until it is resumed; open streams end.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/suspend", operation_id = "suspend_tenant", tag = "tenants",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The tenant", body = Tenant), TenantErrors),
)]
pub(crate) async fn suspend(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
) -> Result<Response, Failure> {
    Ok(tagged(StatusCode::OK, &*tenants::suspend(&app.engine, &tenant).await?))
}

/// Serves a suspended tenant again.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/resume", operation_id = "resume_tenant", tag = "tenants",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The tenant", body = Tenant), TenantErrors),
)]
pub(crate) async fn resume(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
) -> Result<Response, Failure> {
    Ok(tagged(StatusCode::OK, &*tenants::resume(&app.engine, &tenant).await?))
}

/// The versions that `If-Match` accepts; absent when any will do. What is no version of ours matches nothing.
fn if_match(headers: &HeaderMap) -> Option<Vec<u64>> {
    let lines: Vec<_> = headers.get_all(header::IF_MATCH).iter().filter_map(|line| line.to_str().ok()).collect();
    let tags = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    if !headers.contains_key(header::IF_MATCH) || tags.clone().any(|tag| tag == "*") {
        return None;
    }
    Some(tags.filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_read_strictly() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, http::HeaderValue::from_static(value));
            if_match(&headers)
        };
        assert_eq!(if_match(&HeaderMap::new()), None);
        assert_eq!(read("*"), None);
        assert_eq!(read("\"3\""), Some(vec![3]));
        assert_eq!(read("\"3\", \"4\""), Some(vec![3, 4]));
        for nothing in ["3", "W/\"3\"", "\"x\"", ""] {
            assert_eq!(read(nothing), Some(vec![]), "{nothing}");
        }
    }
}
