//! `/api/v1/plans`.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::Operator,
    manage::plans::{self, NewPlan, NewPrice},
};
use insula_model::{CacheRules, Defaults, Limits, Price, Result, Routing, VectorRules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::budgets::{self, BudgetOrder};
use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, Problem},
    extract::{Authorised, PathTexts, StrictJson},
    wire::{Listed, Moment, Usd},
};

/// A plan: what its tenants inherit, and what they are charged.
#[derive(Serialize, ToSchema)]
pub(crate) struct Plan {
    /// Its name.
    name: String,
    /// Limits of each of its tenants.
    limits: Limits,
    /// Budgets of each of its tenants.
    budgets: Vec<BudgetOrder>,
    /// The models that its tenants may call; all where null.
    models: Option<Vec<String>>,
    /// How requests of each of its tenants are routed.
    routing: Routing,
    /// Rules of the answer cache of each of its tenants.
    cache: CacheRules,
    /// Where the vectors of each of its tenants are to be.
    vectors: VectorRules,
    /// What places the documents of each of its tenants; the installation's where null.
    embedder: Option<String>,
    /// What its tenants are charged.
    prices: Vec<SellPrice>,
    /// Counts its changes.
    version: u64,
    /// When it was created.
    created_at: Moment,
}

impl From<&insula_model::Plan> for Plan {
    fn from(plan: &insula_model::Plan) -> Self {
        let insula_model::Plan { name, defaults, prices, version, created_at } = plan.clone();
        Self {
            name: name.into(),
            limits: defaults.limits,
            budgets: defaults.budgets.into_iter().map(BudgetOrder::from).collect(),
            models: defaults.models,
            routing: defaults.routing,
            cache: defaults.cache,
            vectors: defaults.vectors,
            embedder: defaults.embedder,
            prices: prices.into_iter().map(SellPrice::from).collect(),
            version,
            created_at: Moment(created_at),
        }
    }
}

/// What the operator charges for a model, in USD per million tokens.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SellPrice {
    /// The model as the price book names it; `*` stands for those without a price of their own.
    model: String,
    /// From when on it holds; absent: since when the plan has it, else from the first day of the running month. What is new or changed
    /// begins no earlier than that day.
    effective_from: Option<Moment>,
    /// Input that is read afresh.
    input_usd_per_million: Usd,
    /// Input from the provider's cache; as other input where absent.
    cache_read_usd_per_million: Option<Usd>,
    /// Input written to the provider's cache; as other input where absent.
    cache_write_usd_per_million: Option<Usd>,
    /// Input written to it for an hour; as other writes where absent.
    cache_write_1h_usd_per_million: Option<Usd>,
    /// Output, reasoning included.
    output_usd_per_million: Usd,
}

impl From<insula_model::SellPrice> for SellPrice {
    fn from(sell: insula_model::SellPrice) -> Self {
        let Price { input_pico, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico } = sell.price;
        Self {
            model: sell.model,
            effective_from: Some(Moment(sell.effective_from)),
            input_usd_per_million: Usd::per_million(input_pico),
            cache_read_usd_per_million: Some(Usd::per_million(cache_read_pico)),
            cache_write_usd_per_million: Some(Usd::per_million(cache_write_pico)),
            cache_write_1h_usd_per_million: Some(Usd::per_million(cache_write_1h_pico)),
            output_usd_per_million: Usd::per_million(output_pico),
        }
    }
}

impl SellPrice {
    /// The price, or what is wrong with it; `at` says where it stands.
    fn read(self, at: &str) -> Result<NewPrice> {
        let token = |Usd(amount): Usd, class: &str| {
            Price::of_a_token(amount).map_err(|error| error.at(format!("{class}_usd_per_million")).within(at))
        };
        let input_pico = token(self.input_usd_per_million, "input")?;
        let cached = |amount: Option<Usd>, class, otherwise| amount.map_or(Ok(otherwise), |amount| token(amount, class));
        let cache_write_pico = cached(self.cache_write_usd_per_million, "cache_write", input_pico)?;
        let price = Price {
            input_pico,
            cache_read_pico: cached(self.cache_read_usd_per_million, "cache_read", input_pico)?,
            cache_write_pico,
            cache_write_1h_pico: cached(self.cache_write_1h_usd_per_million, "cache_write_1h", cache_write_pico)?,
            output_pico: token(self.output_usd_per_million, "output")?,
        };
        let effective_from = self.effective_from.map(|Moment(from)| from);
        Ok(NewPrice { model: self.model, effective_from, price })
    }
}

/// What a plan is to be: the whole of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanOrder {
    /// Limits of each of its tenants; an absent one is none.
    #[serde(default)]
    limits: Limits,
    /// Budgets of each of its tenants, one per window and unit.
    #[serde(default)]
    budgets: Vec<BudgetOrder>,
    /// The models that its tenants may call, by name or alias; all where absent.
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
    /// What its tenants are charged; one price per model and moment. Statements of past months are made from it too, so a price from
    /// before the running month stays as it is.
    #[serde(default)]
    prices: Vec<SellPrice>,
}

/// Lists all plans in order of their names.
#[utoipa::path(
    get, path = "/api/v1/plans", operation_id = "list_plans", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The plans", body = Listed<Plan>), OperatorErrors),
)]
pub(crate) async fn list(State(app): State<App>, Authorised(by): Authorised<Operator>) -> Json<Listed<Plan>> {
    Json(Listed::whole(plans::list(&app.engine, &by).iter().map(|plan| Plan::from(&**plan))))
}

/// Shows a plan.
#[utoipa::path(
    get, path = "/api/v1/plans/{name}", operation_id = "read_plan", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "The plan's name")),
    responses(
        (status = 200, description = "The plan", body = Plan),
        (status = 404, description = "There is no such plan", body = Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
) -> Result<Json<Plan>, Failure> {
    Ok(Json(Plan::from(&*plans::read(&app.engine, &by, path.get("name")?)?)))
}

/// Makes a plan or replaces it whole. Its tenants have what it says from the next request on, on every node.
#[utoipa::path(
    put, path = "/api/v1/plans/{name}", operation_id = "replace_plan", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "1 to 63 of a-z, 0-9 and inner hyphens")),
    request_body = PlanOrder,
    responses((status = 200, description = "The plan as it is now", body = Plan), OperatorErrors, InputErrors),
)]
pub(crate) async fn replace(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
    StrictJson(order): StrictJson<PlanOrder>,
) -> Result<Json<Plan>, Failure> {
    let PlanOrder { limits, budgets, models, routing, cache, vectors, embedder, prices } = order;
    let budgets = budgets::read(budgets).map_err(|error| error.within("budgets"))?;
    let prices = prices.into_iter().enumerate().map(|(i, price)| price.read(&format!("prices[{i}]")));
    let defaults = Defaults { limits, budgets, models, routing, cache, vectors, embedder };
    let new = NewPlan { defaults, prices: prices.collect::<Result<_>>()? };
    Ok(Json(Plan::from(&*plans::replace(&app.engine, &by, path.get("name")?, new).await?)))
}

/// Removes a plan that no tenant has.
#[utoipa::path(
    delete, path = "/api/v1/plans/{name}", operation_id = "remove_plan", tag = "plans",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("name" = String, Path, description = "The plan's name")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such plan", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Tenants have it, or statements of past months are made from its prices", body = Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    plans::remove(&app.engine, &by, path.get("name")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
