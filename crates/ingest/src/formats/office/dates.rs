//! Days as Excel counts them.

use chrono::{NaiveDate, TimeDelta};

/// Beyond the year 9999 Excel knows no days.
const DAYS_MAX: f64 = 2_958_466.0;

/// The day and time of a count of days, as people write it internationally.
pub(super) fn shown(days: f64, from_1904: bool) -> Option<String> {
    if !(0.0..DAYS_MAX).contains(&days) {
        return None;
    }
    let epoch = if from_1904 { NaiveDate::from_ymd_opt(1904, 1, 1)? } else { NaiveDate::from_ymd_opt(1899, 12, 30)? };
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let seconds = (days * 86_400.0).round() as i64;
    let time = epoch.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::try_seconds(seconds)?)?;
    let form = match (seconds / 86_400, seconds % 86_400) {
        (0, _) => "%H:%M:%S",
        (_, 0) => "%Y-%m-%d",
        _ => "%Y-%m-%d %H:%M",
    };
    Some(time.format(form).to_string())
}

/// Whether a format of numbers shows a day or a time.
pub(super) fn is_date(id: u32, code: Option<&str>) -> bool {
    if matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58) {
        return true;
    }
    // Letters in quotes, in brackets or behind a backslash are no part of the pattern.
    let mut pattern = String::new();
    let mut chars = code.unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => while chars.next().is_some_and(|c| c != '"') {},
            '[' => while chars.next().is_some_and(|c| c != ']') {},
            '\\' | '_' => {
                chars.next();
            }
            c => pattern.push(c.to_ascii_lowercase()),
        }
    }
    !pattern.contains("general") && pattern.contains(['y', 'd', 'h', 'm', 's'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_shown_as_dates() {
        assert_eq!(shown(45_292.0, false).as_deref(), Some("2024-01-01"));
        assert_eq!(shown(45_292.75, false).as_deref(), Some("2024-01-01 18:00"));
        assert_eq!(shown(0.5, false).as_deref(), Some("12:00:00"));
        assert_eq!(shown(43_830.0, true).as_deref(), Some("2024-01-01"));
        assert_eq!(shown(-1.0, false), None);
        assert_eq!(shown(f64::NAN, false), None);
    }

    #[test]
    fn formats_of_dates_are_known() {
        assert!(is_date(14, None) && is_date(164, Some("dd/mm/yyyy")) && is_date(165, Some("[$-407]d. mmm")));
        assert!(!is_date(0, None) && !is_date(164, Some("0.00 \"days\"")) && !is_date(165, Some("#,##0\\ [$€-407]")));
        assert!(!is_date(166, Some("General")));
    }
}
