//! Turns: first come, first served within a tenant, for those whom only held money keeps waiting.

use std::collections::{HashMap, VecDeque};

use insula_model::TenantId;
use tokio::sync::oneshot;

use super::book::{Ask, Verdict};

/// The lines of all tenants.
#[derive(Default)]
pub(super) struct Turns {
    lines: HashMap<TenantId, VecDeque<Waiter>>,
    next_ticket: u64,
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

    pub fn any_waiting(&self, tenant: TenantId) -> bool {
        self.lines.contains_key(&tenant)
    }

    pub fn waiting(&self, tenant: TenantId) -> usize {
        self.lines.get(&tenant).map_or(0, VecDeque::len)
    }

    pub fn join(&mut self, ask: Ask) -> Turn {
        let (tell, outcome) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.lines.entry(ask.tenant).or_default().push_back(Waiter { ticket, ask, tell });
        Turn { ticket, outcome }
    }

    pub fn leave(&mut self, tenant: TenantId, ticket: u64) {
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.retain(|waiter| waiter.ticket != ticket);
            if line.is_empty() {
                self.lines.remove(&tenant);
            }
        }
    }

    /// Serves a tenant's line from its head until somebody has to go on waiting.
    pub fn call(&mut self, tenant: TenantId, mut decide: impl FnMut(&Ask) -> Verdict) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        while let Some(head) = line.front() {
            if head.tell.is_closed() {
                line.pop_front();
                continue;
            }
            let verdict = decide(&head.ask);
            if matches!(verdict, Verdict::Wait) {
                return;
            }
            // The receiver gives a grant back if it leaves between the check and this; both happen under the lock.
            if let Some(waiter) = line.pop_front() {
                let _ = waiter.tell.send(verdict);
            }
        }
        self.lines.remove(&tenant);
    }

    /// Serves every line.
    pub fn call_all(&mut self, mut decide: impl FnMut(&Ask) -> Verdict) {
        let tenants: Vec<_> = self.lines.keys().copied().collect();
        for tenant in tenants {
            self.call(tenant, &mut decide);
        }
    }
}
