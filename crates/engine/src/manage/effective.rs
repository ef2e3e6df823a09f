//! What is in force for a tenant, value by value, and where each comes from.

use insula_model::{
    Budget, Effective, EffectiveCache, EffectiveLimits, EffectiveRouting, EffectiveVectors, Limits, Lineage, ProviderIsolation,
    ReleaseMode, Routing, Slug, Strategy, Subject,
};

use super::{budgets, embedder};
use crate::{Engine, QueueSettings, directory::ManagedTenant};

/// All that is in force for a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveView {
    /// Its plan.
    pub plan: Option<Slug>,
    /// Its segment.
    pub segment: Option<Slug>,
    /// Its limits.
    pub limits: EffectiveLimits,
    /// Its budgets; each says its origin.
    pub budgets: Vec<Budget>,
    /// Whether the caller may not know how much money they are.
    pub hides_amounts: bool,
    /// The models that it may call; all where there is no value.
    pub models: Effective<Vec<String>>,
    /// How its requests are routed.
    pub routing: EffectiveRouting,
    /// Its rules of the answer cache.
    pub cache: EffectiveCache,
    /// Where its vectors are to be.
    pub vectors: EffectiveVectors,
    /// What places its documents among each other.
    pub embedder: Effective<String>,
}

/// What the platform does where neither the tenant nor its segment nor its plan says anything.
fn platform(queue: &QueueSettings) -> Limits {
    Limits {
        queue_depth_max: Some(queue.depth_max),
        queue_wait_ms_max: Some(u32::try_from(queue.wait_max.as_millis()).unwrap_or(u32::MAX)),
        weight: Some(1),
        mode: Some(ReleaseMode::default()),
        provider_isolation: Some(ProviderIsolation::default()),
        ..Limits::default()
    }
}

/// The same of routing.
fn platform_routing(attempts_max: u32) -> Routing {
    Routing { strategy: Some(Strategy::default()), attempts_max: Some(attempts_max), ..Routing::default() }
}

/// What is in force for a tenant now.
pub fn of_tenant(engine: &Engine, tenant: &ManagedTenant) -> EffectiveView {
    let record = &tenant.entry.record;
    let (plan, segment) = engine.directory.inherited_from(record);
    let lineage =
        Lineage { segment: segment.as_ref().map(|segment| &segment.defaults), plan: plan.as_ref().map(|plan| &plan.defaults) };
    let models = lineage.models(record.models.as_deref());
    EffectiveView {
        plan: record.plan.clone(),
        segment: record.segment.clone(),
        limits: lineage.limits(&tenant.entry.own_limits, &platform(&engine.settings.queue)),
        hides_amounts: budgets::hides_amounts(engine, tenant),
        budgets: engine.accounts.budgets(&Subject::Tenant(record.id)),
        models: Effective { value: models.value.map(<[String]>::to_vec), origin: models.origin },
        routing: lineage.routing(&record.routing, &platform_routing(engine.settings.routing.attempts_max)),
        cache: lineage.cache(&record.cache),
        vectors: lineage.vectors(&record.vectors, engine.store.vector_collection()),
        embedder: embedder::chosen(engine, &tenant.entry),
    }
}
