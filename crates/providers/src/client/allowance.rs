//! Reading `x-ratelimit-*`: what a provider says is left of an allowance, and when it is renewed.

use std::time::Duration;

use http::HeaderMap;

use crate::{Allowance, Left};

/// The longest time until a renewal that is believed.
const RESET_MAX: Duration = Duration::from_secs(3_600);

/// What the headers of an answer say; nothing where they do not say both what is left and until when.
pub(super) fn read_allowance(headers: &HeaderMap) -> Allowance {
    Allowance {
        requests: left(headers, ["x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"]),
        tokens: left(headers, ["x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"]),
    }
}

fn left(headers: &HeaderMap, [remaining, limit, reset]: [&str; 3]) -> Option<Left> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let count = |name: &str| text(name)?.parse().ok();
    Some(Left { remaining: count(remaining)?, limit: count(limit), reset: duration(text(reset)?)?.min(RESET_MAX) })
}

/// `6m0s`, `1.5s`, `120ms`, or plain seconds. Source: OpenAI's guide to rate limits; compatible servers write either.
fn duration(text: &str) -> Option<Duration> {
    let seconds = |text: &str, unit: f64| Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok();
    if let Some(plain) = seconds(text, 1.0) {
        return Some(plain);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, after) = unit.split_at(unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len()));
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum = sum.checked_add(seconds(number, unit)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn durations_are_read_in_every_form() {
        for (text, ms) in [("6m0s", 360_000), ("1.5s", 1_500), ("120ms", 120), ("7", 7_000), ("1h2m3s", 3_723_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for nonsense in ["", "soon", "-1", "5 parsecs", "1s2", "s", "NaN", "inf", "1e400s"] {
            assert_eq!(duration(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn what_is_left_needs_its_end() {
        let said = headers(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-reset-requests", "20s"),
            ("x-ratelimit-remaining-tokens", "149984"),
        ]);
        let left = Left { remaining: 0, limit: Some(60), reset: Duration::from_secs(20) };
        assert_eq!(read_allowance(&said), Allowance { requests: Some(left), tokens: None });
        assert_eq!(read_allowance(&HeaderMap::new()), Allowance::default());
    }
}
