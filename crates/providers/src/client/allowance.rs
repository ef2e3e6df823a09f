//! Reading `x-ratelimit-*` and `anthropic-ratelimit-*`: what a provider says is left of an allowance, and when it is renewed.

use std::time::Duration;

use chrono::DateTime;
use http::HeaderMap;

use crate::{Allowance, Left};

/// The longest time until a renewal that is believed.
const RESET_MAX: Duration = Duration::from_secs(3_600);

/// What the headers of an answer say; nothing where they do not say both what is left and until when.
pub(super) fn read_allowance(headers: &HeaderMap) -> Allowance {
    Allowance {
        requests: left(headers, ["x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"])
            .or_else(|| left(headers, ANTHROPIC_REQUESTS)),
        tokens: left(headers, ["x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"])
            .or_else(|| left(headers, ANTHROPIC_TOKENS)),
    }
}

const ANTHROPIC_REQUESTS: [&str; 3] =
    ["anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-reset"];
const ANTHROPIC_TOKENS: [&str; 3] =
    ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-reset"];

fn left(headers: &HeaderMap, [remaining, limit, reset]: [&str; 3]) -> Option<Left> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let count = |name: &str| text(name)?.parse().ok();
    let reset = duration(text(reset)?).or_else(|| until(text(reset)?, text("date")?))?;
    Some(Left { remaining: count(remaining)?, limit: count(limit), reset: reset.min(RESET_MAX) })
}

/// The time from the provider's own `date` until a moment, as Anthropic writes it (RFC 3339).
fn until(moment: &str, date: &str) -> Option<Duration> {
    let moment = DateTime::parse_from_rfc3339(moment).ok()?;
    let wait = moment.signed_duration_since(DateTime::parse_from_rfc2822(date).ok()?);
    // What is past is renewed.
    Some(wait.to_std().unwrap_or_default())
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

    #[test]
    fn moments_are_measured_from_the_providers_date() {
        let said = headers(&[
            ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "7"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-reset", "2026-10-21T07:28:30Z"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2026-10-21T07:27:00Z"),
        ]);
        let requests = Left { remaining: 7, limit: Some(50), reset: Duration::from_secs(30) };
        let tokens = Left { remaining: 0, limit: None, reset: Duration::ZERO };
        assert_eq!(read_allowance(&said), Allowance { requests: Some(requests), tokens: Some(tokens) });
    }
}
