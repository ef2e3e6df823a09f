//! Time, passed in.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A moment: microseconds since 1970 in UTC, the resolution that every storage engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment moved by `by`, stopping at the end of time.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment moved back by `by`, stopping at the beginning of time.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Result<Self> {
        DateTime::parse_from_rfc3339(text)
            .map(|t| Self(t.timestamp_micros()))
            .map_err(|_| Error::invalid("write times as RFC 3339, such as 2026-01-31T12:00:00Z"))
    }

    pub(crate) fn calendar(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.calendar().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// What time it is. Wall time never runs backwards.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, never earlier than what it said before.
    fn now(&self) -> Timestamp;

    /// Time since the clock was made, for durations.
    fn elapsed(&self) -> Duration;

    /// From now on the clock shows at least `floor`: the latest time found in storage.
    fn raise_to(&self, floor: Timestamp);
}

/// The machine's clock, held to never run backwards.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    latest: AtomicI64,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now(), latest: AtomicI64::new(0) }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(wall.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.latest.fetch_max(wall, Ordering::Relaxed).max(wall))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn raise_to(&self, floor: Timestamp) {
        self.latest.fetch_max(floor.0, Ordering::Relaxed);
    }
}

/// A clock that stands still until told otherwise, for tests.
#[derive(Debug)]
pub struct ManualClock {
    start: i64,
    now: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { start: now.0, now: AtomicI64::new(now.0) }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Moves the clock on to `to`; an earlier time changes nothing.
    pub fn advance_to(&self, to: Timestamp) {
        self.now.fetch_max(to.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.now().since(Timestamp(self.start))
    }

    fn raise_to(&self, floor: Timestamp) {
        self.advance_to(floor);
    }
}
