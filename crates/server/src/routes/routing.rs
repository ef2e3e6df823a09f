//! `.../routing` of a tenant, and `/api/v1/route:explain`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use insula_engine::{
    CandidateRecord, Mismatch, RouteRecord,
    directory::{Credential, ManagedTenant},
    manage::routing::{self, Explained},
};
use insula_model::{Complexity, Error, Result, Routing};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{self, Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// Where a request could go, and why it went where it did.
#[derive(Serialize, ToSchema)]
pub(crate) struct Route {
    /// The model that was looked for: the caller's, or what `auto` stood for.
    model: String,
    /// `simple` or `complex`, where `auto` was asked for.
    complexity: Option<String>,
    /// How the candidates were put in order.
    strategy: String,
    /// All that serves the model, then all that steps in for it.
    candidates: Vec<Candidate>,
    /// Answers of another version than was approved, or than the answer before.
    version_mismatches: Vec<VersionMismatch>,
}

/// Something that serves a model.
#[derive(Serialize, ToSchema)]
pub(crate) struct Candidate {
    /// The provider's configured name.
    provider: String,
    /// The model as the price book names it.
    model: String,
    /// Where it is processed.
    region: Option<String>,
    /// When it is tried, from 1; null for what may not serve the request.
    rank: Option<u32>,
    /// Why it may not (`residency`, `tools` and other capabilities, `context`, `output`, `version_lock`, `pinned`,
    /// `credential_origin`, `credential_not_taken`, `circuit_open`; to operators also `hidden` and `not_allowed`), or why it stands behind others (`outlier`,
    /// `context_tight`, `paced`).
    reason: Option<String>,
}

/// An answer of another version.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionMismatch {
    /// The provider's configured name.
    provider: String,
    /// The model as the price book names it.
    model: String,
    /// `model` or `fingerprint`: what differs.
    what: String,
    /// What was approved; or, where nothing was, what the answer before had.
    expected: String,
    /// What this answer has; null where it says nothing.
    found: Option<String>,
    /// Whether another one was approved; else it has merely changed.
    locked: bool,
}

impl From<RouteRecord> for Route {
    fn from(record: RouteRecord) -> Self {
        let RouteRecord { model, complexity, strategy, candidates, mismatches } = record;
        Self {
            model,
            complexity: complexity.map(String::from),
            strategy: strategy.into(),
            candidates: candidates.into_iter().map(Candidate::from).collect(),
            version_mismatches: mismatches.into_iter().map(VersionMismatch::from).collect(),
        }
    }
}

impl From<CandidateRecord> for Candidate {
    fn from(record: CandidateRecord) -> Self {
        let CandidateRecord { provider, model, region, rank, reason } = record;
        Self { provider, model, region, rank, reason: reason.map(String::from) }
    }
}

impl From<Mismatch> for VersionMismatch {
    fn from(mismatch: Mismatch) -> Self {
        let Mismatch { provider, model, what, expected, found, is_locked } = mismatch;
        Self { provider, model, what: what.into(), expected, found, locked: is_locked }
    }
}

/// Shows a tenant's own routing; `effective` shows what it inherits beside it.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/routing", operation_id = "tenant_routing", tag = "routing",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The routing; an absent value is inherited", body = Routing), TenantErrors),
)]
pub(crate) async fn of_tenant(Authorised(tenant): Authorised<ManagedTenant>) -> Json<Routing> {
    Json(routing::of_tenant(&tenant))
}

/// Replaces a tenant's own routing: all of it, so that an absent value is inherited. It chooses among the models and regions that
/// the operator allows, and widens neither.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/routing", operation_id = "replace_tenant_routing", tag = "routing",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = Routing,
    responses((status = 200, description = "The routing as it is now", body = Routing), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(new): StrictJson<Routing>,
) -> Result<Json<Routing>, Failure> {
    Ok(Json(routing::replace_of_tenant(&app.engine, &tenant, new).await?))
}

/// A request to explain.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteQuestion {
    /// Whose it would be, by slug or id; an operator names one, a tenant's admin may leave out its own.
    tenant: Option<String>,
    /// The body of a chat completion.
    #[schema(value_type = Object)]
    request: BTreeMap<String, Value>,
    /// `simple` or `complex`, as `x-insula-complexity` would say.
    complexity: Option<String>,
}

/// Where a request would go.
#[derive(Serialize, ToSchema)]
pub(crate) struct RouteAnswer {
    /// The decision.
    route: Route,
    /// Why nothing may serve it; null where something may.
    refusal: Option<RouteRefusal>,
}

/// Why nothing may serve a request.
#[derive(Serialize, ToSchema)]
pub(crate) struct RouteRefusal {
    /// The code that the caller would get.
    code: &'static str,
    /// The message.
    message: String,
}

/// Says where a chat would go if it came now, and why. Nothing is sent, held or charged.
#[utoipa::path(
    post, path = "/api/v1/route:explain", operation_id = "explain_route", tag = "routing",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    request_body = RouteQuestion,
    responses((status = 200, description = "The decision", body = RouteAnswer), TenantErrors, InputErrors),
)]
pub(crate) async fn explain(
    State(app): State<App>,
    Authorised(credential): Authorised<Credential>,
    StrictJson(question): StrictJson<RouteQuestion>,
) -> Result<Json<RouteAnswer>, Failure> {
    let RouteQuestion { tenant, request, complexity } = question;
    let tenant = match (&tenant, &credential) {
        (Some(tenant), _) => app.engine.directory.managed(&credential, tenant)?,
        (None, Credential::Tenant(own)) => app.engine.directory.managed(&credential, own.tenant.record.slug.as_str())?,
        (None, Credential::Operator(_)) => return Err(Error::invalid("name a tenant").at("tenant").into()),
    };
    let complexity = match complexity.as_deref() {
        None => None,
        Some(name) => match Complexity::from_name(name) {
            None => return Err(Error::invalid("write `simple` or `complex`").at("complexity").into()),
            complexity => complexity,
        },
    };
    let body = serde_json::to_vec(&request).map_err(Error::internal)?;
    let Explained { route, refusal } =
        routing::explain(&app.engine, &tenant, body, complexity).map_err(|error| error.within("request"))?;
    let refusal =
        refusal.map(|error| RouteRefusal { code: errors::shape(error.kind()).code, message: error.message().to_owned() });
    Ok(Json(RouteAnswer { route: route.into(), refusal }))
}
