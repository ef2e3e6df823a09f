//! `.../budgets` of the platform, a tenant, a key and an end user.

use axum::{Json, extract::State};
use insula_engine::{
    accounts::BudgetView,
    directory::{ManagedEndUser, ManagedKey, ManagedTenant, OperatedTenant, Operator},
    manage::budgets,
};
use insula_model::{BudgetLevel, BudgetMode, BudgetTerms, Cap, Error, Result, Subject, Window};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictJson},
    wire::{Listed, Moment, Usd},
};

/// A budget with the state of its running window.
#[derive(Serialize, ToSchema)]
pub(crate) struct Budget {
    /// Its id; it stays while window and unit do.
    id: String,
    /// At which level it caps.
    level: BudgetLevel,
    /// Whose spending it caps: the id of a tenant or key, what the product calls an end user, or `platform`.
    subject: String,
    /// How often it starts afresh: calendar windows in UTC.
    window: Window,
    /// Whether it refuses or only counts.
    mode: BudgetMode,
    /// Shares of the limit at which somebody wants to know.
    alert_at: Vec<f64>,
    /// The cap and its state, in the budget's own unit.
    #[serde(flatten)]
    standing: Standing,
    /// When the window ends.
    resets_at: Moment,
}

/// A cap with what is used and held.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Standing {
    /// In money.
    Usd {
        /// How much is allowed.
        limit_usd: Usd,
        /// How much is settled in the running window.
        used_usd: Usd,
        /// How much is held by requests under way.
        reserved_usd: Usd,
    },
    /// In tokens of all classes.
    Tokens {
        /// How many are allowed.
        limit_tokens: u64,
        /// How many are settled in the running window.
        used_tokens: u64,
        /// How many are held by requests under way.
        reserved_tokens: u64,
    },
    /// In money, for a tenant that is charged by the prices of its plan: the budget counts what the providers charge.
    Percent {
        /// How much of the limit is settled in the running window, in whole percent.
        used_percent: u64,
    },
}

impl Budget {
    fn of(view: BudgetView, hides_amounts: bool) -> Self {
        let standing = Standing::of(&view, hides_amounts);
        let BudgetView { budget, resets_at, .. } = view;
        Self {
            id: budget.id.to_string(),
            level: budget.level(),
            subject: match budget.subject {
                Subject::Platform => "platform".to_owned(),
                Subject::Tenant(tenant) => tenant.to_string(),
                Subject::Key(_, key) => key.to_string(),
                Subject::EndUser(_, end_user) => end_user.to_string(),
            },
            window: budget.window,
            mode: budget.mode,
            alert_at: budget.alert_at,
            standing,
            resets_at: Moment(resets_at),
        }
    }
}

impl Standing {
    fn of(view: &BudgetView, hides_amounts: bool) -> Self {
        let BudgetView { budget, used, reserved, .. } = view;
        match budget.cap {
            Cap::Usd(_) if hides_amounts => Self::Percent { used_percent: view.used_percent() },
            Cap::Usd(limit) => {
                Self::Usd { limit_usd: Usd(limit), used_usd: Usd(used.money), reserved_usd: Usd(reserved.money) }
            }
            Cap::Tokens(limit_tokens) => {
                Self::Tokens { limit_tokens, used_tokens: used.tokens, reserved_tokens: reserved.tokens }
            }
        }
    }
}

/// A budget as it is asked for: exactly one of `limit_usd` and `limit_tokens`; one budget per window and unit.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetOrder {
    /// How often it starts afresh.
    window: Window,
    /// How much money is allowed; nothing is served under a hard `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_usd: Option<Usd>,
    /// How many tokens are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_tokens: Option<u64>,
    /// Whether it refuses or only counts.
    #[serde(default)]
    mode: BudgetMode,
    /// Shares of the limit, above 0 and at most 1.
    #[serde(default)]
    alert_at: Vec<f64>,
}

impl BudgetOrder {
    /// The same without an amount of money.
    pub(super) fn without_usd(self) -> Self {
        Self { limit_usd: None, ..self }
    }
}

impl From<BudgetTerms> for BudgetOrder {
    fn from(terms: BudgetTerms) -> Self {
        let BudgetTerms { window, cap, mode, alert_at } = terms;
        let (limit_usd, limit_tokens) = match cap {
            Cap::Usd(money) => (Some(Usd(money)), None),
            Cap::Tokens(tokens) => (None, Some(tokens)),
        };
        Self { window, limit_usd, limit_tokens, mode, alert_at }
    }
}

/// The terms that are asked for, or the field that is wrong.
pub(super) fn read(orders: Vec<BudgetOrder>) -> Result<Vec<BudgetTerms>> {
    let read = |(i, order): (usize, BudgetOrder)| {
        let cap = match (order.limit_usd, order.limit_tokens) {
            (Some(Usd(money)), None) => Cap::Usd(money),
            (None, Some(tokens)) => Cap::Tokens(tokens),
            (Some(_), Some(_)) => {
                return Err(
                    Error::invalid("give either `limit_usd` or `limit_tokens`, not both").at(format!("[{i}].limit_tokens"))
                );
            }
            (None, None) => {
                return Err(Error::invalid("give either `limit_usd` or `limit_tokens`").at(format!("[{i}].limit_usd")));
            }
        };
        Ok(BudgetTerms { window: order.window, cap, mode: order.mode, alert_at: order.alert_at })
    };
    orders.into_iter().enumerate().map(read).collect()
}

type Answer = Result<Json<Listed<Budget>>, Failure>;

fn answer(views: Vec<BudgetView>, hides_amounts: bool) -> Answer {
    Ok(Json(Listed::whole(views.into_iter().map(|view| Budget::of(view, hides_amounts)))))
}

/// The same of an end user, by the product's own name for it.
fn answer_of(user: &ManagedEndUser, views: Vec<BudgetView>, hides_amounts: bool) -> Answer {
    let named = |view| Budget { subject: user.name.to_string(), ..Budget::of(view, hides_amounts) };
    Ok(Json(Listed::whole(views.into_iter().map(named))))
}

/// Shows a tenant's budgets, own and inherited, with what is used.
///
/// Budgets of money count what the providers charge. A tenant whose plan has prices of its own sees of them how much is used in
/// percent, and sets none on its keys and end users; the same holds for those.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/budgets", operation_id = "tenant_budgets", tag = "budgets",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The budgets", body = Listed<Budget>), TenantErrors),
)]
pub(crate) async fn of_tenant(State(app): State<App>, Authorised(tenant): Authorised<ManagedTenant>) -> Answer {
    answer(budgets::of_tenant(&app.engine, &tenant).await?, budgets::hides_amounts(&app.engine, &tenant))
}

/// Replaces a tenant's own budgets; what is already spent in the running windows counts at once. Those that it inherits hold
/// where it has none of its own for the same window and unit.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/budgets", operation_id = "replace_tenant_budgets", tag = "budgets",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = Vec<BudgetOrder>,
    responses((status = 200, description = "The budgets as they are now", body = Listed<Budget>), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictJson(orders): StrictJson<Vec<BudgetOrder>>,
) -> Answer {
    answer(budgets::replace_of_tenant(&app.engine, &tenant, read(orders)?).await?, false)
}

/// Shows a key's budgets with what is used.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/keys/{key}/budgets", operation_id = "key_budgets", tag = "budgets",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The budgets", body = Listed<Budget>), TenantErrors),
)]
pub(crate) async fn of_key(State(app): State<App>, Authorised(key): Authorised<ManagedKey>) -> Answer {
    answer(budgets::of_key(&app.engine, &key).await?, budgets::hides_amounts(&app.engine, &key.tenant))
}

/// Replaces a key's budgets. They hold beside its tenant's.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/keys/{key}/budgets", operation_id = "replace_key_budgets", tag = "budgets",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    request_body = Vec<BudgetOrder>,
    responses((status = 200, description = "The budgets as they are now", body = Listed<Budget>), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_key(
    State(app): State<App>,
    Authorised(key): Authorised<ManagedKey>,
    StrictJson(orders): StrictJson<Vec<BudgetOrder>>,
) -> Answer {
    let hides_amounts = budgets::hides_amounts(&app.engine, &key.tenant);
    answer(budgets::replace_of_key(&app.engine, &key, read(orders)?).await?, hides_amounts)
}

/// Shows an end user's budgets with what is used.
///
/// The end user is the one of the caller's token, or else the `user` of the request's body. What it used before a budget was
/// set counts.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/end-users/{end_user}/budgets", operation_id = "end_user_budgets", tag = "budgets",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("end_user" = String, Path, description = "What the product calls the end user, 1 to 200 characters, percent-encoded"),
    ),
    responses((status = 200, description = "The budgets", body = Listed<Budget>), TenantErrors, ParamErrors),
)]
pub(crate) async fn of_end_user(State(app): State<App>, Authorised(user): Authorised<ManagedEndUser>) -> Answer {
    let hides_amounts = budgets::hides_amounts(&app.engine, &user.tenant);
    answer_of(&user, budgets::of_end_user(&app.engine, &user).await?, hides_amounts)
}

/// Replaces an end user's budgets. They hold beside its tenant's and those of the keys that are used for it.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/end-users/{end_user}/budgets", operation_id = "replace_end_user_budgets", tag = "budgets",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("end_user" = String, Path, description = "What the product calls the end user, 1 to 200 characters, percent-encoded"),
    ),
    request_body = Vec<BudgetOrder>,
    responses((status = 200, description = "The budgets as they are now", body = Listed<Budget>), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_end_user(
    State(app): State<App>,
    Authorised(user): Authorised<ManagedEndUser>,
    StrictJson(orders): StrictJson<Vec<BudgetOrder>>,
) -> Answer {
    let hides_amounts = budgets::hides_amounts(&app.engine, &user.tenant);
    answer_of(&user, budgets::replace_of_end_user(&app.engine, &user, read(orders)?).await?, hides_amounts)
}

/// Shows the platform's budgets with what all tenants together used.
#[utoipa::path(
    get, path = "/api/v1/platform/budgets", operation_id = "platform_budgets", tag = "budgets",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The budgets", body = Listed<Budget>), OperatorErrors),
)]
pub(crate) async fn of_platform(State(app): State<App>, Authorised(by): Authorised<Operator>) -> Answer {
    answer(budgets::of_platform(&app.engine, &by).await?, false)
}

/// Replaces the platform's budgets. They hold beside all others.
#[utoipa::path(
    put, path = "/api/v1/platform/budgets", operation_id = "replace_platform_budgets", tag = "budgets",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = Vec<BudgetOrder>,
    responses((status = 200, description = "The budgets as they are now", body = Listed<Budget>), OperatorErrors, InputErrors),
)]
pub(crate) async fn replace_of_platform(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictJson(orders): StrictJson<Vec<BudgetOrder>>,
) -> Answer {
    answer(budgets::replace_of_platform(&app.engine, &by, read(orders)?).await?, false)
}
