//! Times and durations as people write them.

use std::{str::FromStr, time::Duration};

use insula_model::{Clock, Timestamp};

/// A duration such as `45s`, `90m`, `12h` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a duration such as 45s, 90m, 12h or 30d".to_owned();
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(seconds).map(|s| Self(Duration::from_secs(s))).ok_or_else(wrong)
    }
}

/// A moment: RFC 3339, a date (its first moment in UTC), or a duration from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// On the calendar.
    At(Timestamp),
    /// From now.
    In(Duration),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(Span(duration)) = text.parse() {
            return Ok(Moment::In(duration));
        }
        let dated = format!("{text}T00:00:00Z");
        let at = Timestamp::parse(text).or_else(|_| Timestamp::parse(&dated));
        at.map(Moment::At).map_err(|_| "write 2026-01-31, 2026-01-31T12:00:00Z, or a duration such as 12h or 30d".to_owned())
    }
}

impl Moment {
    /// The moment, where a duration lies ahead of the clock's now.
    pub fn ahead(self, clock: &dyn Clock) -> Timestamp {
        match self {
            Moment::At(at) => at,
            Moment::In(duration) => clock.now().plus(duration),
        }
    }

    /// The moment, where a duration lies behind the clock's now.
    pub fn behind(self, clock: &dyn Clock) -> Timestamp {
        match self {
            Moment::At(at) => at,
            Moment::In(duration) => {
                let now = clock.now().micros();
                let back = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(now.saturating_sub(back))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_model::ManualClock;

    use super::*;

    #[test]
    fn moments_are_read() {
        let day = Timestamp::parse("2026-01-31T00:00:00Z").unwrap();
        let clock = ManualClock::at(day);
        assert_eq!("2026-01-31".parse(), Ok(Moment::At(day)));
        assert_eq!("1d".parse::<Moment>().unwrap().ahead(&clock).to_string(), "2026-02-01T00:00:00Z");
        assert_eq!("12h".parse::<Moment>().unwrap().behind(&clock).to_string(), "2026-01-30T12:00:00Z");
        for bad in ["", "d", "-1d", "1w", "yesterday", "99999999999999999999d", "1é"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
