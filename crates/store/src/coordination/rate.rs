//! Pace: one GCRA limiter per subject and kind.
//!
//! `governor` decides. It keeps one number per limiter, the *theoretical arrival time* (TAT): how far the limiter is booked
//! out. That number lives in our own cell ([`Tat`]), because a call that charges several limiters must take back the
//! first when the second refuses, which governor cannot; all limiters of a call are charged under one lock.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use insula_model::{Clock, Subject};
use parking_lot::Mutex;

use super::{Charge, RateDecision, RateKind, RateState};

/// A minute.
pub(super) const MINUTE_NANOS: u64 = 60_000_000_000;

/// From this many limiters on, those that are idle are dropped whenever the number has doubled.
const LIMITERS_SWEPT_FROM: usize = 1_024;

/// All limiters. Times are nanoseconds of the clock's elapsed time.
pub(super) struct Rates {
    clock: Arc<dyn Clock>,
    limiters: Mutex<Limiters>,
}

struct Limiters {
    of: HashMap<(Subject, RateKind), Limiter>,
    now: Now,
    sweep_at: usize,
}

/// The limiter of one subject and kind.
struct Limiter {
    per_minute: u32,
    /// When `gcra` was made: its TAT counts from here.
    since: u64,
    gcra: RateLimiter<NotKeyed, Tat, Now, NoOpMiddleware<Nanos>>,
    tat: Tat,
}

/// The time at which the limiters decide: read once a call, so that all limits of the call are decided at the same moment.
/// Clones are the same cell. Only touched under the lock.
#[derive(Clone, Debug, Default)]
struct Now(Arc<AtomicU64>);

impl clock::Clock for Now {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.nanos())
    }
}

impl Now {
    fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a limiter is booked out: nanoseconds after it was made. Clones are the same cell. Only touched under the lock.
#[derive(Clone, Debug, Default)]
struct Tat(Arc<AtomicU64>);

impl StateStore for Tat {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(Some(Nanos::new(self.nanos())))?;
        self.set(next.as_u64());
        Ok(outcome)
    }
}

impl Tat {
    fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Rates {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let limiters = Limiters { of: HashMap::new(), now: Now::default(), sweep_at: LIMITERS_SWEPT_FROM };
        Self { clock, limiters: Mutex::new(limiters) }
    }

    /// Charges all or none.
    pub(super) fn charge(&self, charges: &[Charge]) -> RateDecision {
        let mut limiters = self.limiters.lock();
        limiters.set_now(self.clock.elapsed());
        let mut before = Vec::with_capacity(charges.len());
        let mut refused: Option<(usize, Duration)> = None;
        for (index, charge) in charges.iter().enumerate() {
            let limiter = limiters.of(charge);
            before.push(limiter.tat.nanos());
            if let Some(wait) = limiter.take(charge.amount)
                && refused.is_none_or(|(_, longest)| wait > longest)
            {
                refused = Some((index, wait));
            }
        }
        if refused.is_some() {
            // Backwards, because a limiter that is charged twice must end where it first was.
            for (charge, tat) in charges.iter().zip(before).rev() {
                limiters.of(charge).tat.set(tat);
            }
        }
        let remaining = charges.iter().map(|charge| limiters.of(charge).state()).collect();
        limiters.sweep();
        RateDecision { allowed: refused.is_none(), refused, remaining }
    }

    /// Books limiters out for at least this many nanoseconds from now on.
    pub(super) fn book(&self, booked: impl IntoIterator<Item = (Charge, u64)>) {
        let mut limiters = self.limiters.lock();
        limiters.set_now(self.clock.elapsed());
        for (charge, nanos) in booked.into_iter().filter(|(_, nanos)| *nanos > 0) {
            limiters.of(&charge).book(nanos);
        }
        limiters.sweep();
    }

    /// How far a charge's limiter is booked out.
    pub(super) fn booked(&self, charge: &Charge) -> u64 {
        let mut limiters = self.limiters.lock();
        limiters.set_now(self.clock.elapsed());
        limiters.of(charge).booked()
    }
}

/// How long an amount takes to flow back.
pub(super) fn nanos_of(per_minute: u32, amount: u32) -> u64 {
    MINUTE_NANOS / u64::from(per_minute.max(1)) * u64::from(amount)
}

/// How a limiter stands that is booked out for so long, in governor's own arithmetic.
pub(super) fn state_of(per_minute: u32, booked: u64) -> RateState {
    let limit = per_minute.max(1);
    let each = MINUTE_NANOS / u64::from(limit);
    let free = (each * u64::from(limit)).saturating_sub(booked) / each;
    let remaining = u32::try_from(free).unwrap_or(u32::MAX);
    RateState { limit, remaining, reset: Duration::from_nanos(booked) }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").field("limiters", &self.limiters.lock().of.len()).finish_non_exhaustive()
    }
}

impl Limiters {
    fn set_now(&mut self, elapsed: Duration) {
        self.now.0.store(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The limiter of a charge, made anew where there is none or its quota changed.
    fn of(&mut self, charge: &Charge) -> &Limiter {
        let make = |booked| Limiter::new(charge.per_minute, &self.now, booked);
        let limiter = self.of.entry((charge.subject, charge.kind)).or_insert_with(|| make(0));
        if limiter.per_minute != charge.per_minute {
            *limiter = make(limiter.booked());
        }
        limiter
    }

    /// Drops limiters that are as good as new, so that the map holds those in use and not all that ever were.
    fn sweep(&mut self) {
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, limiter| limiter.booked() > 0);
            self.sweep_at = LIMITERS_SWEPT_FROM.max(self.of.len() * 2);
        }
    }
}

impl Limiter {
    fn new(per_minute: u32, now: &Now, booked: u64) -> Self {
        let tat = Tat::default();
        tat.set(booked);
        // The API takes no limit below 1; should one come, it is treated as 1.
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { per_minute, since: now.nanos(), gcra: RateLimiter::new(quota, tat.clone(), now.clone()), tat }
    }

    /// Takes an amount; how long to wait where it cannot.
    fn take(&self, amount: u32) -> Option<Duration> {
        let amount = NonZeroU32::new(amount.min(self.per_minute.max(1)))?;
        match self.gcra.check_n(amount) {
            Ok(Ok(())) => None,
            Ok(Err(not_until)) => Some(not_until.wait_time_from(clock::Clock::now(self.gcra.clock()))),
            // Cannot be: the amount was cut to what may be taken at once.
            Err(_) => Some(Duration::from_nanos(MINUTE_NANOS)),
        }
    }

    /// How far it is booked out from now on, in nanoseconds: how long until it is as good as new.
    fn booked(&self) -> u64 {
        (self.since + self.tat.nanos()).saturating_sub(self.gcra.clock().nanos())
    }

    /// Books it out for at least so long from now on.
    fn book(&self, nanos: u64) {
        let until = (self.gcra.clock().nanos() + nanos).saturating_sub(self.since);
        self.tat.set(until.max(self.tat.nanos()));
    }

    /// How it stands now.
    fn state(&self) -> RateState {
        state_of(self.per_minute, self.booked())
    }
}

#[cfg(test)]
mod tests {
    use insula_model::{KeyId, ManualClock, TenantId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    const TENANT: Subject = Subject::Tenant(TenantId::from_bytes([1; 16]));
    const KEY: Subject = Subject::Key(TenantId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));

    fn rates() -> (Arc<ManualClock>, Rates) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_000_000)));
        (clock.clone(), Rates::new(clock))
    }

    fn requests(subject: Subject, per_minute: u32) -> Charge {
        Charge { subject, kind: RateKind::Requests, per_minute, amount: 1 }
    }

    fn tokens(subject: Subject, per_minute: u32, amount: u32) -> Charge {
        Charge { subject, kind: RateKind::Tokens, per_minute, amount }
    }

    #[test]
    fn a_minute_at_once_then_evenly() {
        let (clock, rates) = rates();
        for left in (0..6).rev() {
            let decision = rates.charge(&[requests(TENANT, 6)]);
            assert!(decision.allowed);
            assert_eq!(decision.remaining[0].remaining, left);
        }
        let refused = rates.charge(&[requests(TENANT, 6)]);
        assert_eq!(refused.refused, Some((0, Duration::from_secs(10))));
        assert_eq!(refused.remaining[0], RateState { limit: 6, remaining: 0, reset: Duration::from_secs(60) });
        clock.advance(Duration::from_millis(9_999));
        assert!(!rates.charge(&[requests(TENANT, 6)]).allowed);
        clock.advance(Duration::from_millis(1));
        assert!(rates.charge(&[requests(TENANT, 6)]).allowed, "exactly when it was promised");
    }

    #[test]
    fn all_or_none_and_the_longest_wait() {
        let (_, rates) = rates();
        assert!(rates.charge(&[requests(TENANT, 10), tokens(KEY, 100, 90)]).allowed);
        let refused = rates.charge(&[requests(TENANT, 10), tokens(TENANT, 1_000, 500), tokens(KEY, 100, 40)]);
        assert_eq!(refused.refused, Some((2, Duration::from_secs(18))));
        let left: Vec<u32> = refused.remaining.iter().map(|state| state.remaining).collect();
        assert_eq!(left, [9, 1_000, 10], "nothing was charged, and what is left is told");
        // The same limiter twice in a call that is refused.
        assert!(!rates.charge(&[tokens(TENANT, 1_000, 700), tokens(TENANT, 1_000, 700)]).allowed);
        assert_eq!(rates.charge(&[tokens(TENANT, 1_000, 0)]).remaining[0].remaining, 1_000);
    }

    #[test]
    fn more_than_a_minute_takes_a_whole_minute() {
        let (clock, rates) = rates();
        assert!(rates.charge(&[tokens(TENANT, 100, 1)]).allowed);
        let refused = rates.charge(&[tokens(TENANT, 100, 5_000)]);
        assert_eq!(refused.refused, Some((0, Duration::from_millis(600))), "until the minute is whole again");
        clock.advance(Duration::from_millis(600));
        let decision = rates.charge(&[tokens(TENANT, 100, 5_000)]);
        assert!(decision.allowed);
        assert_eq!(decision.remaining[0].remaining, 0);
    }

    #[test]
    fn a_changed_limit_keeps_what_is_used() {
        let (_, rates) = rates();
        assert!(rates.charge(&[tokens(TENANT, 100, 50)]).allowed);
        assert_eq!(rates.charge(&[tokens(TENANT, 1_000, 0)]).remaining[0].remaining, 500);
        assert_eq!(rates.charge(&[tokens(TENANT, 10, 0)]).remaining[0].remaining, 5);
    }

    #[test]
    fn subjects_and_kinds_are_apart() {
        let (_, rates) = rates();
        assert!(rates.charge(&[requests(TENANT, 1)]).allowed);
        assert!(rates.charge(&[requests(KEY, 1)]).allowed);
        assert!(rates.charge(&[tokens(TENANT, 1, 1)]).allowed);
        assert!(!rates.charge(&[requests(TENANT, 1)]).allowed);
    }

    #[test]
    fn idle_limiters_are_dropped() {
        let (clock, rates) = rates();
        let subject = |n: u32| Subject::Tenant(TenantId::from_bytes(u128::from(n).to_be_bytes()));
        for n in 0..50_000 {
            clock.advance(Duration::from_millis(100));
            rates.charge(&[requests(subject(n), 60)]);
        }
        // Each is idle again after a second, that is ten calls later.
        assert!(rates.limiters.lock().of.len() <= LIMITERS_SWEPT_FROM);
    }

    proptest! {
        #[test]
        fn never_more_than_a_minute_and_what_flows_back(
            per_minute in 1_u32..5_000,
            steps in prop::collection::vec((1_u32..2_000, 0_u64..20_000), 1..60),
        ) {
            let (clock, rates) = rates();
            let mut taken = 0_u64;
            for (amount, millis) in steps {
                clock.advance(Duration::from_millis(millis));
                let decision = rates.charge(&[tokens(TENANT, per_minute, amount)]);
                if decision.allowed {
                    taken += u64::from(amount.min(per_minute));
                }
                let flowed = clock.elapsed().as_nanos() as u64 / (MINUTE_NANOS / u64::from(per_minute));
                prop_assert!(taken <= u64::from(per_minute) + flowed + 1);
            }
        }

        #[test]
        fn waiting_as_told_is_enough(per_minute in 1_u32..5_000, amounts in prop::collection::vec(1_u32..10_000, 1..40)) {
            let (clock, rates) = rates();
            for amount in amounts {
                let charges = [tokens(TENANT, per_minute, amount), requests(KEY, 7)];
                if let Some((_, wait)) = rates.charge(&charges).refused {
                    // The clock counts microseconds.
                    clock.advance(wait + Duration::from_micros(1));
                    prop_assert!(rates.charge(&charges).allowed);
                }
            }
        }
    }
}
