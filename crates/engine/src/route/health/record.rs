//! How one model of one account does, as each of its tenants sees it. Told the time, so that it is tested without waiting.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use insula_model::TenantId;

use super::{
    Outcome, RouteSettings,
    circuit::{Circuit, State},
};

/// Outcomes that are kept of one tenant at one model. None takes another tenant's place.
pub(super) const OUTCOMES_KEPT: usize = 128;
/// Tenants that are kept of one model. One more takes the place of the one that was not heard of for longest.
pub(super) const TENANTS_KEPT_MAX: usize = 256;
/// So many tenants have to see a model failing before it is closed for everybody, where so many use it.
const FAILING_TENANTS_MIN: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Record {
    pub tenants: HashMap<TenantId, Seen>,
    everybody: Option<Circuit>,
    /// When it last opened for everybody. What was sent before says nothing new.
    opened: Option<Duration>,
    probes: u64,
}

/// What one tenant has seen of a model.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub outcomes: VecDeque<Noted>,
    faults: usize,
    pub circuit: Option<Circuit>,
    /// When it last opened for this one.
    opened: Option<Duration>,
    heard: Duration,
}

#[derive(Debug)]
pub(super) struct Noted {
    at: Duration,
    is_fault: bool,
}

/// What an attempt was let through with.
#[derive(Debug)]
pub(super) struct Pass {
    pub tenant: TenantId,
    begun: Duration,
    pub probe: Option<Probe>,
    /// When it was noted that it is answered.
    good_at: Option<Duration>,
}

/// An attempt that shows whether a model is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    number: u64,
    /// For all, or for its tenant alone.
    pub is_everybodys: bool,
}

impl Seen {
    fn push(&mut self, now: Duration, is_fault: bool) {
        if self.outcomes.len() == OUTCOMES_KEPT {
            self.pop();
        }
        self.outcomes.push_back(Noted { at: now, is_fault });
        self.faults += usize::from(is_fault);
        self.heard = now;
    }

    fn pop(&mut self) {
        let first = self.outcomes.pop_front();
        self.faults -= usize::from(first.is_some_and(|noted| noted.is_fault));
    }

    /// What began well broke off: it counts once.
    fn take_back(&mut self, good_at: Duration) {
        let is_it = |noted: &Noted| noted.at == good_at && !noted.is_fault;
        if let Some(place) = self.outcomes.iter().position(is_it) {
            self.outcomes.remove(place);
        }
    }

    fn forget_old(&mut self, now: Duration, settings: &RouteSettings) {
        while self.outcomes.front().is_some_and(|noted| now.saturating_sub(noted.at) > settings.circuit_window) {
            self.pop();
        }
    }

    fn forget_all(&mut self) {
        (self.circuit, self.faults) = (None, 0);
        self.outcomes.clear();
    }

    fn is_blank(&self) -> bool {
        self.outcomes.is_empty() && self.circuit.is_none()
    }

    fn share(&self) -> f64 {
        self.faults as f64 / self.outcomes.len().max(1) as f64
    }

    fn is_failing(&self, percent: u32) -> bool {
        self.faults > 0 && self.faults * 100 >= self.outcomes.len() * percent as usize
    }

    /// So many of its outcomes as count beside those of others, and the failures among them.
    fn capped(&self, counted_max: usize) -> (f64, f64) {
        let counted = self.outcomes.len().min(counted_max) as f64;
        (counted, counted * self.faults as f64 / self.outcomes.len().max(1) as f64)
    }
}

/// How many outcomes of a tenant are enough to know what it sees, and the most that count beside those of others: nobody's
/// number decides for all.
fn enough(settings: &RouteSettings) -> usize {
    settings.circuit_outcomes_min.div_ceil(2)
}

impl Record {
    fn circuit(&mut self, tenant: TenantId) -> Option<&mut Circuit> {
        self.everybody.as_mut().or_else(|| self.tenants.get_mut(&tenant)?.circuit.as_mut())
    }

    pub fn look(&self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> State {
        let own = || self.tenants.get(&tenant)?.circuit.as_ref();
        self.everybody.as_ref().or_else(own).map_or(State::Closed, |circuit| circuit.state(tenant, now, settings))
    }

    /// The same, for one that wants to go there.
    pub fn ask(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> State {
        self.circuit(tenant).map_or(State::Closed, |circuit| circuit.ask(tenant, now, settings))
    }

    /// Lets an attempt through, perhaps as a probe; `None` where it may not go.
    pub fn admit(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> Option<Pass> {
        let (number, is_everybodys) = (self.probes, self.everybody.is_some());
        let mut pass = Pass { tenant, begun: now, probe: None, good_at: None };
        if let Some(circuit) = self.circuit(tenant) {
            if !circuit.admit(tenant, number, now, settings) {
                return None;
            }
            self.probes += 1;
            pass.probe = Some(Probe { number, is_everybodys });
        }
        Some(pass)
    }

    /// Notes what came of an attempt. One that was answered may say so before its end.
    pub fn note(&mut self, pass: &mut Pass, outcome: Outcome, now: Duration, settings: &RouteSettings) {
        if self.is_stale(pass) {
            return;
        }
        if let Some(probe) = pass.probe.take() {
            self.note_probe(pass.tenant, probe, outcome, now, settings);
        }
        if outcome == Outcome::Neither || (outcome == Outcome::Good && pass.good_at.is_some()) {
            return;
        }
        let is_fault = outcome == Outcome::Fault;
        let seen = self.seen(pass.tenant, now, settings);
        if let Some(good_at) = pass.good_at.take() {
            seen.take_back(good_at);
        }
        seen.push(now, is_fault);
        pass.good_at = (!is_fault).then_some(now);
        if is_fault && self.circuit(pass.tenant).is_none() {
            self.judge(pass.tenant, now, settings);
        }
    }

    /// Whether it was sent before the circuit that its tenant meets, or met last, has opened.
    fn is_stale(&self, pass: &Pass) -> bool {
        let own = self.tenants.get(&pass.tenant).and_then(|seen| seen.opened);
        self.opened.max(own).is_some_and(|opened| pass.begun <= opened)
    }

    fn note_probe(&mut self, tenant: TenantId, probe: Probe, outcome: Outcome, now: Duration, settings: &RouteSettings) {
        let circuit = match probe.is_everybodys {
            true => &mut self.everybody,
            false => match self.tenants.get_mut(&tenant) {
                Some(seen) => &mut seen.circuit,
                None => return,
            },
        };
        match (outcome, circuit.as_mut()) {
            (_, None) => {}
            (Outcome::Good, Some(_)) if probe.is_everybodys => {
                self.everybody = None;
                self.tenants.clear();
            }
            (Outcome::Good, Some(_)) => {
                self.tenants.entry(tenant).and_modify(Seen::forget_all);
            }
            (outcome, Some(circuit)) => circuit.failed(tenant, probe.number, outcome, now, settings),
        }
    }

    /// What a tenant has seen, with what is too old forgotten.
    fn seen(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> &mut Seen {
        if self.tenants.len() >= TENANTS_KEPT_MAX && !self.tenants.contains_key(&tenant) {
            self.forget_old(now, settings);
            let oldest = self.tenants.iter().min_by_key(|(_, seen)| seen.heard).map(|(tenant, _)| *tenant);
            if let Some(oldest) = oldest.filter(|_| self.tenants.len() >= TENANTS_KEPT_MAX) {
                self.tenants.remove(&oldest);
            }
        }
        let seen = self.tenants.entry(tenant).or_default();
        seen.forget_old(now, settings);
        seen
    }

    pub fn forget_old(&mut self, now: Duration, settings: &RouteSettings) {
        self.tenants.values_mut().for_each(|seen| seen.forget_old(now, settings));
        self.tenants.retain(|_, seen| !seen.is_blank());
    }

    /// Whether it says nothing any more.
    pub fn is_blank(&mut self, now: Duration, settings: &RouteSettings) -> bool {
        self.forget_old(now, settings);
        self.everybody.is_none() && self.tenants.is_empty()
    }

    /// Opens the circuit where there is cause: for everybody, or for the tenant that has just seen a failure.
    fn judge(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) {
        self.forget_old(now, settings);
        let (percent, least) = (settings.circuit_failures_percent, settings.circuit_outcomes_min);
        if self.fails_everybody(settings) {
            self.tenants.values_mut().for_each(|seen| seen.circuit = None);
            self.everybody = Some(Circuit::new(true, now, settings));
            self.opened = Some(now);
        } else if let Some(seen) = self.tenants.get_mut(&tenant)
            && seen.outcomes.len() >= least
            && seen.is_failing(percent)
        {
            seen.circuit = Some(Circuit::new(false, now, settings));
            seen.opened = Some(now);
        }
    }

    /// Whether as many tenants see it failing as it takes, and as much of what all of them send fails.
    fn fails_everybody(&self, settings: &RouteSettings) -> bool {
        let (percent, enough) = (settings.circuit_failures_percent, enough(settings));
        let users: Vec<_> = self.tenants.values().filter(|seen| !seen.outcomes.is_empty()).collect();
        let failing = users.iter().filter(|seen| seen.is_failing(percent)).count();
        let are_failing = match users.len() {
            0 | 1 => false,
            few @ ..FAILING_TENANTS_MIN => failing == few && users.iter().all(|seen| seen.outcomes.len() >= enough),
            many => failing >= FAILING_TENANTS_MIN && failing * 2 >= many,
        };
        let add = |(outcomes, faults), more: (f64, f64)| (outcomes + more.0, faults + more.1);
        let (outcomes, faults) = users.iter().map(|seen| seen.capped(enough)).fold((0.0, 0.0), add);
        are_failing && outcomes >= settings.circuit_outcomes_min as f64 && faults * 100.0 >= outcomes * f64::from(percent)
    }

    /// The share of failures as a tenant sees it: its own, where it has enough outcomes; else what at least half of the others see,
    /// where there are several.
    pub fn share(&self, tenant: TenantId, settings: &RouteSettings) -> Option<f64> {
        if self.tenants.values().all(|seen| seen.faults == 0) {
            return None;
        }
        let least = settings.circuit_outcomes_min;
        if let Some(own) = self.tenants.get(&tenant).filter(|seen| seen.outcomes.len() >= least) {
            return Some(own.share());
        }
        let users = self.tenants.values().filter(|seen| !seen.outcomes.is_empty());
        let mut shares: Vec<_> = users.clone().map(Seen::share).collect();
        shares.sort_by(f64::total_cmp);
        let outcomes: usize = users.map(|seen| seen.outcomes.len().min(enough(settings))).sum();
        let lower_middle = shares.len().saturating_sub(1) / 2;
        shares.get(lower_middle).copied().filter(|_| shares.len() >= 2 && outcomes >= least)
    }
}
