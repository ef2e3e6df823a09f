//! Turns: first come, first served within a tenant, for those whom only held money keeps waiting.
//!
//! A waiter stops only those behind it who need the account that keeps it waiting: one key's held budget is no matter of
//! the tenant's other keys.

use std::collections::{HashMap, HashSet, VecDeque};

use insula_model::{Subject, TenantId};
use tokio::{sync::oneshot, time::Instant};

use super::law::{Ask, Verdict};

/// The lines of all tenants.
#[derive(Default)]
pub(super) struct Turns {
    lines: HashMap<TenantId, Line>,
    next_ticket: u64,
    /// Counts the weighings, so that every line comes to its turn.
    weighings: u64,
}

#[derive(Default)]
struct Line {
    waiters: VecDeque<Waiter>,
    /// The accounts that keep somebody here waiting.
    awaited: HashSet<Subject>,
    /// When it was weighed last.
    weighed: u64,
}

/// Somebody in a line.
pub(super) struct Waiter {
    ticket: u64,
    ask: Ask,
    pub(super) tell: oneshot::Sender<Verdict>,
    /// Until when it waits for held money; absent where it looks to that itself.
    patience: Option<Instant>,
    /// It was weighed before, and waits for held money.
    is_parked: bool,
}

/// A place in a line and where its outcome arrives.
pub(super) struct Turn {
    pub ticket: u64,
    pub outcome: oneshot::Receiver<Verdict>,
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether somebody before this ask waits for an account that it needs too.
    pub fn is_behind(&self, ask: &Ask) -> bool {
        self.lines.get(&ask.tenant).is_some_and(|line| ask.subjects.iter().any(|subject| line.awaited.contains(subject)))
    }

    pub fn waiting(&self, tenant: TenantId) -> usize {
        self.lines.get(&tenant).map_or(0, |line| line.waiters.len())
    }

    pub fn join(&mut self, ask: Ask) -> Turn {
        self.join_until(ask, None)
    }

    /// Joins to be weighed at least once, and to be told when that is not enough at `patience`.
    pub fn join_until(&mut self, ask: Ask, patience: Option<Instant>) -> Turn {
        let (tell, outcome) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let waiter = Waiter { ticket, ask, tell, patience, is_parked: false };
        self.lines.entry(waiter.ask.tenant).or_default().waiters.push_back(waiter);
        Turn { ticket, outcome }
    }

    /// These were taken out and not told anything: they have their old places again.
    pub fn rejoin(&mut self, waiters: impl Iterator<Item = Waiter>) {
        for waiter in waiters.filter(|waiter| !waiter.tell.is_closed()) {
            let line = &mut self.lines.entry(waiter.ask.tenant).or_default().waiters;
            let place = line.partition_point(|other| other.ticket < waiter.ticket);
            line.insert(place, waiter);
        }
    }

    pub fn leave(&mut self, tenant: TenantId, ticket: u64) {
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.waiters.retain(|waiter| waiter.ticket != ticket);
            self.drop_if_empty(tenant);
        }
    }

    /// Sends everybody in a tenant's line away.
    pub fn dismiss(&mut self, tenant: TenantId) {
        self.lines.remove(&tenant);
    }

    /// Sends everybody in a tenant's line away, and says why.
    pub fn send_away(&mut self, tenant: TenantId, why: impl Fn() -> Verdict) {
        for waiter in self.lines.remove(&tenant).into_iter().flat_map(|line| line.waiters) {
            drop(waiter.tell.send(why()));
        }
    }

    /// Sends everybody away, and says why.
    pub fn send_all_away(&mut self, why: impl Fn() -> Verdict) {
        for waiter in self.lines.drain().flat_map(|(_, line)| line.waiters) {
            drop(waiter.tell.send(why()));
        }
    }

    /// The tenants with a line, those first that were not weighed for longest.
    pub fn by_turn(&self) -> Vec<TenantId> {
        let mut lines: Vec<_> = self.lines.iter().map(|(tenant, line)| (line.weighed, *tenant)).collect();
        lines.sort_unstable();
        lines.into_iter().map(|(_, tenant)| tenant).collect()
    }

    /// What those in a tenant's line ask for.
    pub fn asks(&self, tenant: TenantId) -> impl Iterator<Item = &Ask> {
        self.lines.get(&tenant).into_iter().flat_map(|line| &line.waiters).map(|waiter| &waiter.ask)
    }

    /// Serves a tenant's line in its order, passing over those whose account still keeps somebody before them waiting.
    pub fn call(&mut self, tenant: TenantId, mut decide: impl FnMut(&Ask) -> Verdict) {
        // A receiver that leaves between the check and the sending gives a grant back; both happen under the lock.
        self.serve(tenant, |ask| Some(decide(ask)), |_, _| None, |waiter, verdict| drop(waiter.tell.send(verdict)));
    }

    /// Like [`Turns::call`], but takes those with a verdict out and tells them nothing yet. Those for whom `decide` says
    /// nothing stay as they are. Whoever has to wait at `now` does so within its patience, `waiters_max` at a time.
    pub fn weigh(
        &mut self,
        tenant: TenantId,
        now: Instant,
        waiters_max: usize,
        decide: impl FnMut(&Ask) -> Option<Verdict>,
    ) -> Vec<(Waiter, Verdict)> {
        self.weighings += 1;
        let weighings = self.weighings;
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.weighed = weighings;
        }
        let mut taken = Vec::new();
        let must_go = |waiter: &Waiter, parked: usize| {
            if waiter.patience.is_some_and(|until| now >= until) {
                return waiter.ask.subjects.first().map(|subject| Verdict::Wait(*subject));
            }
            (!waiter.is_parked && parked >= waiters_max).then_some(Verdict::Crowded)
        };
        self.serve(tenant, decide, must_go, |waiter, verdict| taken.push((waiter, verdict)));
        taken
    }

    fn serve(
        &mut self,
        tenant: TenantId,
        mut decide: impl FnMut(&Ask) -> Option<Verdict>,
        must_go: impl Fn(&Waiter, usize) -> Option<Verdict>,
        mut tell: impl FnMut(Waiter, Verdict),
    ) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        line.awaited.clear();
        let mut parked = line.waiters.iter().filter(|waiter| waiter.is_parked).count();
        let mut still_waiting = VecDeque::with_capacity(line.waiters.len());
        for mut waiter in line.waiters.drain(..).filter(|waiter| !waiter.tell.is_closed()) {
            let mut account = None;
            if !waiter.ask.subjects.iter().any(|subject| line.awaited.contains(subject)) {
                match decide(&waiter.ask) {
                    Some(Verdict::Wait(awaited)) => account = Some(awaited),
                    Some(verdict) => {
                        tell(waiter, verdict);
                        continue;
                    }
                    None => {
                        still_waiting.push_back(waiter);
                        continue;
                    }
                }
            }
            if let Some(verdict) = must_go(&waiter, parked) {
                tell(waiter, verdict);
                continue;
            }
            line.awaited.extend(account);
            parked += usize::from(!waiter.is_parked);
            waiter.is_parked = true;
            still_waiting.push_back(waiter);
        }
        line.waiters = still_waiting;
        self.drop_if_empty(tenant);
    }

    /// Serves every line.
    pub fn call_all(&mut self, mut decide: impl FnMut(&Ask) -> Verdict) {
        let tenants: Vec<_> = self.lines.keys().copied().collect();
        for tenant in tenants {
            self.call(tenant, &mut decide);
        }
    }

    fn drop_if_empty(&mut self, tenant: TenantId) {
        if self.lines.get(&tenant).is_some_and(|line| line.waiters.is_empty()) {
            self.lines.remove(&tenant);
        }
    }
}
