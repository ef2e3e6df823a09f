//! How well each model of each provider does, and whether it is tried at all.
//!
//! The outcomes of the last seconds are kept, a bounded number for each tenant of each model. When too many of them are the
//! provider's failures its circuit opens: nothing goes there until it has had a rest; then one request at a time tries it, until
//! one succeeds.
//!
//! What a tenant sends can make a provider fail. So a circuit opens for everybody only where at least three tenants see the model
//! failing (both, where two use it), they are at least half of those who use it, and as much of what all of them send fails. There
//! each counts up to the same number: a few failures of some say little beside all that others are served, and many of one no
//! more than his. What only one of them sees closes the way for that one alone.
//!
//! - [`record`]: what the tenants of one model have seen, and when that opens a circuit;
//! - [`circuit`]: who may try a model that is closed, and when.

mod circuit;
mod record;

use std::{collections::HashMap, sync::Arc, time::Duration};

use insula_model::{Clock, Error, ErrorKind, TenantId};
use insula_providers::RanOut;
use parking_lot::Mutex;

pub(super) use self::circuit::State;
use self::record::{Pass, Record};
use super::RouteSettings;
use crate::queue::LaneKey;

/// From this many models and accounts on, those of tenants' own that show nothing are forgotten before a new one is noted; where
/// none does, all of them are.
const RECORDS_KEPT_MAX: usize = 1_024;

/// What an attempt says of whoever served it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Good,
    /// It failed by its own fault.
    Fault,
    /// Nothing: the request was at fault, the caller left, the provider asked for a slower pace, or a bound of ours ended it.
    Neither,
}

impl Outcome {
    /// What an attempt's end says, of a stream or of a whole answer. How long a whole answer takes, and how long a stream does
    /// until its end, is for its caller to make.
    pub fn of(error: Option<&Error>, is_stream: bool) -> Self {
        let Some(error) = error else { return Outcome::Good };
        match (error.kind(), RanOut::of(error)) {
            (ErrorKind::ProviderTimeout, Some(RanOut::Total)) => Outcome::Neither,
            (ErrorKind::ProviderTimeout, Some(_)) if !is_stream => Outcome::Neither,
            (ErrorKind::ProviderFailed | ErrorKind::ProviderTimeout, _) => Outcome::Fault,
            _ => Outcome::Neither,
        }
    }
}

/// How all models do, on this node; those of a tenant's own account by themselves.
pub(crate) struct Health {
    records: Mutex<HashMap<LaneKey, Record>>,
    settings: RouteSettings,
    clock: Arc<dyn Clock>,
}

impl Health {
    pub fn new(settings: RouteSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { records: Mutex::default(), settings, clock })
    }

    /// Whether a model would be tried for a tenant now, that wants to go there.
    pub(super) fn look(&self, key: &LaneKey, tenant: TenantId) -> State {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        records.get_mut(key).map_or(State::Closed, |record| record.ask(tenant, now, &self.settings))
    }

    /// Whether a model's circuit is open for a tenant now; asks for no probe.
    pub fn is_open(&self, key: &LaneKey, tenant: TenantId) -> bool {
        matches!(self.look(key, tenant), State::Open { .. })
    }

    /// The share of a model's failures, as far as this tenant can tell. One that waits to be probed has none: behind its peers
    /// nobody would ever try it.
    pub(super) fn failure_share(&self, key: &LaneKey, tenant: TenantId) -> Option<f64> {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        let record = records.get_mut(key).filter(|record| record.look(tenant, now, &self.settings) != State::HalfOpen)?;
        record.forget_old(now, &self.settings);
        record.share(tenant, &self.settings)
    }

    /// Lets an attempt through to a model; `None` where its circuit is open.
    pub fn admit(self: &Arc<Self>, key: LaneKey, tenant: TenantId) -> Option<Watch> {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        make_room(&mut records, &key, now, &self.settings);
        let pass = records.entry(key.clone()).or_default().admit(tenant, now, &self.settings)?;
        drop(records);
        Some(Watch { health: self.clone(), key, pass, is_over: false })
    }
}

/// Forgets accounts of tenants' own where there are too many: there are more of them than models in the catalogue.
fn make_room(records: &mut HashMap<LaneKey, Record>, key: &LaneKey, now: Duration, settings: &RouteSettings) {
    if records.len() < RECORDS_KEPT_MAX || records.contains_key(key) {
        return;
    }
    records.retain(|key, record| !key.is_own() || !record.is_blank(now, settings));
    if records.len() >= RECORDS_KEPT_MAX {
        records.retain(|key, _| !key.is_own());
    }
}

/// An attempt whose outcome is awaited. Dropped without one it says nothing, and lets the next one probe.
pub(crate) struct Watch {
    health: Arc<Health>,
    key: LaneKey,
    pass: Pass,
    is_over: bool,
}

impl Watch {
    /// The attempt is answered, though it may go on for long.
    pub fn answered(&mut self) {
        self.note(Outcome::Good);
    }

    /// The attempt is over.
    pub fn report(mut self, outcome: Outcome) {
        self.is_over = true;
        self.note(outcome);
    }

    fn note(&mut self, outcome: Outcome) {
        let (mut records, now) = (self.health.records.lock(), self.health.clock.elapsed());
        if let Some(record) = records.get_mut(&self.key) {
            record.note(&mut self.pass, outcome, now, &self.health.settings);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_over {
            self.note(Outcome::Neither);
        }
    }
}

#[cfg(test)]
mod tests;
