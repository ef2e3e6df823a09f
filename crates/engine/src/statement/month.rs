//! Calendar months in UTC, as a bill has them.

use std::{fmt, time::Duration};

use insula_model::{Error, Result, Timestamp, Window, WindowSpan};

/// How long after its end a month stays open: attempts that were reserved in it may still be under way. What comes later comes as
/// corrections, which its statement shows all the same.
pub const CLOSES_AFTER: Duration = Duration::from_secs(60 * 60);

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(WindowSpan);

impl Month {
    /// The month of a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(Window::Month.span(at))
    }

    /// Reads `2026-01`.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`] for anything else, and for a month that has not begun at `now`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self> {
        let is_month =
            text.len() == 7 && text.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'-' } else { b.is_ascii_digit() });
        let start = Timestamp::parse(&format!("{text}-01T00:00:00Z")).ok().filter(|at| is_month && *at >= Timestamp::default());
        let Some(start) = start else {
            return Err(Error::invalid("write a month from 1970 on as YYYY-MM, such as 2026-01").at("month"));
        };
        if start > now {
            return Err(Error::invalid(format!("the month {text} has not begun; there is no statement of it yet")).at("month"));
        }
        Ok(Self::of(start))
    }

    /// From its first moment up to the first of the next.
    pub fn span(&self) -> WindowSpan {
        self.0
    }

    /// The month before.
    pub fn before(&self) -> Self {
        Self::of(self.0.start.minus(Duration::from_micros(1)))
    }

    /// Whether attempts may still come to it in the ordinary way.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.0.end.plus(CLOSES_AFTER)
    }
}

/// `2026-01`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.start.to_string().get(..7).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn months_are_read_strictly() {
        let now = at("2026-03-15T12:00:00Z");
        let month = Month::parse("2026-03", now).unwrap();
        assert_eq!((month.to_string().as_str(), month.before().to_string().as_str()), ("2026-03", "2026-02"));
        assert_eq!(Month::parse("2026-01", now).unwrap().before().to_string(), "2025-12");
        for wrong in
            ["", "2026", "2026-3", "2026-13", "2026-00", "26-03", "2026-03-01", "2026/03", "+026-03", "1969-12", "2026-0é"]
        {
            let refused = Month::parse(wrong, now).unwrap_err();
            assert!(refused.param() == Some("month") && refused.message().contains("YYYY-MM"), "{wrong}: {refused}");
        }
        assert!(Month::parse("2026-04", now).unwrap_err().message().contains("has not begun"));
    }

    #[test]
    fn a_month_stays_open_for_what_is_under_way() {
        let month = Month::of(at("2026-02-28T23:59:59Z"));
        assert!(month.is_open(at("2026-03-01T00:59:59Z")));
        assert!(!month.is_open(at("2026-03-01T01:00:00Z")));
    }
}
