//! Joins what began with how it ended.

use std::collections::HashMap;

use insula_model::{AttemptId, Money, RequestId};

use crate::records::{Begin, End, LedgerRow, TraceRecord};

/// Attempts that began and, as far as the journal was read, did not end.
#[derive(Default)]
pub(super) struct OpenAttempts {
    open: HashMap<AttemptId, Open>,
    /// Requests with an `Idempotency-Key` that reached a provider and whose trace was not met yet.
    untraced: HashMap<RequestId, Untraced>,
}

struct Open {
    begin: Begin,
    /// Where it stands; 0 for one whose segment is gone.
    seq: u64,
    /// Whether the control database has it too, because its segment is gone or about to be.
    carried: bool,
}

struct Untraced {
    begin: Begin,
    seq: u64,
    cost: Money,
    carried: bool,
}

impl OpenAttempts {
    /// Starts from the attempts that the control database carries.
    pub(super) fn new(carried: Vec<Begin>) -> Self {
        let mut this = Self::default();
        for begin in &carried {
            this.begin(begin.clone(), 0);
        }
        this.carried(&carried);
        this
    }

    /// An attempt began with record `seq`.
    pub(super) fn begin(&mut self, begin: Begin, seq: u64) {
        // One that is carried may still stand in a segment that was not recycled after all; it stays carried.
        if self.open.contains_key(&begin.attempt) {
            return;
        }
        if begin.idempotency.is_some() {
            let untraced = Untraced { begin: begin.clone(), seq, cost: begin.reserved, carried: false };
            self.untraced.insert(begin.request, untraced);
        }
        self.open.insert(begin.attempt, Open { begin, seq, carried: false });
    }

    /// An attempt ended: its row, and whether it need not be carried any more. `None` for one that is not open.
    pub(super) fn end(&mut self, end: End) -> Option<(LedgerRow, bool)> {
        let Open { begin, carried, .. } = self.open.remove(&end.attempt)?;
        let untraced = self.untraced.get_mut(&begin.request);
        let closed = carried && untraced.is_none();
        if let Some(untraced) = untraced {
            untraced.cost = end.cost;
        }
        Some((LedgerRow { begin, end }, closed))
    }

    /// An attempt never reached its provider; whether it need not be carried any more.
    pub(super) fn release(&mut self, attempt: AttemptId) -> bool {
        let Some(Open { begin, carried, .. }) = self.open.remove(&attempt) else { return false };
        self.untraced.remove(&begin.request);
        carried
    }

    /// A request's trace was met; the attempt that need not be carried any more.
    pub(super) fn traced(&mut self, trace: &TraceRecord) -> Option<AttemptId> {
        // Also a trace without an entry: it says that nothing is kept under the key.
        let untraced = self.untraced.remove(&trace.request)?;
        (untraced.carried && self.is_ended(&untraced)).then_some(untraced.begin.attempt)
    }

    /// Whether traces that are folded already must be looked at all the same.
    pub(super) fn wants_traces(&self) -> bool {
        !self.untraced.is_empty()
    }

    /// Attempts in records up to `last_seq` that the control database must carry before these are gone. Also those that
    /// ended, as long as their request's trace is missing: should it stay missing, a start takes them for lost; that cannot
    /// change the row that they have, but notes their `Idempotency-Key` as used.
    pub(super) fn to_carry(&self, last_seq: u64) -> Vec<Begin> {
        let open = self.open.values().filter(|open| !open.carried && open.seq <= last_seq).map(|open| &open.begin);
        let ended = self.untraced.values().filter(|u| !u.carried && u.seq <= last_seq && self.is_ended(u));
        open.chain(ended.map(|untraced| &untraced.begin)).cloned().collect()
    }

    /// The control database carries these now.
    pub(super) fn carried(&mut self, carried: &[Begin]) {
        for begin in carried {
            if let Some(open) = self.open.get_mut(&begin.attempt) {
                open.carried = true;
            }
            if let Some(untraced) = self.untraced.get_mut(&begin.request) {
                untraced.carried = true;
            }
        }
    }

    /// All that are open.
    pub(super) fn all(&self) -> impl Iterator<Item = &Begin> {
        self.open.values().map(|open| &open.begin)
    }

    /// The requests whose attempts ended and whose trace is missing, and what these cost.
    pub(super) fn untraced(&self) -> impl Iterator<Item = (&Begin, Money)> {
        let ended = self.untraced.values().filter(|untraced| self.is_ended(untraced));
        ended.map(|untraced| (&untraced.begin, untraced.cost))
    }

    fn is_ended(&self, untraced: &Untraced) -> bool {
        !self.open.contains_key(&untraced.begin.attempt)
    }
}
