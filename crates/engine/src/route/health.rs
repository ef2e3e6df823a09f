//! How well each model of each provider does, and whether it is tried at all.
//!
//! The outcomes of the last seconds are kept, a bounded number for each model. When too many of them are the provider's failures
//! its circuit opens: nothing goes there until it has had a rest; then one request at a time tries it, until one succeeds.
//!
//! What a tenant sends can make a provider fail. So a circuit opens for everybody only where several tenants see the model
//! failing, they are at least half of those who use it, and as much of what all of them send fails: a few failures of some say
//! little beside all that others are served. What only one of them sees closes the way for that one alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use insula_model::{Clock, Error, ErrorKind, TenantId};
use parking_lot::Mutex;

use super::RouteSettings;
use crate::queue::LaneKey;

/// Outcomes that are kept of one model.
const OUTCOMES_KEPT: usize = 128;
/// From this many models and accounts on, those of tenants' own that show nothing are forgotten before a new one is noted; where
/// none does, all of them are.
const RECORDS_KEPT_MAX: usize = 1_024;
/// The longest rest of an open circuit, in times of the first.
const REST_TIMES_MAX: u32 = 16;

/// What an attempt says of whoever served it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Good,
    /// It failed by its own fault.
    Fault,
    /// Nothing: the request was at fault, the caller left, or the provider asked for a slower pace.
    Neither,
}

impl Outcome {
    /// What an attempt's end says.
    pub fn of(error: Option<&Error>) -> Self {
        match error.map(Error::kind) {
            None => Outcome::Good,
            Some(ErrorKind::ProviderFailed | ErrorKind::ProviderTimeout) => Outcome::Fault,
            Some(_) => Outcome::Neither,
        }
    }
}

/// Whether something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    /// One request at a time, to see whether it is well again.
    HalfOpen,
    /// Not before so long.
    Open {
        wait: Duration,
    },
}

/// For whom a circuit is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Everybody,
    One(TenantId),
}

#[derive(Debug)]
struct Circuit {
    until: Duration,
    rest: Duration,
    is_probed: bool,
}

#[derive(Debug)]
struct Seen {
    at: Duration,
    tenant: TenantId,
    is_fault: bool,
}

/// How one model does. Told the time, so that it is tested without waiting.
#[derive(Debug, Default)]
struct Record {
    outcomes: VecDeque<Seen>,
    everybody: Option<Circuit>,
    /// At most one for each tenant whose outcomes were kept when it opened.
    ones: HashMap<TenantId, Circuit>,
}

/// What a tenant's outcomes come to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    outcomes: usize,
    faults: usize,
}

impl Tally {
    fn note(&mut self, seen: &Seen) {
        self.outcomes += 1;
        self.faults += usize::from(seen.is_fault);
    }

    fn share(self) -> f64 {
        self.faults as f64 / self.outcomes.max(1) as f64
    }

    fn is_failing(self, percent: u32) -> bool {
        self.faults > 0 && self.faults * 100 >= self.outcomes * percent as usize
    }
}

impl Circuit {
    fn state(&self, now: Duration) -> State {
        match self.until.saturating_sub(now) {
            Duration::ZERO if !self.is_probed => State::HalfOpen,
            wait => State::Open { wait: wait.max(Duration::from_millis(100)) },
        }
    }
}

impl Record {
    /// The circuit that a tenant meets, and how far it reaches.
    fn circuit(&mut self, tenant: TenantId) -> Option<(Reach, &mut Circuit)> {
        let everybody = self.everybody.as_mut().map(|circuit| (Reach::Everybody, circuit));
        everybody.or_else(|| self.ones.get_mut(&tenant).map(|circuit| (Reach::One(tenant), circuit)))
    }

    fn look(&self, tenant: TenantId, now: Duration) -> State {
        let circuit = self.everybody.as_ref().or_else(|| self.ones.get(&tenant));
        circuit.map_or(State::Closed, |circuit| circuit.state(now))
    }

    /// Lets an attempt through, perhaps as a probe; `None` where it may not go.
    fn admit(&mut self, tenant: TenantId, now: Duration) -> Option<Option<Reach>> {
        let Some((reach, circuit)) = self.circuit(tenant) else { return Some(None) };
        if circuit.state(now) != State::HalfOpen {
            return None;
        }
        circuit.is_probed = true;
        Some(Some(reach))
    }

    fn note(&mut self, tenant: TenantId, outcome: Outcome, now: Duration, settings: &RouteSettings) {
        if outcome == Outcome::Neither {
            return;
        }
        self.forget_old(now, settings);
        if self.outcomes.len() == OUTCOMES_KEPT {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(Seen { at: now, tenant, is_fault: outcome == Outcome::Fault });
        // What was sent before the circuit opened says nothing new.
        if outcome == Outcome::Fault && self.circuit(tenant).is_none() {
            self.judge(tenant, now, settings);
        }
    }

    /// The probe has come back.
    fn note_probe(&mut self, reach: Reach, outcome: Outcome, now: Duration, settings: &RouteSettings) {
        match (outcome, reach) {
            (Outcome::Good, Reach::Everybody) => {
                self.everybody = None;
                self.outcomes.clear();
            }
            (Outcome::Good, Reach::One(tenant)) => {
                self.ones.remove(&tenant);
                self.outcomes.retain(|seen| seen.tenant != tenant);
            }
            (Outcome::Fault | Outcome::Neither, reach) => {
                let circuit = match reach {
                    Reach::Everybody => self.everybody.as_mut(),
                    Reach::One(tenant) => self.ones.get_mut(&tenant),
                };
                let Some(circuit) = circuit else { return };
                circuit.is_probed = false;
                if outcome == Outcome::Fault {
                    circuit.rest = (circuit.rest * 2).min(settings.circuit_open * REST_TIMES_MAX);
                    circuit.until = now + circuit.rest;
                }
            }
        }
    }

    fn forget_old(&mut self, now: Duration, settings: &RouteSettings) {
        while self.outcomes.front().is_some_and(|seen| now.saturating_sub(seen.at) > settings.circuit_window) {
            self.outcomes.pop_front();
        }
    }

    /// Whether it says nothing any more.
    fn is_blank(&mut self, now: Duration, settings: &RouteSettings) -> bool {
        self.forget_old(now, settings);
        self.outcomes.is_empty() && self.everybody.is_none() && self.ones.is_empty()
    }

    fn tallies(&self) -> HashMap<TenantId, Tally> {
        let mut tallies: HashMap<TenantId, Tally> = HashMap::new();
        for seen in &self.outcomes {
            tallies.entry(seen.tenant).or_default().note(seen);
        }
        tallies
    }

    fn together(&self) -> Tally {
        let mut tally = Tally::default();
        self.outcomes.iter().for_each(|seen| tally.note(seen));
        tally
    }

    /// Opens the circuit where there is cause: for everybody, or for the tenant that has just seen a failure.
    fn judge(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) {
        let (percent, least) = (settings.circuit_failures_percent, settings.circuit_outcomes_min);
        if self.outcomes.len() < least {
            return;
        }
        let tallies = self.tallies();
        let failing = tallies.values().filter(|tally| tally.is_failing(percent)).count();
        let circuit = || Circuit { until: now + settings.circuit_open, rest: settings.circuit_open, is_probed: false };
        if failing >= 2 && failing * 2 >= tallies.len() && self.together().is_failing(percent) {
            self.ones.clear();
            self.everybody = Some(circuit());
        } else if tallies.get(&tenant).is_some_and(|tally| tally.outcomes >= least && tally.is_failing(percent)) {
            self.ones.retain(|one, _| tallies.contains_key(one));
            self.ones.insert(tenant, circuit());
        }
    }

    /// The share of failures as a tenant sees it: its own, where it has enough outcomes; else that of the others, each of whom
    /// counts alike, where there are several.
    fn share(&self, tenant: TenantId, least: usize) -> Option<f64> {
        if !self.outcomes.iter().any(|seen| seen.is_fault) {
            return None;
        }
        let tallies = self.tallies();
        if let Some(own) = tallies.get(&tenant).filter(|tally| tally.outcomes >= least) {
            return Some(own.share());
        }
        let is_known = tallies.len() >= 2 && self.outcomes.len() >= least;
        is_known.then(|| tallies.values().map(|tally| tally.share()).sum::<f64>() / tallies.len() as f64)
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

    /// Whether a model would be tried for a tenant now.
    pub(super) fn look(&self, key: &LaneKey, tenant: TenantId) -> State {
        let records = self.records.lock();
        records.get(key).map_or(State::Closed, |record| record.look(tenant, self.clock.elapsed()))
    }

    /// Whether a model may be tried for a tenant now; asks for no probe.
    pub fn is_open(&self, key: &LaneKey, tenant: TenantId) -> bool {
        matches!(self.look(key, tenant), State::Open { .. })
    }

    /// The share of a model's failures, as far as this tenant can tell. One that waits to be probed has none: behind its peers
    /// nobody would ever try it.
    pub(super) fn failure_share(&self, key: &LaneKey, tenant: TenantId) -> Option<f64> {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        let record = records.get_mut(key).filter(|record| record.look(tenant, now) != State::HalfOpen)?;
        record.forget_old(now, &self.settings);
        record.share(tenant, self.settings.circuit_outcomes_min)
    }

    /// Lets an attempt through to a model; `None` where its circuit is open.
    pub fn admit(self: &Arc<Self>, key: LaneKey, tenant: TenantId) -> Option<Watch> {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        make_room(&mut records, &key, now, &self.settings);
        let probes = records.entry(key.clone()).or_default().admit(tenant, now)?;
        drop(records);
        Some(Watch { health: self.clone(), key, tenant, probes, is_over: false })
    }

    fn note(&self, watch: &Watch, outcome: Outcome) {
        let (mut records, now) = (self.records.lock(), self.clock.elapsed());
        let Some(record) = records.get_mut(&watch.key) else { return };
        if let Some(reach) = watch.probes {
            record.note_probe(reach, outcome, now, &self.settings);
        }
        record.note(watch.tenant, outcome, now, &self.settings);
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
    tenant: TenantId,
    probes: Option<Reach>,
    is_over: bool,
}

impl Watch {
    /// The attempt is over.
    pub fn report(mut self, outcome: Outcome) {
        self.is_over = true;
        self.health.note(&self, outcome);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_over {
            self.health.note(self, Outcome::Neither);
        }
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
