//! `.../credits` of a tenant.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::OperatedTenant,
    manage::credits::{self, Credit as Record},
    statement::Month,
};
use insula_model::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictJson, StrictQuery},
    wire::{Listed, Moment, PageQuery, Usd},
};

/// What a tenant was given back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Credit {
    /// Its id.
    id: String,
    /// The month on whose statement it stands.
    month: String,
    /// How much.
    amount_usd: Usd,
    /// Why.
    reason: String,
    /// When it was given.
    created_at: Moment,
}

impl From<&Record> for Credit {
    fn from(credit: &Record) -> Self {
        Self {
            id: credit.id.to_string(),
            month: Month::of(credit.month_at).to_string(),
            amount_usd: Usd(credit.amount),
            reason: credit.reason.to_string(),
            created_at: Moment(credit.created_at),
        }
    }
}

/// What a tenant is to be given back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditOrder {
    /// How much; more than nothing.
    amount_usd: Usd,
    /// Why; the tenant reads it on its statement.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    reason: Name,
}

/// Lists a tenant's credits, latest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/credits", operation_id = "list_credits", tag = "statements",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of credits", body = Listed<Credit>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Credit>>, Failure> {
    let page = credits::list(&app.engine, &tenant, page.ask()?).await?;
    Ok(Json(Listed::page(page, |credit| Credit::from(credit))))
}

/// Gives a tenant something back on the running month's statement. It cannot be changed or taken back.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/credits", operation_id = "give_credit", tag = "statements",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = CreditOrder,
    responses((status = 201, description = "The credit", body = Credit), TenantErrors, InputErrors),
)]
pub(crate) async fn give(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictJson(order): StrictJson<CreditOrder>,
) -> Result<(StatusCode, Json<Credit>), Failure> {
    let credit = credits::give(&app.engine, &tenant, order.amount_usd.0, order.reason).await?;
    Ok((StatusCode::CREATED, Json(Credit::from(&credit))))
}
