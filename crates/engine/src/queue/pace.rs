//! The pace at which requests are let go toward a provider: evenly spaced, held while the provider says so.
//!
//! GCRA (generic cell rate algorithm, ITU-T I.371) without a burst: each release books the time of the next. Among several nodes each
//! lets go its part of the limit: the limit divided by the number of live nodes.

use std::time::Duration;

use insula_model::ReleaseMode;
use insula_providers::{Allowance, Pace};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How far those who want speed may run ahead of the even spacing: the limit holds over each second, not within it.
const FAST_AHEAD: Duration = SECOND;
/// A timer that rings late by up to this much does not slow the pace: the next release comes so much sooner.
const LATE_MAX: Duration = Duration::from_millis(5);
/// The longest that a provider is believed when it wants nothing sent.
const HOLD_MAX: Duration = Duration::from_secs(60);
/// When no more than one in so many requests of a provider's allowance is left, the rest is spread until it is renewed.
const SPREAD_PART: u64 = 10;

/// When the next may go, if each takes its gap.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Spacing {
    next_at: Duration,
}

impl Spacing {
    /// When the next may go.
    pub fn next_at(&self) -> Duration {
        self.next_at
    }

    /// One goes `now` that has been there since `joined`, and the next so much later. What it was late is made up for, up to
    /// `late_max`; what nobody asked for is not.
    pub fn book(&mut self, now: Duration, joined: Duration, gap: Duration, late_max: Duration) {
        let due = joined.max(now.saturating_sub(late_max));
        self.next_at = self.next_at.max(due) + gap;
    }
}

/// The pace of one lane.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    pace: Pace,
    nodes: u32,
    requests: Spacing,
    tokens: Spacing,
    held_until: Duration,
    /// The gap that spreads what is left of the provider's allowance, and until when.
    spread: Option<(Duration, Duration)>,
}

impl Pacer {
    /// With the limits that an operator has set.
    pub fn new(pace: Pace) -> Self {
        Self { pace, nodes: 1, ..Self::default() }
    }

    /// So many nodes share the limits.
    pub fn share_among(&mut self, nodes: u32) {
        self.nodes = nodes.max(1);
    }

    /// This node's part of the requests a second, if they are limited.
    pub fn requests_per_second(&self) -> Option<f64> {
        self.pace.requests_per_second.map(|requests| f64::from(requests.get()) / f64::from(self.nodes))
    }

    /// When the next request may go.
    pub fn ready_at(&self, mode: ReleaseMode) -> Duration {
        let ahead = if mode == ReleaseMode::Fast { FAST_AHEAD } else { Duration::ZERO };
        self.requests.next_at().max(self.tokens.next_at()).saturating_sub(ahead).max(self.held_until)
    }

    /// A request of so many tokens goes `now`.
    pub fn book(&mut self, now: Duration, joined: Duration, tokens: u64) {
        let spread = self.spread.filter(|(_, until)| now < *until).map_or(Duration::ZERO, |(gap, _)| gap);
        let gap = self.pace.requests_per_second.map_or(Duration::ZERO, |requests| SECOND * self.nodes / requests.get());
        self.requests.book(now, joined, gap.max(spread), LATE_MAX);
        if self.pace.tokens_per_minute.is_some() {
            self.tokens.book(now, joined, self.time_of(tokens), LATE_MAX);
        }
    }

    /// A request took other than what was booked for it.
    pub fn correct(&mut self, booked: u64, used: u64) {
        let (booked, used) = (self.time_of(booked), self.time_of(used));
        self.tokens.next_at = (self.tokens.next_at + used).saturating_sub(booked);
    }

    fn time_of(&self, tokens: u64) -> Duration {
        let Some(per_minute) = self.pace.tokens_per_minute else { return Duration::ZERO };
        MINUTE.mul_f64(tokens as f64 * f64::from(self.nodes) / f64::from(per_minute.get()))
    }

    /// The provider wants nothing for so long.
    pub fn hold(&mut self, now: Duration, wait: Duration) {
        self.held_until = self.held_until.max(now + wait.min(HOLD_MAX));
    }

    /// Until when the provider wants nothing.
    pub fn held_until(&self) -> Duration {
        self.held_until
    }

    /// What the provider said is left of its allowance: nothing is sent while that is nothing, and the last of it is spread.
    pub fn heed(&mut self, now: Duration, allowance: &Allowance) {
        let spent = [allowance.requests, allowance.tokens].into_iter().flatten().filter(|left| left.remaining == 0);
        if let Some(wait) = spent.map(|left| left.reset).max() {
            self.hold(now, wait);
        }
        let scarce = |left: &insula_providers::Left| {
            left.remaining > 0 && left.limit.is_some_and(|limit| left.remaining <= limit / SPREAD_PART)
        };
        self.spread = allowance.requests.filter(scarce).map(|left| {
            let gap = left.reset.min(HOLD_MAX).div_f64(left.remaining as f64) * self.nodes;
            (gap, now + left.reset.min(HOLD_MAX))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use insula_providers::Left;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pacer(requests_per_second: u32) -> Pacer {
        Pacer::new(Pace { requests_per_second: NonZeroU32::new(requests_per_second), ..Pace::default() })
    }

    #[test]
    fn releases_are_evenly_spaced_though_the_timer_is_late() {
        let mut pacer = pacer(50);
        let mut now = Duration::ZERO;
        let mut released = Vec::new();
        for turn in 0..500u32 {
            // The timer rings up to 3 ms after it should.
            now = now.max(pacer.ready_at(ReleaseMode::Balanced)) + MS * (turn % 4);
            pacer.book(now, Duration::ZERO, 0);
            released.push(now);
        }
        let took = (released[499] - released[0]).as_secs_f64();
        assert!((took - 499.0 / 50.0).abs() < 0.02, "{took}");
    }

    #[test]
    fn an_idle_time_is_not_made_up_for() {
        let mut pacer = pacer(10);
        let later = SECOND * 30;
        pacer.book(later, later, 0);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), later + MS * 100);
        assert_eq!(pacer.ready_at(ReleaseMode::Predictable), later + MS * 100);
        assert!(pacer.ready_at(ReleaseMode::Fast) <= later, "speed runs ahead");
    }

    #[test]
    fn the_fast_are_held_to_the_limit_over_a_second() {
        let mut pacer = pacer(10);
        let mut at_once = 0;
        while pacer.ready_at(ReleaseMode::Fast) <= SECOND {
            pacer.book(SECOND, SECOND, 0);
            at_once += 1;
        }
        assert_eq!(at_once, 11);
        assert_eq!(pacer.ready_at(ReleaseMode::Fast), SECOND + MS * 100);
    }

    #[test]
    fn tokens_are_paced_and_corrected() {
        let mut pacer = Pacer::new(Pace { tokens_per_minute: NonZeroU32::new(60_000), ..Pace::default() });
        pacer.book(SECOND, SECOND, 2_000);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), SECOND * 3);
        pacer.correct(2_000, 500);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), MS * 1_500);
    }

    #[test]
    fn nodes_divide_the_pace() {
        let mut pacer = pacer(50);
        pacer.share_among(5);
        pacer.book(SECOND, SECOND, 0);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), SECOND + MS * 100);
    }

    #[test]
    fn the_providers_word_is_heeded() {
        let mut pacer = Pacer::new(Pace::default());
        pacer.hold(SECOND, SECOND * 7);
        pacer.hold(SECOND, SECOND);
        assert_eq!(pacer.ready_at(ReleaseMode::Fast), SECOND * 8, "of two waits the longer");
        pacer.hold(SECOND, SECOND * 3_600);
        assert_eq!(pacer.held_until(), SECOND * 61);

        let left = |remaining, reset| Some(Left { remaining, limit: Some(100), reset });
        let mut pacer = Pacer::new(Pace::default());
        pacer.heed(SECOND, &Allowance { requests: left(50, SECOND), tokens: None });
        pacer.book(SECOND, SECOND, 0);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), SECOND, "plenty is left");
        pacer.heed(SECOND, &Allowance { requests: left(5, SECOND), tokens: None });
        pacer.book(SECOND, SECOND, 0);
        assert_eq!(pacer.ready_at(ReleaseMode::Balanced), SECOND + MS * 200, "the last five over a second");
        pacer.heed(SECOND, &Allowance { requests: left(90, SECOND), tokens: left(0, SECOND * 2) });
        assert_eq!(pacer.ready_at(ReleaseMode::Fast), SECOND * 3, "no tokens are left");
    }
}
