//! `/api/v1/segments`.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{directory::Operator, manage::segments};
use insula_model::{CacheRules, Defaults, Limits, Result, Routing, VectorRules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::budgets::{self, BudgetOrder};
use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, Problem},
    extract::{Authorised, PathTexts, StrictJson},
    wire::{Listed, Moment},
};

/// A segment: what a group of tenants inherits, before what their plans say.
#[derive(Serialize, ToSchema)]
pub(crate) struct Segment {
    /// Its name.
    name: String,
    /// Limits of each of its tenants.
    limits: Limits,
    /// Budgets of each of its tenants.
    budgets: Vec<BudgetOrder>,
    /// The models that its tenants may call; left to their plans where null.
    models: Option<Vec<String>>,
    /// How requests of each of its tenants are routed.
    routing: Routing,
    /// Rules of the answer cache of each of its tenants.
    cache: CacheRules,
    /// Where the vectors of each of its tenants are to be.
    vectors: VectorRules,
    /// What places the documents of each of its tenants; left to their plans where null.
    embedder: Option<String>,
    /// Counts its changes.
    version: u64,
    /// When it was created.
    created_at: Moment,
}

impl From<&insula_model::Segment> for Segment {
    fn from(segment: &insula_model::Segment) -> Self {
        let insula_model::Segment { name, defaults, version, created_at } = segment.clone();
        Self {
            name: name.into(),
            limits: defaults.limits,
            budgets: defaults.budgets.into_iter().map(BudgetOrder::from).collect(),
            models: defaults.models,
            routing: defaults.routing,
            cache: defaults.cache,
            vectors: defaults.vectors,
            embedder: defaults.embedder,
            version,
            created_at: Moment(created_at),
        }
    }
}

/// What a segment is to be: the whole of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentOrder {
    /// Limits of each of its tenants; an absent one is left to their plans.
    #[serde(default)]
    limits: Limits,
    /// Budgets of each of its tenants, one per window and unit.
    #[serde(default)]
    budgets: Vec<BudgetOrder>,
    /// The models that its tenants may call, by name or alias; left to their plans where absent.
    models: Option<Vec<String>>,
    /// How requests of each of its tenants are routed; about an absent value nothing is said.
    #[serde(default)]
    routing: Routing,
    /// Rules of the answer cache of each of its tenants; about an absent one nothing is said.
    #[serde(default)]
    cache: CacheRules,
    /// Where the vectors of each of its tenants are to be; about an absent value nothing is said.
    #[serde(default)]
    vectors: VectorRules,
    /// What places the documents of each of its tenants: an embedder's name, or a model's that can embed; nothing is said where absent.
    embedder: Option<String>,
}

/// Lists all segments in order of their names.
#[utoipa::path(
    get, path = "/api/v1/segments", operation_id = "list_segments", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The segments", body = Listed<Segment>), OperatorErrors),
)]
pub(crate) async fn list(State(app): State<App>, Authorised(by): Authorised<Operator>) -> Json<Listed<Segment>> {
    Json(Listed::whole(segments::list(&app.engine, &by).iter().map(|segment| Segment::from(&**segment))))
}

/// Shows a segment.
#[utoipa::path(
    get, path = "/api/v1/segments/{name}", operation_id = "read_segment", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "The segment's name")),
    responses(
        (status = 200, description = "The segment", body = Segment),
        (status = 404, description = "There is no such segment", body = Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
) -> Result<Json<Segment>, Failure> {
    Ok(Json(Segment::from(&*segments::read(&app.engine, &by, path.get("name")?)?)))
}

/// Makes a segment or replaces it whole. Its tenants have what it says from the next request on, on every node.
#[utoipa::path(
    put, path = "/api/v1/segments/{name}", operation_id = "replace_segment", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "1 to 63 of a-z, 0-9 and inner hyphens")),
    request_body = SegmentOrder,
    responses((status = 200, description = "The segment as it is now", body = Segment), OperatorErrors, InputErrors),
)]
pub(crate) async fn replace(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
    StrictJson(order): StrictJson<SegmentOrder>,
) -> Result<Json<Segment>, Failure> {
    let SegmentOrder { limits, budgets, models, routing, cache, vectors, embedder } = order;
    let budgets = budgets::read(budgets).map_err(|error| error.within("budgets"))?;
    let new = Defaults { limits, budgets, models, routing, cache, vectors, embedder };
    Ok(Json(Segment::from(&*segments::replace(&app.engine, &by, path.get("name")?, new).await?)))
}

/// Removes a segment that no tenant is in.
#[utoipa::path(
    delete, path = "/api/v1/segments/{name}", operation_id = "remove_segment", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "The segment's name")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such segment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Tenants are in it", body = Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    segments::remove(&app.engine, &by, path.get("name")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
