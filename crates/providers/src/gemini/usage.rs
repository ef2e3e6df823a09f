//! What Gemini says that it counted.
//!
//! `promptTokenCount` holds the cached tokens; `candidatesTokenCount` does not hold the thoughts, and `toolUsePromptTokenCount` stands
//! beside the prompt. `totalTokenCount` is the sum of all four. Numbers that contradict each other count as not reported.

use insula_model::TokenCounts;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: u64,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

/// Reads a `usageMetadata` object.
pub(super) fn read_usage(value: &RawValue) -> Option<TokenCounts> {
    let usage: Usage = serde_json::from_str(value.get()).ok()?;
    // No request is empty, so a prompt of nothing was not counted.
    if usage.prompt_token_count == 0 {
        return None;
    }
    let cache_read = usage.cached_content_token_count.unwrap_or(0);
    let (output, reasoning) = (usage.candidates_token_count.unwrap_or(0), usage.thoughts_token_count.unwrap_or(0));
    let prompt = usage.prompt_token_count.checked_add(usage.tool_use_prompt_token_count.unwrap_or(0))?;
    let total = prompt.checked_add(output)?.checked_add(reasoning)?;
    if usage.total_token_count.is_some_and(|said| said != total) {
        return None;
    }
    // What is cached is a part of the prompt itself.
    usage.prompt_token_count.checked_sub(cache_read)?;
    Some(TokenCounts { input: prompt - cache_read, cache_read, cache_write: 0, cache_write_1h: 0, output, reasoning })
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
            "7",
            r#"{"promptTokenCount":0,"totalTokenCount":0}"#,
            r#"{"promptTokenCount":-1,"candidatesTokenCount":5}"#,
            r#"{"promptTokenCount":10,"cachedContentTokenCount":11}"#,
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":14}"#,
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":15}"#,
            r#"{"promptTokenCount":18446744073709551615,"candidatesTokenCount":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn classes_add_up_to_the_total() {
        let counts = read(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":7,"thoughtsTokenCount":30,
                "toolUsePromptTokenCount":5,"totalTokenCount":142,"promptTokensDetails":[{"modality":"TEXT","tokenCount":100}]}"#,
        );
        assert_eq!(
            counts,
            Some(TokenCounts { input: 45, cache_read: 60, cache_write: 0, cache_write_1h: 0, output: 7, reasoning: 30 })
        );
    }
}
