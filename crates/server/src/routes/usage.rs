//! `.../usage` of a tenant, and of all together.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{ManagedTenant, Operator},
    manage::{
        budgets,
        tags::TAG_NAME_CHARS_MAX,
        usage::{self, UsageAsk, UsageRow, Used},
    },
};
use insula_model::Error;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    App,
    errors::{Failure, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictQuery},
    wire::{Isolation, Listed, Moment, Tokens, Usd},
};

/// Usage of one group.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    /// The id of the key or tenant, the model, the day, the operation, the cause, the plan, the credential's owner, the
    /// end user or the label's value;
    /// null without `group_by`, for tokens when grouped by key, and for what has no plan, no end user or no such label.
    group: Option<String>,
    /// Distinct requests.
    requests: u64,
    /// Attempts at providers.
    attempts: u64,
    /// How many of the attempts are estimates.
    estimated: u64,
    /// Tokens by class.
    tokens: Tokens,
    /// What they cost; for the tenant itself, what it is charged for them.
    cost_usd: Usd,
    #[serde(flatten)]
    isolation: Isolation,
    /// How often the answer cache answered in the place of a provider, in the hours that begin in the span. Not counted by key,
    /// operation, cause, plan, credential, end user or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hits: Option<u64>,
    /// What these answers had cost at the providers; no part of `cost_usd`. Not told to a tenant whose plan has prices of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_saved_usd: Option<Usd>,
}

impl Usage {
    fn of(used: Used, hides_cost: bool) -> Self {
        let UsageRow { group, requests, attempts, tokens, cost, estimated, isolation } = used.usage;
        Self {
            group,
            requests,
            attempts,
            estimated,
            tokens: tokens.into(),
            cost_usd: Usd(cost),
            isolation: isolation.into(),
            cache_hits: used.cache.map(|cache| cache.hits),
            cache_saved_usd: used.cache.filter(|_| !hides_cost).map(|cache| Usd(cache.saved)),
        }
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
    /// A row for each `key`, `model`, `tenant`, `day` in UTC, `operation`, `cause`, `plan`, `end_user`, `credential` (`platform` or
    /// `tenant`: by whose account at the provider), or for each value of a label: `tag:<its name>`; absent: one row for all.
    #[param(
        value_type = Option<String>,
        pattern = "^(key|model|tenant|day|operation|cause|plan|end_user|credential|tag:.{1,64})$",
    )]
    group_by: Option<GroupBy>,
}

/// What a row stands for.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct GroupBy(usage::GroupBy);

impl TryFrom<String> for GroupBy {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Ok(Self(match text.as_str() {
            "key" => usage::GroupBy::Key,
            "model" => usage::GroupBy::Model,
            "tenant" => usage::GroupBy::Tenant,
            "day" => usage::GroupBy::Day,
            "operation" => usage::GroupBy::Operation,
            "cause" => usage::GroupBy::Cause,
            "plan" => usage::GroupBy::Plan,
            "end_user" => usage::GroupBy::EndUser,
            "credential" => usage::GroupBy::Credential,
            other => match other.strip_prefix("tag:").filter(|name| (1..=TAG_NAME_CHARS_MAX).contains(&name.chars().count())) {
                Some(name) => usage::GroupBy::Tag(name.to_owned()),
                None => return Err(Error::invalid(UNKNOWN_GROUP)),
            },
        }))
    }
}

const UNKNOWN_GROUP: &str =
    "group by key, model, tenant, day, operation, cause, plan, end_user, credential, or by a label with tag:<its name>";

impl UsageQuery {
    fn ask(self) -> UsageAsk {
        let group_by = self.group_by.map_or(usage::GroupBy::None, |group_by| group_by.0);
        UsageAsk { from: self.from.map(|at| at.0), to: self.to.map(|at| at.0), group_by }
    }
}

/// Sums a tenant's usage. Requests that have ended are in it.
///
/// The tenant itself is told what it is charged, as on its statement and to the same total; operators are told the cost.
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
    let hides_cost = budgets::hides_amounts(&app.engine, &tenant);
    Ok(Json(Listed::whole(rows.into_iter().map(|used| Usage::of(used, hides_cost)))))
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
    Ok(Json(Listed::whole(rows.into_iter().map(|used| Usage::of(used, false)))))
}
