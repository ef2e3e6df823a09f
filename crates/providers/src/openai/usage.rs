//! What providers say that they counted, taken apart into classes that do not overlap.
//!
//! | vendor | what it reports |
//! |---|---|
//! | OpenAI, vLLM | `cached_tokens` is a part of `prompt_tokens`, `reasoning_tokens` a part of `completion_tokens` |
//! | DeepSeek | the same, and `prompt_cache_hit_tokens` + `prompt_cache_miss_tokens` = `prompt_tokens` |
//! | Gemini, xAI | thoughts stand in `total_tokens` alone, beside `prompt_tokens` and `completion_tokens` |
//!
//! Numbers that contradict each other, are missing, negative or broken count as not reported, never as zero.

use insula_model::TokenCounts;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_cache_hit_tokens: Option<u64>,
    prompt_cache_miss_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize, Default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    #[serde(alias = "cache_creation_tokens")]
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a usage object.
pub(super) fn read_usage(value: &RawValue) -> Option<TokenCounts> {
    let usage: Usage = serde_json::from_str(value.get()).ok()?;
    let prompt = usage.prompt_tokens;
    // No request is empty, so a prompt of nothing was not counted.
    if prompt == 0 {
        return None;
    }
    let details = usage.prompt_tokens_details.unwrap_or_default();
    let cache_read = match (details.cached_tokens, usage.prompt_cache_hit_tokens) {
        (Some(cached), Some(hit)) if cached != hit => return None,
        (cached, hit) => cached.or(hit).unwrap_or(0),
    };
    if usage.prompt_cache_miss_tokens.is_some_and(|miss| cache_read.checked_add(miss) != Some(prompt)) {
        return None;
    }
    let cache_write = details.cache_write_tokens.unwrap_or(0);
    let input = prompt.checked_sub(cache_read)?.checked_sub(cache_write)?;
    let completion = match (usage.completion_tokens, usage.total_tokens) {
        (Some(completion), _) => completion,
        // Embeddings have no output.
        (None, Some(total)) if total == prompt => 0,
        (None, _) => return None,
    };
    let whole = prompt.checked_add(completion)?;
    let beside = usage.total_tokens.map_or(Some(0), |total| total.checked_sub(whole))?;
    let within = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0);
    // Thoughts are either part of the completion or beside it, never both.
    let (output, reasoning) = if beside > 0 { (completion, beside) } else { (completion.checked_sub(within)?, within) };
    Some(TokenCounts { input, cache_read, cache_write, cache_write_1h: 0, output, reasoning })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<TokenCounts> {
        read_usage(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn contradictions_are_unknown_not_zero() {
        for text in [
            "{}",
            "[]",
            "7",
            r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#,
            r#"{"prompt_tokens":10}"#,
            r#"{"prompt_tokens":10,"total_tokens":12}"#,
            r#"{"prompt_tokens":-1,"completion_tokens":5}"#,
            r#"{"prompt_tokens":10.5,"completion_tokens":5}"#,
            r#"{"prompt_tokens":"10","completion_tokens":5}"#,
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":14}"#,
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":11}}"#,
            r#"{"prompt_tokens":10,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":6}}"#,
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":7}"#,
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn classes_add_up_to_what_was_reported() {
        let counts =
            read(r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":null}"#).unwrap();
        assert_eq!(counts, TokenCounts { input: 10, output: 5, ..TokenCounts::default() });
    }
}
