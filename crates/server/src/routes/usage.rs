//! `.../usage` of a tenant, and of all together.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{ManagedTenant, Operator},
    manage::usage::{self, UsageAsk, UsageRow},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    App,
    errors::{Failure, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictQuery},
    wire::{Listed, Moment, Tokens, Usd},
};

/// Usage of one group.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    /// The id of the key or tenant, the model, the day, the operation, the cause or the plan; null without `group_by`, for
    /// tokens when grouped by key, and for attempts without a plan when grouped by plan.
    group: Option<String>,
    /// Distinct requests.
    requests: u64,
    /// Attempts at providers.
    attempts: u64,
    /// How many of the attempts are estimates.
    estimated: u64,
    /// Tokens by class.
    tokens: Tokens,
    /// What they cost.
    cost_usd: Usd,
}

impl From<UsageRow> for Usage {
    fn from(row: UsageRow) -> Self {
        let UsageRow { group, requests, attempts, tokens, cost, estimated } = row;
        Self { group, requests, attempts, estimated, tokens: tokens.into(), cost_usd: Usd(cost) }
    }
}

/// Which usage.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// From here on; absent: from the start of the running month.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Moment>,
    /// Up to, but without, this moment; absent: now. At most 400 days after `from`.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Moment>,
    /// A row for each of these; absent: one row for all.
    #[param(inline)]
    group_by: Option<GroupBy>,
}

/// What a row stands for.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum GroupBy {
    /// A key.
    Key,
    /// A model.
    Model,
    /// A tenant.
    Tenant,
    /// A day in UTC.
    Day,
    /// A kind of call.
    Operation,
    /// Why an attempt was made.
    Cause,
    /// The plan under which it was made.
    Plan,
}

impl UsageQuery {
    fn ask(&self) -> UsageAsk {
        let group_by = match self.group_by {
            None => usage::GroupBy::None,
            Some(GroupBy::Key) => usage::GroupBy::Key,
            Some(GroupBy::Model) => usage::GroupBy::Model,
            Some(GroupBy::Tenant) => usage::GroupBy::Tenant,
            Some(GroupBy::Day) => usage::GroupBy::Day,
            Some(GroupBy::Operation) => usage::GroupBy::Operation,
            Some(GroupBy::Cause) => usage::GroupBy::Cause,
            Some(GroupBy::Plan) => usage::GroupBy::Plan,
        };
        UsageAsk { from: self.from.map(|at| at.0), to: self.to.map(|at| at.0), group_by }
    }
}

/// Sums a tenant's usage. Requests that have ended are in it.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/usage", operation_id = "tenant_usage", tag = "usage",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), UsageQuery),
    responses((status = 200, description = "A row for each group", body = Listed<Usage>), TenantErrors, ParamErrors),
)]
pub(crate) async fn of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(query): StrictQuery<UsageQuery>,
) -> Result<Json<Listed<Usage>>, Failure> {
    let rows = usage::of_tenant(&app.engine, &tenant, query.ask()).await?;
    Ok(Json(Listed::whole(rows.into_iter().map(Usage::from))))
}

/// Sums the usage of all tenants.
#[utoipa::path(
    get, path = "/api/v1/usage", operation_id = "usage", tag = "usage",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(UsageQuery),
    responses((status = 200, description = "A row for each group", body = Listed<Usage>), OperatorErrors, ParamErrors),
)]
pub(crate) async fn of_all(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictQuery(query): StrictQuery<UsageQuery>,
) -> Result<Json<Listed<Usage>>, Failure> {
    let rows = usage::of_all(&app.engine, &by, query.ask()).await?;
    Ok(Json(Listed::whole(rows.into_iter().map(Usage::from))))
}
