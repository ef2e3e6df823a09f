//! Turns: first come, first served within a tenant, for those whom only held money keeps waiting.
//!
//! A waiter stops only those behind it who need the account that keeps it waiting: one key's held budget is no matter of
//! the tenant's other keys.

use std::collections::{HashMap, HashSet, VecDeque};

use insula_model::{Subject, TenantId};
use tokio::sync::oneshot;

use super::book::{Ask, Verdict};

/// The lines of all tenants.
#[derive(Default)]
pub(super) struct Turns {
    lines: HashMap<TenantId, Line>,
    next_ticket: u64,
}

#[derive(Default)]
struct Line {
    waiters: VecDeque<Waiter>,
    /// The accounts that keep somebody here waiting.
    awaited: HashSet<Subject>,
}

struct Waiter {
    ticket: u64,
    ask: Ask,
    tell: oneshot::Sender<Verdict>,
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
        let (tell, outcome) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.lines.entry(ask.tenant).or_default().waiters.push_back(Waiter { ticket, ask, tell });
        Turn { ticket, outcome }
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

    /// Serves a tenant's line in its order, passing over those whose account still keeps somebody before them waiting.
    pub fn call(&mut self, tenant: TenantId, mut decide: impl FnMut(&Ask) -> Verdict) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        line.awaited.clear();
        let mut still_waiting = VecDeque::with_capacity(line.waiters.len());
        for waiter in line.waiters.drain(..).filter(|waiter| !waiter.tell.is_closed()) {
            if waiter.ask.subjects.iter().any(|subject| line.awaited.contains(subject)) {
                still_waiting.push_back(waiter);
                continue;
            }
            match decide(&waiter.ask) {
                Verdict::Wait(account) => {
                    line.awaited.insert(account);
                    still_waiting.push_back(waiter);
                }
                // A receiver that leaves between the check and this gives a grant back; both happen under the lock.
                verdict => drop(waiter.tell.send(verdict)),
            }
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
