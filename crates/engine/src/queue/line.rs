//! A tenant's line in a lane: its end users take turns in it, each served in the order of arrival. Requests for which nobody
//! waits stand behind all others.

use std::{collections::VecDeque, time::Duration};

use insula_model::{EndUserId, ReleaseMode};

use super::pace::Spacing;

/// Who the tenant's requests are for: an end user, or nobody in particular.
pub(super) type EndUser = Option<EndUserId>;

/// How much a new value moves a moving average.
const NEW_PART: f64 = 0.125;
/// Where nothing else sets a pace, steady spacing is a little closer than the arrivals are, so that a line dissolves,
const STEADY_PART: f64 = 0.9;
/// and not wider than this: who comes seldom is not made to wait for it.
const STEADY_GAP_MAX: Duration = Duration::from_secs(1);

/// A moving average that begins with the first value.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Average(Option<f64>);

impl Average {
    /// Takes a value in.
    pub fn add(&mut self, value: f64) {
        let before = self.0.unwrap_or(value);
        self.0 = Some(before + (value - before) * NEW_PART);
    }

    /// The average so far.
    pub fn get(&self) -> Option<f64> {
        self.0
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub ticket: u64,
    pub size: Size,
    pub joined: Duration,
}

/// How large a request is, in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Its input, as far as is known.
    pub input_tokens: u64,
    /// The most that its answer may have.
    pub output_tokens_max: u64,
}

#[derive(Debug)]
struct User {
    id: EndUser,
    waiters: VecDeque<Waiter>,
}

/// A tenant in a lane.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub weight: u32,
    pub mode: ReleaseMode,
    /// Tokens that it may still have of its rounds; below zero it has had more than was expected.
    pub deficit: i64,
    /// The last round of which it has its quantum.
    pub round: u64,
    /// Tokens that its answers have.
    pub output: Average,
    /// Its own steady spacing.
    pub spacing: Spacing,
    users: VecDeque<User>,
    /// Those for whose requests nobody waits; served when there are no others.
    background: VecDeque<User>,
    arrived: Option<Duration>,
    between: Average,
}

impl Line {
    /// A request has arrived.
    pub fn arrive(&mut self, now: Duration) {
        if let Some(before) = self.arrived.replace(now) {
            self.between.add(now.saturating_sub(before).as_secs_f64());
        }
    }

    /// The gap of a steady spacing at its own rate.
    pub fn steady_gap(&self) -> Duration {
        let between = Duration::try_from_secs_f64(self.between.get().unwrap_or_default() * STEADY_PART);
        between.unwrap_or_default().min(STEADY_GAP_MAX)
    }

    /// Whether nobody waits in it.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.background.is_empty()
    }

    /// Nobody of it waits any more: what it was still due is gone, what it had beyond that is not.
    pub fn rest(&mut self) {
        self.deficit = self.deficit.min(0);
    }

    /// Joins the end user's own line, of those for whom somebody waits or of the others.
    pub fn join(&mut self, id: EndUser, is_background: bool, waiter: Waiter) {
        let users = if is_background { &mut self.background } else { &mut self.users };
        match users.iter_mut().find(|user| user.id == id) {
            Some(user) => user.waiters.push_back(waiter),
            None => users.push_back(User { id, waiters: VecDeque::from([waiter]) }),
        }
    }

    /// Whose turn it is.
    pub fn head(&self) -> Option<&Waiter> {
        self.users.front().or(self.background.front())?.waiters.front()
    }

    /// Takes out whose turn it is; the next turn is the next end user's.
    pub fn take(&mut self) -> Option<Waiter> {
        let users = if self.users.is_empty() { &mut self.background } else { &mut self.users };
        let mut user = users.pop_front()?;
        let waiter = user.waiters.pop_front();
        if !user.waiters.is_empty() {
            users.push_back(user);
        }
        waiter
    }

    /// Takes out somebody who leaves.
    pub fn leave(&mut self, ticket: u64) {
        for users in [&mut self.users, &mut self.background] {
            for user in &mut *users {
                user.waiters.retain(|waiter| waiter.ticket != ticket);
            }
            users.retain(|user| !user.waiters.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(ticket: u64) -> Waiter {
        Waiter { ticket, size: Size::default(), joined: Duration::ZERO }
    }

    #[test]
    fn end_users_take_turns() {
        let mut line = Line::default();
        let user = |number| Some(EndUserId::from_bytes([number; 16]));
        for (ticket, id) in [(1, user(1)), (2, user(1)), (3, user(1)), (4, user(2)), (5, None), (6, user(2))] {
            line.join(id, false, waiter(ticket));
        }
        line.leave(2);
        let order: Vec<u64> = std::iter::from_fn(|| line.take()).map(|waiter| waiter.ticket).collect();
        assert_eq!(order, [1, 4, 5, 3, 6]);
        assert!(line.is_empty());
    }

    #[test]
    fn what_nobody_waits_for_goes_last() {
        let mut line = Line::default();
        for (ticket, is_background) in [(1, true), (2, true), (3, false), (4, true), (5, false)] {
            line.join(None, is_background, waiter(ticket));
        }
        line.leave(2);
        assert_eq!(line.take().map(|waiter| waiter.ticket), Some(3));
        line.join(None, false, waiter(6));
        let order: Vec<u64> = std::iter::from_fn(|| line.take()).map(|waiter| waiter.ticket).collect();
        assert_eq!(order, [5, 6, 1, 4]);
        assert!(line.is_empty());
    }

    #[test]
    fn steady_spacing_follows_the_arrivals() {
        let mut line = Line::default();
        assert_eq!(line.steady_gap(), Duration::ZERO);
        (0..10).for_each(|n| line.arrive(Duration::from_millis(100) * n));
        assert_eq!(line.steady_gap().as_millis(), 90);
        line.arrive(Duration::from_secs(600));
        assert_eq!(line.steady_gap(), STEADY_GAP_MAX);
    }
}
