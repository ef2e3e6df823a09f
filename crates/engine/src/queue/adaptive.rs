//! How many requests a provider bears at once, learned from how it answers.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989) with a memory of where it got worse, as CUBIC has one (RFC 9438): the
//! limit halves until a round of answers is as quick as it should be, then climbs to just below where it was slow, and tries that
//! again now and then. What "slow" means is relative to what the provider does when it has little to do, as in the gradient filter of
//! Envoy's adaptive concurrency. Where even the fewest at once are slow, or fail, our number is not the reason: the provider's new
//! ways become the normal ones, and the limit returns.
//!
//! Without a maximum that an operator set, only what the provider itself calls too much counts: this node's own load makes answers
//! late too, and must not take seats from streams that are slow by nature.

use std::time::Duration;

/// An answer takes as long as its tokens and so many more: what comes before the first one.
const FIRST_TOKENS: u64 = 32;
/// Answers so many times slower than normal are evidence that too many are under way,
const SLOW_FACTOR: f64 = 1.6;
/// and so many times where a number is tried again that was too high before: that is suspected already.
const SLOW_AGAIN_FACTOR: f64 = 1.3;
/// but only where that is so much: quick answers vary by more than their length.
const SLOWER_MIN: Duration = Duration::from_millis(20);
/// So many more of all failing than normally are evidence too.
const FAILING_MORE: f64 = 0.1;
/// How many answers show what is normal at first. The quicker half of them counts: the others may have met a crowd.
const FIRST_ANSWERS: usize = 8;
/// How far the normal latency moves toward that of a calm round that was quicker, or slower. Slowly up: a queue that builds up at the
/// provider must not pass for normal.
const QUICKER_PART: f64 = 0.5;
const SLOWER_PART: f64 = 0.02;
/// How far the normal share of failures moves toward that of a calm round.
const FAILURES_PART: f64 = 0.2;
/// Answers that make a round: several for each that is under way, within these.
const ROUND_PER_SEAT: u32 = 4;
const ROUND_MAX: u32 = 16;
/// Calm rounds before a limit that was too high is tried again; twice as many each time, up to the most.
const PATIENCE_MIN: u32 = 32;
const PATIENCE_MAX: u32 = 128;
/// So many calm rounds at a number prove it: one alone may have been luck, where it is only now and then too many.
const PROVEN_ROUNDS: u32 = 4;
/// A calm round raises the limit by one in so many, and by one at least.
const RISE_PART: u32 = 8;

/// What a request showed of its provider. Where a later stage judges the quality of answers, a bad one is `Failed`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Signal {
    /// It was answered.
    Success {
        /// How quickly.
        latency: Latency,
    },
    /// The provider said that it has too much to do.
    Overloaded,
    /// The provider failed.
    Failed,
}

/// How quickly an answer came. The two kinds are compared each with its own: how fast a caller reads its stream is no matter of
/// the provider's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Latency {
    /// From sending to the first content of a stream.
    FirstContent(Duration),
    /// From sending to the end of an answer of so many tokens.
    Whole {
        /// How long it took.
        took: Duration,
        /// The length of the answer.
        output_tokens: u64,
    },
}

/// Of one answer: when its request went, how many were then under way with it, and whether there was demand for more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub at: Duration,
    pub under_way: u32,
    pub is_wanted: bool,
}

/// How many may be under way, as far as is known.
#[derive(Debug)]
pub(super) struct Adaptive {
    limit: u32,
    max: u32,
    /// Whether an operator set the most that there may be.
    is_bounded: bool,
    /// Answers to requests until this tell of an earlier limit.
    since: Duration,
    round: Round,
    /// The highest number that was calm while more were wanted.
    calm_at: Option<u32>,
    /// The last number that was so for long.
    proven_at: Option<u32>,
    /// Calm rounds at the present number while more were wanted.
    calm_rounds: u32,
    /// A number that was too high, and the calm rounds until it is tried again.
    bad_at: Option<(u32, u32)>,
    patience: u32,
    /// Where the present fall began.
    fell_from: Option<u32>,
    normal: [Normal; 2],
    failing_normally: f64,
}

/// What a round of answers has shown so far.
#[derive(Debug, Default)]
struct Round {
    answers: u32,
    failures: u32,
    wanted: u32,
    under_way: u32,
    /// How long those took that can be compared, and how long they should have, in seconds.
    rated: [Rated; 2],
}

#[derive(Debug, Default, Clone, Copy)]
struct Rated {
    answers: u32,
    took: f64,
    units: f64,
}

/// The seconds that a unit of answer takes when all is well.
#[derive(Debug, Default)]
struct Normal {
    first: Vec<f64>,
    seconds: Option<f64>,
}

impl Latency {
    /// Its kind, how long it took, and in how many units.
    fn parts(self) -> (usize, f64, f64) {
        match self {
            Latency::FirstContent(took) => (0, took.as_secs_f64(), 1.0),
            Latency::Whole { took, output_tokens } => (1, took.as_secs_f64(), (output_tokens + FIRST_TOKENS) as f64),
        }
    }
}

impl Adaptive {
    /// Starts at the most that there may be, and falls on evidence alone: of a number that was set, also on slow and failed answers.
    pub fn new(max: u32, is_bounded: bool) -> Self {
        Self {
            limit: max,
            max,
            is_bounded,
            since: Duration::ZERO,
            round: Round::default(),
            calm_at: None,
            proven_at: None,
            calm_rounds: 0,
            bad_at: None,
            patience: PATIENCE_MIN,
            fell_from: None,
            normal: Default::default(),
            failing_normally: 0.0,
        }
    }

    /// How many may be under way at once, at least one.
    pub fn limit(&self) -> u32 {
        self.limit.clamp(1, self.max)
    }

    /// Changes the most that there may be.
    pub fn set_max(&mut self, max: u32) {
        if self.limit >= self.max && self.bad_at.is_none() {
            self.limit = max;
        }
        self.max = max;
    }

    /// Takes in how a request went.
    pub fn note(&mut self, sent: Sent, signal: Signal, now: Duration) {
        if sent.at <= self.since && self.since > Duration::ZERO {
            return;
        }
        match signal {
            Signal::Success { latency } if self.is_bounded => self.rate(latency),
            Signal::Overloaded => self.round.failures += 1,
            Signal::Failed if self.is_bounded => self.round.failures += 1,
            Signal::Success { .. } | Signal::Failed => {}
        }
        let round = &mut self.round;
        round.answers += 1;
        round.wanted += u32::from(sent.is_wanted);
        round.under_way = round.under_way.max(sent.under_way);
        let enough = round.under_way.saturating_mul(ROUND_PER_SEAT).min(ROUND_MAX).max(round.under_way);
        // Given up sooner: what it is sent meanwhile is spoilt.
        if round.answers >= if self.is_tried_again() { enough.div_ceil(2) } else { enough } {
            let round = std::mem::take(&mut self.round);
            self.close(&round, now);
        }
    }

    /// Whether the present number was too high before.
    fn is_tried_again(&self) -> bool {
        self.bad_at.is_some_and(|(bad, _)| self.limit >= bad)
    }

    fn rate(&mut self, latency: Latency) {
        let (kind, took, units) = latency.parts();
        if self.normal[kind].learn(took / units) {
            return;
        }
        let rated = &mut self.round.rated[kind];
        *rated = Rated { answers: rated.answers + 1, took: rated.took + took, units: rated.units + units };
    }

    fn close(&mut self, round: &Round, now: Duration) {
        let failing = f64::from(round.failures) / f64::from(round.answers);
        let is_failing = failing > self.failing_normally + FAILING_MORE;
        let factor = if self.is_tried_again() { SLOW_AGAIN_FACTOR } else { SLOW_FACTOR };
        let is_slow = self.normal.iter().zip(&round.rated).any(|(normal, rated)| normal.is_exceeded(rated, factor));
        if !is_failing && !is_slow {
            return self.calm(round, failing, now);
        }
        let at = if round.is_wanted() { self.limit() } else { self.limit().min(round.under_way) };
        if at > 1 {
            return self.fall(at, now);
        }
        // Fewer there cannot be: it is not for our number.
        self.failing_normally = failing;
        for (normal, rated) in self.normal.iter_mut().zip(&round.rated) {
            normal.follow(rated, 1.0);
        }
        (self.bad_at, self.calm_at, self.proven_at, self.patience) = (None, None, None, PATIENCE_MIN);
        if let Some(limit) = self.fell_from.take() {
            self.set(limit, now);
        }
    }

    /// It was too much at this number: back to one that is known to be calm, the best known of them; a step down where this was
    /// thought to be one; else to half.
    fn fall(&mut self, at: u32, now: Duration) {
        self.fell_from.get_or_insert(self.limit);
        if self.bad_at.is_some_and(|(bad, _)| bad == at) {
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        }
        self.bad_at = Some((at, self.patience));
        let thought_calm = self.calm_at;
        self.proven_at = self.proven_at.filter(|calm| *calm < at);
        self.calm_at = self.proven_at.or(thought_calm.filter(|calm| *calm < at));
        let limit = match (self.calm_at, thought_calm) {
            (Some(calm), _) => calm,
            (None, Some(_)) => at - (at / RISE_PART).max(1),
            (None, None) => at / 2,
        };
        tracing::debug!(at, limit, "a provider is slow or fails: fewer at once");
        self.set(limit, now);
    }

    fn calm(&mut self, round: &Round, failing: f64, now: Duration) {
        self.failing_normally += (failing - self.failing_normally) * FAILURES_PART;
        for (normal, rated) in self.normal.iter_mut().zip(&round.rated) {
            let part = if normal.is_undercut(rated) { QUICKER_PART } else { SLOWER_PART };
            normal.follow(rated, part);
        }
        // Nobody wanted more, so nothing is known of more.
        if !round.is_wanted() {
            return;
        }
        let limit = self.limit();
        (self.fell_from, self.calm_at) = (None, Some(limit));
        self.calm_rounds += 1;
        let is_proven = self.calm_rounds >= PROVEN_ROUNDS;
        if is_proven {
            self.proven_at = Some(limit);
        }
        let mut next = limit.saturating_add((limit / RISE_PART).max(1)).min(self.max);
        match &mut self.bad_at {
            Some((bad, _)) if limit >= *bad && is_proven => (self.bad_at, self.patience) = (None, PATIENCE_MIN),
            Some((bad, _)) if limit >= *bad => next = limit,
            Some((bad, wait)) if next >= *bad && *wait > 0 && limit + 1 >= *bad => {
                *wait -= 1;
                next = limit;
            }
            Some((bad, wait)) if next >= *bad => next = if *wait > 0 { *bad - 1 } else { *bad },
            _ => {}
        }
        if next != limit {
            self.set(next, now);
        }
    }

    fn set(&mut self, limit: u32, now: Duration) {
        self.limit = limit.clamp(1, self.max);
        (self.since, self.calm_rounds) = (now, 0);
    }
}

impl Round {
    /// Whether the limit kept others waiting most of the time.
    fn is_wanted(&self) -> bool {
        self.wanted * 2 >= self.answers
    }
}

impl Normal {
    /// Takes one of the first answers in; false once enough is known.
    fn learn(&mut self, seconds: f64) -> bool {
        if self.seconds.is_some() {
            return false;
        }
        self.first.push(seconds);
        if self.first.len() == FIRST_ANSWERS {
            let mut first = std::mem::take(&mut self.first);
            first.sort_by(f64::total_cmp);
            let quicker = FIRST_ANSWERS / 2;
            self.seconds = Some(first.iter().take(quicker).sum::<f64>() / quicker as f64);
        }
        true
    }

    fn is_exceeded(&self, rated: &Rated, factor: f64) -> bool {
        let Some(seconds) = self.seconds.filter(|_| rated.answers > 0) else { return false };
        let expected = seconds * rated.units;
        let slower = (rated.took - expected) / f64::from(rated.answers);
        rated.took > expected * factor && slower > SLOWER_MIN.as_secs_f64()
    }

    fn is_undercut(&self, rated: &Rated) -> bool {
        self.seconds.is_some_and(|seconds| rated.took < seconds * rated.units)
    }

    /// Moves that part of the way to what was seen.
    fn follow(&mut self, rated: &Rated, part: f64) {
        if let Some(seconds) = self.seconds.as_mut().filter(|_| rated.answers > 0) {
            *seconds += (rated.took / rated.units - *seconds) * part;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A provider under as many requests as it is let, for so many answers: how many were under way on average, and how many good
    /// answers there were a second.
    struct World {
        adaptive: Adaptive,
        now: Duration,
        /// When each of those under way ends, with when it began and how it looks.
        open: Vec<(Duration, Sent, Signal)>,
    }

    impl World {
        fn new(max: u32) -> Self {
            Self { adaptive: Adaptive::new(max, true), now: Duration::ZERO, open: Vec::new() }
        }

        /// `answers` more, with up to `callers` at once; `answer` says how a request ends that goes as the n-th under way.
        fn run(&mut self, answers: u32, callers: u32, answer: impl Fn(u32) -> (Duration, Signal)) -> (f64, f64) {
            let (began, mut good, mut held) = (self.now, 0.0, 0.0);
            for _ in 0..answers {
                while (self.open.len() as u32) < self.adaptive.limit().min(callers) {
                    let under_way = self.open.len() as u32 + 1;
                    let is_wanted = callers > self.adaptive.limit();
                    let (took, signal) = answer(under_way);
                    self.open.push((self.now + took, Sent { at: self.now, under_way, is_wanted }, signal));
                }
                self.open.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
                let (until, sent, signal) = self.open.pop().unwrap();
                held += (until - self.now).as_secs_f64() * (self.open.len() + 1) as f64;
                self.now = until;
                good += f64::from(u8::from(matches!(
                    signal,
                    Signal::Success { latency: Latency::Whole { output_tokens: 64, .. } }
                )));
                self.adaptive.note(sent, signal, self.now);
            }
            let took = (self.now - began).as_secs_f64();
            (held / took, good / took)
        }
    }

    /// Numbers, one after the other.
    fn counted() -> impl Fn() -> u32 {
        let next = Cell::new(0);
        move || next.replace(next.get() + 1)
    }

    /// As the simulator does: above `bears`, half the tokens in twice the time.
    fn degrading(bears: u32) -> impl Fn(u32) -> (Duration, Signal) {
        move |under_way| {
            let (took, output_tokens) = if under_way > bears { (MS * 200, 32) } else { (MS * 100, 64) };
            (took, Signal::Success { latency: Latency::Whole { took, output_tokens } })
        }
    }

    #[test]
    fn settles_where_the_provider_is_quick() {
        for (max, callers) in [(10_000, 64), (16, 64), (64, 30), (8, 64), (1_000, 500)] {
            let mut world = World::new(max);
            world.run(2_000, callers, degrading(8));
            let (held, good) = world.run(5_000, callers, degrading(8));
            assert!((6.4..=9.6).contains(&held), "{held} under way of {max} with {callers}");
            assert!(good >= 0.9 * 80.0, "{good} good answers a second of {max} with {callers}");
        }
    }

    #[test]
    fn one_too_many_that_is_only_sometimes_too_many_is_found_out() {
        // What is on its way counts here and not there: with one too many, two in five are.
        let count = counted();
        let answer = |under_way: u32| {
            let is_late = under_way > 9 || under_way == 9 && count() % 5 < 2;
            let (took, output_tokens) = if is_late { (MS * 200, 32) } else { (MS * 100, 64) };
            (took, Signal::Success { latency: Latency::Whole { took, output_tokens } })
        };
        let mut world = World::new(64);
        world.run(800, 64, answer);
        let (held, good) = world.run(5_000, 64, answer);
        assert!((6.4..=9.6).contains(&held), "{held} under way");
        assert!(good >= 0.9 * 80.0, "{good} good answers a second");
    }

    #[test]
    fn follows_a_provider_that_bears_more_or_less() {
        let mut world = World::new(1_000);
        world.run(2_000, 64, degrading(8));
        world.run(20_000, 64, degrading(24));
        let (held, _) = world.run(5_000, 64, degrading(24));
        assert!((19.2..=28.8).contains(&held), "{held}");
        world.run(2_000, 64, degrading(8));
        let (held, _) = world.run(5_000, 64, degrading(8));
        assert!((6.4..=9.6).contains(&held), "{held}");
    }

    #[test]
    fn starts_high_and_stays_there_without_evidence() {
        let mut world = World::new(10_000);
        // Answers of all lengths, now and then one twice as slow, and a failure in twenty.
        let count = counted();
        world.run(5_000, 200, |_| {
            let number = count();
            let output_tokens = 16 + u64::from(number * 37 % 200);
            let took = MS * (output_tokens as u32 + 32) * (1 + u32::from(number.is_multiple_of(7)));
            let signal = Signal::Success { latency: Latency::Whole { took, output_tokens } };
            (took, if number.is_multiple_of(20) { Signal::Failed } else { signal })
        });
        assert_eq!(world.adaptive.limit(), 10_000);
    }

    #[test]
    fn a_provider_that_is_slow_for_its_own_reasons_is_not_sent_less_for_ever() {
        let mut world = World::new(1_000);
        let steady =
            |ms: u32| move |_| (MS * ms, Signal::Success { latency: Latency::Whole { took: MS * ms, output_tokens: 64 } });
        world.run(500, 64, steady(100));
        world.run(1_000, 64, steady(300));
        assert_eq!(world.adaptive.limit(), 1_000);
        // As one of which two in five fail, whatever is sent.
        let count = counted();
        let fails = |_| {
            let signal = Signal::Success { latency: Latency::Whole { took: MS * 300, output_tokens: 64 } };
            (MS * 300, if count() % 5 < 2 { Signal::Overloaded } else { signal })
        };
        world.run(3_000, 64, fails);
        assert!(world.adaptive.limit() > 64, "{}", world.adaptive.limit());
    }

    #[test]
    fn a_provider_that_refuses_is_sent_less() {
        let mut world = World::new(1_000);
        let answer = |under_way: u32| {
            let signal = Signal::Success { latency: Latency::FirstContent(MS * 100) };
            (MS * 100, if under_way > 20 { Signal::Overloaded } else { signal })
        };
        world.run(2_000, 100, answer);
        let (held, _) = world.run(5_000, 100, answer);
        assert!((16.0..=24.0).contains(&held), "{held}");
    }

    #[test]
    fn answers_to_an_earlier_limit_do_not_count() {
        let mut adaptive = Adaptive::new(64, true);
        let sent = |at| Sent { at, under_way: 64, is_wanted: true };
        (0..64).for_each(|_| adaptive.note(sent(MS), Signal::Failed, MS * 100));
        assert_eq!(adaptive.limit(), 32);
        (0..64).for_each(|_| adaptive.note(sent(MS * 50), Signal::Failed, MS * 200));
        assert_eq!(adaptive.limit(), 32);
    }
}
