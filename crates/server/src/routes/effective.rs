//! `.../effective` of a tenant.

use axum::{Json, extract::State};
use insula_engine::{
    directory::ManagedTenant,
    manage::effective::{self, EffectiveView},
};
use insula_model::{BudgetOrigin, BudgetTerms, Effective, EffectiveCache, EffectiveLimits, EffectiveRouting, EffectiveVectors};
use serde::Serialize;
use utoipa::ToSchema;

use super::budgets::BudgetOrder;
use crate::{App, errors::TenantErrors, extract::Authorised};

/// What is in force for a tenant, value by value, and where each comes from.
#[derive(Serialize, ToSchema)]
pub(crate) struct InForce {
    /// Its plan.
    plan: Option<String>,
    /// Its segment, whose defaults come before those of its plan.
    segment: Option<String>,
    /// Its limits.
    limits: EffectiveLimits,
    /// Its budgets, one per window and unit.
    budgets: Vec<EffectiveBudget>,
    /// The models that it may call; all where the value is null.
    models: Effective<Vec<String>>,
    /// How its requests are routed.
    routing: EffectiveRouting,
    /// Its rules of the answer cache.
    cache: EffectiveCache,
    /// Where its vectors are to be.
    vectors: EffectiveVectors,
    /// What places its documents among each other.
    embedder: Effective<String>,
}

/// A budget in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct EffectiveBudget {
    /// Where it comes from.
    origin: BudgetOrigin,
    /// What it says; without an amount of money for a tenant whose plan has prices of its own.
    budget: BudgetOrder,
}

impl From<EffectiveView> for InForce {
    fn from(view: EffectiveView) -> Self {
        let order = |terms: BudgetTerms| match view.hides_amounts {
            true => BudgetOrder::from(terms).without_usd(),
            false => BudgetOrder::from(terms),
        };
        let budgets = view.budgets.into_iter();
        Self {
            plan: view.plan.map(String::from),
            segment: view.segment.map(String::from),
            limits: view.limits,
            budgets: budgets.map(|b| EffectiveBudget { origin: b.origin, budget: order(b.into_terms()) }).collect(),
            models: view.models,
            routing: view.routing,
            cache: view.cache,
            vectors: view.vectors,
            embedder: view.embedder,
        }
    }
}

/// Shows what is in force for a tenant: its own values, else its segment's, else its plan's, else the platform's.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/effective", operation_id = "tenant_effective", tag = "plans",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "What is in force", body = InForce), TenantErrors),
)]
pub(crate) async fn of_tenant(State(app): State<App>, Authorised(tenant): Authorised<ManagedTenant>) -> Json<InForce> {
    Json(effective::of_tenant(&app.engine, &tenant).into())
}
