//! Pace while Redis is away: each node gives out its share.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use insula_model::{Clock, Subject};
use parking_lot::Mutex;

use crate::coordination::{Charge, RateDecision, RateKind, rate};

/// How many live nodes there are, at least one.
pub(in crate::coordination) type Nodes = Arc<dyn Fn() -> u32 + Send + Sync>;

/// What is owed is worth nothing after this: all of a minute's allowance is back.
const OWED_FOR: Duration = Duration::from_secs(60);

/// From this many debts on, old ones are dropped whenever the number has doubled.
const DEBTS_SWEPT_FROM: usize = 1_024;

/// Limiters of this node's share. They follow what Redis says while it answers, so that its loss opens no new minute, and keep what
/// they gave out alone, so that its return opens none either.
pub(super) struct Fallback {
    clock: Arc<dyn Clock>,
    nodes: Nodes,
    rates: rate::Rates,
    debts: Mutex<Debts>,
}

struct Debts {
    of: HashMap<(Subject, RateKind), Debt>,
    sweep_at: usize,
}

/// What a limiter gave out without Redis, as time of its minute.
struct Debt {
    nanos: u64,
    at: Duration,
}

impl Fallback {
    pub(super) fn new(clock: Arc<dyn Clock>, nodes: Nodes) -> Self {
        let debts = Debts { of: HashMap::new(), sweep_at: DEBTS_SWEPT_FROM };
        Self { rates: rate::Rates::new(clock.clone()), clock, nodes, debts: Mutex::new(debts) }
    }

    /// This node's share of a limit.
    pub(super) fn share(&self, limit: u32) -> u32 {
        limit.div_ceil((self.nodes)().max(1))
    }

    /// Charges this node's shares.
    pub(super) fn charge(&self, charges: &[Charge]) -> RateDecision {
        let shares: Vec<Charge> = charges.iter().map(|charge| self.shared(charge)).collect();
        let decision = self.rates.charge(&shares);
        if decision.allowed {
            self.note(charges, &shares);
        }
        decision
    }

    /// Notes what was given out, and books what went beyond a share. A call that is larger than a share takes it whole and keeps it
    /// taken until its rest has flowed back too: otherwise large calls would pass at the price of small ones on every node.
    fn note(&self, charges: &[Charge], shares: &[Charge]) {
        let now = self.clock.elapsed();
        let mut debts = self.debts.lock();
        for (charge, share) in charges.iter().zip(shares) {
            let amount = charge.amount.min(charge.per_minute.max(1));
            debts.add((charge.subject, charge.kind), rate::nanos_of(charge.per_minute, amount), now);
            if let Some(beyond) = amount.checked_sub(share.per_minute.max(1)).filter(|beyond| *beyond > 0) {
                let booked = self.rates.booked(share) + rate::nanos_of(share.per_minute, beyond);
                self.rates.book([(*share, booked)]);
            }
        }
    }

    /// Redis said how far each limiter is booked out: this node's share of it is used up as far.
    pub(super) fn follow(&self, charges: &[Charge], booked: &[u64]) {
        let shares = charges.iter().map(|charge| self.shared(charge)).zip(booked.iter().copied());
        self.rates.book(shares);
    }

    /// What this node gave out of a limiter while Redis was away and has not told it yet. As much as still weighs on this node's share
    /// at most: what flowed back meanwhile is not owed.
    pub(super) fn take_owed(&self, charge: &Charge) -> u64 {
        // First, because the common case is that nothing is owed to anybody.
        let Some(debt) = self.debts.lock().of.remove(&(charge.subject, charge.kind)) else { return 0 };
        let weighs = self.rates.booked(&self.shared(charge)) / u64::from((self.nodes)().max(1));
        debt.nanos.min(weighs)
    }

    /// Redis did not hear of it after all.
    pub(super) fn owe_again(&self, charge: &Charge, nanos: u64) {
        self.debts.lock().add((charge.subject, charge.kind), nanos, self.clock.elapsed());
    }

    fn shared(&self, charge: &Charge) -> Charge {
        Charge { per_minute: self.share(charge.per_minute), ..*charge }
    }
}

impl Debts {
    fn add(&mut self, whose: (Subject, RateKind), nanos: u64, now: Duration) {
        if nanos == 0 {
            return;
        }
        match self.of.entry(whose) {
            Entry::Occupied(mut entry) => {
                let debt = entry.get_mut();
                *debt = Debt { nanos: debt.nanos.saturating_add(nanos).min(rate::MINUTE_NANOS), at: now };
            }
            Entry::Vacant(entry) => drop(entry.insert(Debt { nanos, at: now })),
        }
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, debt| now.saturating_sub(debt.at) < OWED_FOR);
            self.sweep_at = DEBTS_SWEPT_FROM.max(self.of.len() * 2);
        }
    }
}
