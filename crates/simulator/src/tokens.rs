//! How many tokens a request and its answer have: a rule that a test can do by hand, instead of a tokenizer.
//!
//! - A text has `ceil(utf8 bytes / 4)` tokens.
//! - A chat prompt has `3 + (3 + text + 85 * image parts) per message + ceil(bytes of the tools JSON / 4)`. Parts that
//!   are neither text nor image count nothing. Without images this never exceeds the bytes of the request's body: every
//!   message brings more than 3 bytes of JSON with it, and no text gets shorter by being written as JSON.
//! - An answer has exactly the scenario's `output_tokens`, less if `max_tokens` caps it or a fault cuts it, times `n`. In
//!   plain words it has as many words; JSON, tool calls and echoes have the same count, whatever their length.

use serde::Serialize;

use crate::scenario::Scenario;

/// Once for a chat prompt, and once more for each message: the role and the separators.
pub(crate) const FRAME_TOKENS: u64 = 3;
/// For each image part, whatever its size.
pub(crate) const IMAGE_TOKENS: u64 = 85;

/// Tokens of a text of so many bytes.
pub(crate) fn of_bytes(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// The usage object of an answer, as its endpoint writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Usage {
    Chat(ChatUsage),
    Embeddings(EmbeddingsUsage),
    Messages(MessagesUsage),
    Gemini(GeminiUsage),
    /// Its endpoint counts nothing; null on the wire.
    Uncounted,
}

/// Usage of `/v1/chat/completions`: cached and reasoning tokens are *parts* of the counts beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct ChatUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl ChatUsage {
    /// Subsets larger than their whole are cut to it.
    pub(crate) fn new(prompt_tokens: u64, cached_tokens: u64, completion_tokens: u64, reasoning_tokens: u64) -> ChatUsage {
        ChatUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens: cached_tokens.min(prompt_tokens) },
            completion_tokens_details: CompletionDetails { reasoning_tokens: reasoning_tokens.min(completion_tokens) },
        }
    }

    /// The same with a total that is not the sum of its parts.
    pub(crate) fn with_wrong_total(self) -> ChatUsage {
        ChatUsage { total_tokens: self.total_tokens.saturating_sub(1), ..self }
    }
}

/// Usage of `/v1/messages`: classes of input stand beside each other, thinking is a part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct MessagesUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl MessagesUsage {
    /// What the scenario takes out of the prompt for the cache is at most all of it.
    pub(crate) fn new(prompt_tokens: u64, output_tokens: u64, scenario: &Scenario) -> MessagesUsage {
        let read = scenario.cached_tokens.min(prompt_tokens);
        let minutes = scenario.cache_write_tokens.min(prompt_tokens - read);
        let hour = scenario.cache_write_1h_tokens.min(prompt_tokens - read - minutes);
        MessagesUsage {
            input_tokens: prompt_tokens - read - minutes - hour,
            cache_creation_input_tokens: minutes + hour,
            cache_read_input_tokens: read,
            cache_creation: CacheCreation { ephemeral_5m_input_tokens: minutes, ephemeral_1h_input_tokens: hour },
            output_tokens,
            output_tokens_details: OutputDetails { thinking_tokens: scenario.reasoning_tokens.min(output_tokens) },
        }
    }
}

/// Usage of Gemini's `generateContent`: cached tokens are a *part* of the prompt, thoughts stand *beside* the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GeminiUsage {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    total_token_count: u64,
}

impl From<ChatUsage> for GeminiUsage {
    /// What is nothing is left out, as Gemini does.
    fn from(usage: ChatUsage) -> GeminiUsage {
        let some = |tokens: u64| (tokens > 0).then_some(tokens);
        let thoughts = usage.completion_tokens_details.reasoning_tokens;
        GeminiUsage {
            prompt_token_count: usage.prompt_tokens,
            cached_content_token_count: some(usage.prompt_tokens_details.cached_tokens),
            candidates_token_count: some(usage.completion_tokens - thoughts),
            thoughts_token_count: some(thoughts),
            total_token_count: usage.total_tokens,
        }
    }
}

/// Usage of `/v1/embeddings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct EmbeddingsUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl EmbeddingsUsage {
    /// An embedding has no output, so the total is the prompt.
    pub(crate) fn new(prompt_tokens: u64) -> EmbeddingsUsage {
        EmbeddingsUsage { prompt_tokens, total_tokens: prompt_tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_are_a_token() {
        assert_eq!([0, 1, 4, 5].map(of_bytes), [0, 1, 1, 2]);
    }

    #[test]
    fn subsets_never_exceed_their_whole() {
        let usage = serde_json::to_value(ChatUsage::new(10, 99, 5, 99)).unwrap();
        assert_eq!(usage["total_tokens"], 15);
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 10);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 5);
    }
}
