//! A circuit that is open: nothing goes there but one request at a time that probes it.
//!
//! One of everybody's is not one tenant's to keep open. A probe has only so long to come back before another may go; who probed
//! last stands back for others who ask; and a tenant whose probes fail one after the other only makes itself wait.

use std::time::Duration;

use insula_model::TenantId;

use super::{Outcome, RouteSettings};

/// The longest rest of an open circuit, in times of the first.
const REST_TIMES_MAX: u32 = 16;
/// What a caller is told to wait at least, and while a probe is under way.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Whether something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::route) enum State {
    Closed,
    /// One request at a time, to see whether it is well again.
    HalfOpen,
    /// Not before so long.
    Open {
        wait: Duration,
    },
}

#[derive(Debug)]
pub(super) struct Circuit {
    is_everybodys: bool,
    /// From when on a probe may go; while one is under way, when its time is up.
    until: Duration,
    rest: Duration,
    /// The probe under way. One whose time is up makes room for another.
    probe: Option<u64>,
    last: Option<Last>,
    /// Whose probe failed last.
    failed: Option<TenantId>,
}

/// Who probed last.
#[derive(Debug)]
struct Last {
    tenant: TenantId,
    /// Until when it has to wait, whatever others may do.
    until: Duration,
    /// Whether others have asked since.
    others_ask: bool,
}

impl Circuit {
    /// One that opens now.
    pub fn new(is_everybodys: bool, now: Duration, settings: &RouteSettings) -> Self {
        let rest = settings.circuit_open;
        Self { is_everybodys, until: now + rest, rest, probe: None, last: None, failed: None }
    }

    pub fn state(&self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> State {
        let until = match &self.last {
            Some(last) if last.tenant == tenant && last.others_ask => self.until.max(last.until) + settings.circuit_open,
            Some(last) if last.tenant == tenant => self.until.max(last.until),
            _ => self.until,
        };
        match until.saturating_sub(now) {
            Duration::ZERO => State::HalfOpen,
            _ if self.probe.is_some() => State::Open { wait: WAIT_MIN },
            wait => State::Open { wait: wait.max(WAIT_MIN) },
        }
    }

    /// The same, for one that wants to go there: who probed last hears of it.
    pub fn ask(&mut self, tenant: TenantId, now: Duration, settings: &RouteSettings) -> State {
        if let Some(last) = self.last.as_mut().filter(|last| last.tenant != tenant) {
            last.others_ask = true;
        }
        self.state(tenant, now, settings)
    }

    /// Lets a probe with this number go, if it may.
    pub fn admit(&mut self, tenant: TenantId, number: u64, now: Duration, settings: &RouteSettings) -> bool {
        if self.ask(tenant, now, settings) != State::HalfOpen {
            return false;
        }
        self.until = now + settings.circuit_open;
        self.probe = Some(number);
        self.last = Some(Last { tenant, until: now, others_ask: false });
        true
    }

    /// A probe has come back, and not with an answer.
    pub fn failed(&mut self, tenant: TenantId, number: u64, outcome: Outcome, now: Duration, settings: &RouteSettings) {
        let is_last = self.probe == Some(number);
        if is_last {
            (self.probe, self.until) = (None, now);
        }
        if outcome != Outcome::Fault {
            return;
        }
        let before = self.failed.replace(tenant);
        if !self.is_everybodys || before.is_some_and(|before| before != tenant) {
            self.rest = (self.rest * 2).min(settings.circuit_open * REST_TIMES_MAX);
        }
        let until = now + self.rest;
        if let Some(last) = self.last.as_mut().filter(|last| last.tenant == tenant) {
            last.until = until;
        }
        // That it fails for this one was known: others need not wait for it again.
        if is_last && (!self.is_everybodys || before != Some(tenant)) {
            self.until = until;
        }
    }
}
