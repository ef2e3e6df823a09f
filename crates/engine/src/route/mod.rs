//! Where a request may go, and in which order: decided once, before anything is held for it.
//!
//! - [`complexity`]: which model the name `auto` stands for;
//! - [`unnamed`]: which model judges where a moderation names none;
//! - [`filter`]: what may serve it at all. Residency comes before any scoring, for models that step in as well;
//! - [`choose`]: in which order the rest is tried;
//! - [`health`]: which of them fail too much to be tried, or go behind their peers;
//! - [`locks`]: which version must answer;
//! - [`record`]: the decision as the trace keeps it.
//!
//! `attempts.rs` then makes attempts at the candidates, one after the other; `manage/routing.rs` explains the decision without
//! sending anything.

mod choose;
mod complexity;
mod filter;
mod health;
mod locks;
mod record;
mod unnamed;

use std::{sync::Arc, time::Duration};

use insula_model::{Cause, Complexity, Result};
use insula_providers::Route;

use self::filter::Needs;
pub(crate) use self::{
    health::{Health, Outcome, Watch},
    locks::{Expected, Versions},
    unnamed::unnamed_moderation,
};
pub use self::{
    locks::Mismatch,
    record::{CandidateRecord, RouteRecord},
};
use crate::{Call, Engine, directory::TenantEntry, work::Work};

/// Bounds of routing; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Attempts at one request together, unless its tenant wants fewer.
    pub attempts_max: u32,
    /// How long after a request arrived another attempt may begin.
    pub retry_within: Duration,
    /// The first wait before the same candidate is tried again; later ones double it.
    pub retry_wait_first: Duration,
    /// The longest such wait; a provider that asks for more is not waited for.
    pub retry_wait_max: Duration,
    /// From which share of failures on a circuit opens, in percent.
    pub circuit_failures_percent: u32,
    /// From how many outcomes on that is judged.
    pub circuit_outcomes_min: usize,
    /// How old an outcome may be to count.
    pub circuit_window: Duration,
    /// How long an open circuit waits before its first probe, and a probe may take; the rest doubles with probes that fail.
    pub circuit_open: Duration,
}

impl Default for RouteSettings {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            retry_within: Duration::from_secs(180),
            retry_wait_first: Duration::from_millis(200),
            retry_wait_max: Duration::from_secs(10),
            circuit_failures_percent: 50,
            circuit_outcomes_min: 10,
            circuit_window: Duration::from_secs(30),
            circuit_open: Duration::from_secs(10),
        }
    }
}

/// Something that may serve a request.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub route: Route,
    /// The version that must answer.
    pub expected: Expected,
}

/// What may serve a request, in the order in which it is tried, and why.
pub(crate) struct Plan {
    /// The decision for the trace. What is not this tenant's to see is not in it.
    pub record: RouteRecord,
    /// At least one candidate, or why there is none.
    pub candidates: Result<Vec<Candidate>>,
}

/// What is said of a request beside what it asks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stated {
    /// How demanding it is.
    pub complexity: Option<Complexity>,
    /// Whether the platform chose its model on the tenant's behalf, as the operator set it up.
    pub is_platforms: bool,
}

impl Stated {
    /// What is said of this call.
    pub fn by(call: &Call) -> Self {
        Self { complexity: call.complexity, is_platforms: call.cause == Cause::Embedding }
    }
}

/// Draws up where a request of this tenant may go. Nothing is held or noted by it.
pub(crate) fn plan(engine: &Engine, tenant: &TenantEntry, work: &Work, stated: Stated) -> Plan {
    let strategy = tenant.routing.strategy.unwrap_or_default();
    let (model, complexity) = complexity::resolve(tenant.routing.matrix.as_ref(), work, stated.complexity);
    let mut record = RouteRecord::new(model, complexity, strategy);
    let candidates = filter::check_hand_over(tenant, work)
        .and_then(|()| found(engine, tenant, work, model, stated))
        .and_then(|found| select(engine, tenant, work, found, &mut record));
    Plan { record, candidates }
}

/// What a request means by its model: the name behind `auto`, and all that may answer for it whatever state it is in.
///
/// # Errors
/// Those of a model that is unknown to this tenant, or has no price, and of a request that may not leave its tenant's hands so.
pub(crate) fn meant<'a>(
    engine: &Engine,
    tenant: &'a TenantEntry,
    work: &'a Work,
    stated: Stated,
) -> Result<(&'a str, Vec<Route>)> {
    let (model, _) = complexity::resolve(tenant.routing.matrix.as_ref(), work, stated.complexity);
    filter::check_hand_over(tenant, work)?;
    Ok((model, found(engine, tenant, work, model, stated)?))
}

/// All that serves the model, and behind it all that steps in for it.
fn found(engine: &Engine, tenant: &TenantEntry, work: &Work, model: &str, stated: Stated) -> Result<Vec<Route>> {
    let (now, operation) = (engine.clock.now(), work.operation());
    if stated.is_platforms {
        return tenant.standing_for(|viewer| {
            let mut found = engine.providers.candidates(model, operation, now, viewer)?;
            // Vectors of another model mean nothing beside its own, so nothing steps in, not even what has the same alias.
            let name = found.first().map(|route| route.card.name.clone());
            found.retain(|route| Some(&route.card.name) == name.as_ref());
            Ok(found)
        });
    }
    tenant.looking(|viewer| {
        let mut found = engine.providers.candidates(model, operation, now, viewer)?;
        let fallbacks = tenant.routing.fallbacks.as_ref().and_then(|fallbacks| fallbacks.get(model));
        for fallback in fallbacks.into_iter().flatten() {
            // What is not there, or not this tenant's, steps in for nothing.
            for route in engine.providers.candidates(fallback, operation, now, viewer).unwrap_or_default() {
                if !found.iter().any(|known| Arc::ptr_eq(&known.card, &route.card)) {
                    found.push(route);
                }
            }
        }
        Ok(found)
    })
}

/// Keeps what may serve the request and puts it in order.
fn select(
    engine: &Engine,
    tenant: &TenantEntry,
    work: &Work,
    found: Vec<Route>,
    record: &mut RouteRecord,
) -> Result<Vec<Candidate>> {
    let needs = Needs::of(engine, tenant, work, &found);
    let mut kept = Vec::with_capacity(found.len());
    let mut refusals = Vec::new();
    for route in found {
        let refusal = filter::refusal(engine, &needs, &route);
        record.candidates.push(CandidateRecord::new(&route, refusal.as_ref()));
        match refusal {
            Some(refusal) => refusals.push(refusal),
            None => kept.push(route),
        }
    }
    if kept.is_empty() {
        return Err(filter::nothing_left(&needs, work, &refusals));
    }
    let order = choose::order(engine, tenant, work, kept);
    let mut candidates = Vec::with_capacity(order.len());
    for (rank, (route, behind)) in (1..).zip(order) {
        record.rank(&route, rank, behind);
        let expected = needs.expected(&route);
        candidates.push(Candidate { route, expected });
    }
    Ok(candidates)
}
