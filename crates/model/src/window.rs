//! Calendar windows in UTC.

use chrono::{DateTime, Datelike, Days, Months, NaiveTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// How long a budget runs before it starts afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// A calendar hour in UTC.
    Hour,
    /// A calendar day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

/// One window on the calendar: from `start` up to, but without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowSpan {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment of the next window: when a budget resets.
    pub end: Timestamp,
}

impl WindowSpan {
    /// Whether `at` falls into this window.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

impl Window {
    /// The window that `at` falls into.
    pub fn span(self, at: Timestamp) -> WindowSpan {
        let midnight = at.calendar().date_naive().and_time(NaiveTime::MIN).and_utc();
        let (start, end) = match self {
            Window::Hour => {
                let start = midnight + TimeDelta::hours(i64::from(at.calendar().hour()));
                (start, Some(start + TimeDelta::hours(1)))
            }
            Window::Day => (midnight, midnight.checked_add_days(Days::new(1))),
            Window::Month => {
                let start = midnight.checked_sub_days(Days::new(u64::from(midnight.day0()))).unwrap_or(midnight);
                (start, start.checked_add_months(Months::new(1)))
            }
        };
        let stamp = |t: DateTime<Utc>| Timestamp::from_micros(t.timestamp_micros());
        WindowSpan { start: stamp(start), end: stamp(end.unwrap_or(DateTime::<Utc>::MAX_UTC)) }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Month => "month",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap_or_default()
    }

    #[test]
    fn spans_meet_at_the_boundary() {
        let last = at("2028-02-29T23:59:59.999999Z");
        let month = Window::Month.span(last);
        assert_eq!(month.start, at("2028-02-01T00:00:00Z"));
        assert_eq!(month.end, at("2028-03-01T00:00:00Z"));
        for window in [Window::Hour, Window::Day, Window::Month] {
            let span = window.span(last);
            assert!(span.contains(last));
            assert_eq!(window.span(span.end).start, span.end);
        }
    }
}
