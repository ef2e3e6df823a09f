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
        if begin.idempotency.is_some() {
            let untraced = Untraced { begin: begin.clone(), seq, cost: begin.reserved };
            self.untraced.insert(begin.request, untraced);
        }
        // One that is carried may still stand in a segment that was not recycled after all; it stays carried.
        self.open.entry(begin.attempt).or_insert(Open { begin, seq, carried: false });
    }

    /// An attempt ended: its row, and whether it must be taken out of those carried. `None` for one that is not open.
    pub(super) fn end(&mut self, end: End) -> Option<(LedgerRow, bool)> {
        let Open { begin, carried, .. } = self.open.remove(&end.attempt)?;
        if let Some(untraced) = self.untraced.get_mut(&begin.request) {
            untraced.cost = end.cost;
        }
        Some((LedgerRow { begin, end }, carried))
    }

    /// An attempt never reached its provider; whether it must be taken out of those carried.
    pub(super) fn release(&mut self, attempt: AttemptId) -> bool {
        let Some(Open { begin, carried, .. }) = self.open.remove(&attempt) else { return false };
        self.untraced.remove(&begin.request);
        carried
    }

    /// A request's trace was met.
    pub(super) fn traced(&mut self, trace: &TraceRecord) {
        if trace.idempotency.is_some() {
            self.untraced.remove(&trace.request);
        }
    }

    /// Whether traces that are folded already must be looked at all the same.
    pub(super) fn wants_traces(&self) -> bool {
        !self.untraced.is_empty()
    }

    /// Attempts in records up to `last_seq` that the control database must carry before these are gone. Also those that
    /// ended, as long as their request's trace is missing: should it stay missing, the next start takes them for lost; that
    /// cannot change the row that they have, but notes their `Idempotency-Key` as used.
    pub(super) fn to_carry(&self, last_seq: u64) -> Vec<Begin> {
        let open = self.open.values().filter(|open| !open.carried && open.seq <= last_seq).map(|open| &open.begin);
        let ended = self.untraced.values().filter(|untraced| untraced.seq <= last_seq && self.is_ended(untraced));
        open.chain(ended.map(|untraced| &untraced.begin)).cloned().collect()
    }

    /// The control database carries these now.
    pub(super) fn carried(&mut self, carried: &[Begin]) {
        for begin in carried {
            match self.open.get_mut(&begin.attempt) {
                Some(open) => open.carried = true,
                None => drop(self.untraced.remove(&begin.request)),
            }
        }
    }

    /// All that are open.
    pub(super) fn all(&self) -> impl Iterator<Item = &Begin> {
        self.open.values().map(|open| &open.begin)
    }

    /// The requests whose attempts ended and whose trace is missing, and what these cost. They are forgotten.
    pub(super) fn take_untraced(&mut self) -> Vec<(Begin, Money)> {
        let untraced = std::mem::take(&mut self.untraced).into_values();
        untraced.filter(|untraced| self.is_ended(untraced)).map(|untraced| (untraced.begin, untraced.cost)).collect()
    }

    fn is_ended(&self, untraced: &Untraced) -> bool {
        !self.open.contains_key(&untraced.begin.attempt)
    }
}
