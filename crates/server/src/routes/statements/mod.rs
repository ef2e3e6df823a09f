//! `.../statements` of a tenant: the months, one month, the attempts behind its lines, and two tenants side by side.

pub(crate) mod attempts;
pub(crate) mod comparison;
mod drill;
mod forms;

use axum::{Json, extract::State};
use insula_engine::{
    directory::{Caller, ManagedTenant},
    manage::budgets,
    statement::{self, Month},
};
use insula_model::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::forms::Statement;
use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictQuery},
    wire::Listed,
};

/// A month of which there is a statement.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatementMonth {
    /// The month, `YYYY-MM`.
    month: String,
    /// Whether attempts may still come to it.
    state: Openness,
    /// Where its statement is.
    statement: String,
}

/// Whether a month is over.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = StatementState)]
#[serde(rename_all = "snake_case")]
enum Openness {
    /// Attempts may still come to it.
    Open,
    /// It is over for an hour; what comes later are corrections.
    Closed,
}

impl Openness {
    fn of(is_open: bool) -> Self {
        if is_open { Self::Open } else { Self::Closed }
    }
}

/// What to add to a statement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementQuery {
    /// The name of a label: the charges also by its values.
    tag: Option<String>,
    /// `margin` for what the providers charge and what is left; for operators only.
    #[param(inline)]
    include: Option<Include>,
}

/// What can be added.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    /// Cost and margin.
    Margin,
}

/// Whether margins are to be shown; a tenant never sees them.
fn shows_margin(tenant: &ManagedTenant, include: Option<Include>) -> Result<bool> {
    match (include, tenant.by) {
        (None, _) => Ok(false),
        (Some(Include::Margin), Caller::Operator(_)) => Ok(true),
        (Some(Include::Margin), Caller::TenantAdmin(_)) => {
            Err(Error::new(ErrorKind::Forbidden, "cost and margin are the operator's alone").at("include"))
        }
    }
}

/// The month in the path.
fn month(app: &App, path: &PathTexts) -> Result<Month> {
    Month::parse(path.get("month")?, app.engine.clock.now())
}

/// Lists the months of which a tenant has a statement, latest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/statements", operation_id = "list_statements", tag = "statements",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The months", body = Listed<StatementMonth>), TenantErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<Json<Listed<StatementMonth>>, Failure> {
    let months = statement::months(&app.engine, &tenant).await?.into_iter().map(|(month, is_open)| StatementMonth {
        month: month.to_string(),
        state: Openness::of(is_open),
        statement: drill::statement(&tenant, month),
    });
    Ok(Json(Listed::whole(months)))
}

/// Shows what a tenant was charged in a month (UTC), as things stand.
///
/// Sums are exact: every view of the charges adds up to the same total, `closing_usd` is `opening_usd` and the charges less
/// the credits, and the bridge's drivers add up to what differs from the month before. Requests that have ended are in it.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/statements/{month}", operation_id = "read_statement", tag = "statements",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("month" = String, Path, description = "The month, `YYYY-MM`; not one that has not begun"), StatementQuery,
    ),
    responses((status = 200, description = "The statement", body = Statement), TenantErrors, ParamErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
    StrictQuery(query): StrictQuery<StatementQuery>,
) -> Result<Json<Statement>, Failure> {
    let month = month(&app, &path)?;
    let shows_margin = shows_margin(&tenant, query.include)?;
    let tag = query.tag.as_deref();
    let statement = statement::of_tenant(&app.engine, &tenant, month, &app.engine.sell_prices(), tag).await?;
    let hides_cost = budgets::hides_amounts(&app.engine, &tenant);
    Ok(Json(Statement::of(&tenant, &statement, tag, shows_margin, hides_cost)))
}
