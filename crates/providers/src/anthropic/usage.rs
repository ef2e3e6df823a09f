//! What Anthropic says that it counted.
//!
//! Source: Anthropic's API reference, "Messages", `usage`. The classes of input are beside each other: what the cache gave and what was
//! written to it is not in `input_tokens`. Thoughts are a part of `output_tokens`. In a stream the numbers are sums so far: those that
//! come later replace those that came before.
//!
//! Numbers that contradict each other, are missing, negative or broken count as not reported, never as zero.

use insula_model::TokenCounts;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// What was said so far.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

/// Writes to the cache by how long it keeps them.
#[derive(Debug, Clone, Copy, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: u64,
}

impl Usage {
    /// Reads a usage object; `None` where it is none.
    pub fn read(value: &RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// These numbers, and those from `before` that are not said anew.
    pub fn after(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            input_tokens: self.input_tokens.or(before.input_tokens),
            cache_read_input_tokens: self.cache_read_input_tokens.or(before.cache_read_input_tokens),
            cache_creation_input_tokens: self.cache_creation_input_tokens.or(before.cache_creation_input_tokens),
            cache_creation: self.cache_creation.or(before.cache_creation),
            output_tokens: self.output_tokens.or(before.output_tokens),
            output_tokens_details: self.output_tokens_details.or(before.output_tokens_details),
        }
    }

    /// In classes that do not overlap.
    pub fn counts(self) -> Option<TokenCounts> {
        let cache_read = self.cache_read_input_tokens.unwrap_or(0);
        let (cache_write, cache_write_1h) = self.written()?;
        let within = self.output_tokens_details.map_or(0, |details| details.thinking_tokens);
        let counts = TokenCounts {
            input: self.input_tokens?,
            cache_read,
            cache_write,
            cache_write_1h,
            output: self.output_tokens?.checked_sub(within)?,
            reasoning: within,
        };
        // No request is empty, so an input of nothing was not counted.
        (counts.input_total() > 0).then_some(counts)
    }

    /// What was written to the cache, for minutes and for an hour.
    fn written(self) -> Option<(u64, u64)> {
        match (self.cache_creation_input_tokens, self.cache_creation) {
            (total, None) => Some((total.unwrap_or(0), 0)),
            (total, Some(by_time)) => {
                let (minutes, hour) = (by_time.ephemeral_5m_input_tokens, by_time.ephemeral_1h_input_tokens);
                let sum = minutes.checked_add(hour)?;
                (total.unwrap_or(sum) == sum).then_some((minutes, hour))
            }
        }
    }
}

/// A usage object in Anthropic's way of counting. This form cannot say that something is unknown: it stands as zero.
pub(super) fn written(counts: Option<TokenCounts>) -> Value {
    let counts = counts.unwrap_or_default();
    json!({
        "input_tokens": counts.input,
        "cache_creation_input_tokens": counts.cache_write.saturating_add(counts.cache_write_1h),
        "cache_read_input_tokens": counts.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": counts.cache_write, "ephemeral_1h_input_tokens": counts.cache_write_1h},
        "output_tokens": counts.output_total(),
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<TokenCounts> {
        Usage::read(serde_json::from_str(text).unwrap())?.counts()
    }

    #[test]
    fn contradictions_are_unknown_not_zero() {
        for text in [
            "{}",
            "[]",
            "7",
            r#"{"input_tokens":0,"output_tokens":0}"#,
            r#"{"input_tokens":10}"#,
            r#"{"output_tokens":10}"#,
            r#"{"input_tokens":-1,"output_tokens":5}"#,
            r#"{"input_tokens":"10","output_tokens":5}"#,
            r#"{"input_tokens":10,"output_tokens":5,"output_tokens_details":{"thinking_tokens":6}}"#,
            r#"{"input_tokens":1,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":4},"output_tokens":5}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_later_replaces_what_was_said_before() {
        let usage = |text: &str| Usage::read(serde_json::from_str(text).unwrap()).unwrap();
        let first = usage(r#"{"input_tokens":25,"cache_read_input_tokens":8,"output_tokens":1}"#);
        let last = usage(r#"{"output_tokens":15,"cache_read_input_tokens":null}"#);
        let counts = TokenCounts { input: 25, cache_read: 8, output: 15, ..TokenCounts::default() };
        assert_eq!(last.after(Some(first)).counts(), Some(counts));
        assert_eq!(last.counts(), None);
    }
}
