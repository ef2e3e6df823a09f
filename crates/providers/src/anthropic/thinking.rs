//! How much a model shall think, in the words of its generation.
//!
//! Source: Anthropic's documentation, "Extended thinking", "Adaptive thinking" and "Effort". Models up to 4.5 are given tokens to think
//! with; from 4.6 on they decide themselves, and are told an effort. From 4.7 on they take no sampling parameters. What has no version in
//! its name is taken to be of the first kind.

use insula_model::chat::{Message, Part, Reasoning, Request, Role, ToolChoice};
use serde_json::{Value, json};

/// The fewest tokens that a model can be given to think with.
const BUDGET_TOKENS_MIN: u64 = 1_024;

/// Since when models decide themselves how much they think.
const ADAPTIVE: (u32, u32) = (4, 6);
/// Since when they take no temperature and the like, and know the effort `xhigh`.
const UNSAMPLED: (u32, u32) = (4, 7);

/// What is sent of a wish to think.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Thinking {
    /// `thinking`.
    pub thinking: Option<Value>,
    /// `output_config.effort`.
    pub effort: Option<&'static str>,
}

impl Thinking {
    /// Of this request to this model, whose answer has at most so many tokens.
    ///
    /// No model thinks before a tool that it is forced to call, nor in the middle of calls whose earlier thoughts are gone: there the
    /// wish is dropped.
    pub fn of(request: &Request, upstream_model: &str, output_tokens_max: u64) -> Self {
        let Some(wanted) = &request.reasoning else { return Self::default() };
        let can_think = !matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        if version(upstream_model) >= Some(ADAPTIVE) {
            let thinks = can_think && !is_none(wanted);
            let thinking = thinks.then(|| json!({"type": "adaptive"}));
            return Self { thinking, effort: Some(effort(wanted, version(upstream_model) >= Some(UNSAMPLED))) };
        }
        // The answer needs tokens as well.
        let budget = budget_tokens(wanted).min(output_tokens_max / 2);
        let thinks = can_think && budget >= BUDGET_TOKENS_MIN && !has_lost_thoughts(&request.messages);
        Self { thinking: thinks.then(|| json!({"type": "enabled", "budget_tokens": budget})), effort: None }
    }
}

/// Whether this model takes a temperature, a `top_p` and a `top_k`.
pub(super) fn takes_sampling(upstream_model: &str) -> bool {
    version(upstream_model) < Some(UNSAMPLED)
}

/// The first one or two numbers in a model's name; a date is none. Before the fourth generation they stood before the family.
fn version(name: &str) -> Option<(u32, u32)> {
    let parts = name.split(['-', '.', '@']).map(|part| part.parse::<u32>().ok().filter(|_| part.len() < 6));
    let mut numbers = parts.skip_while(Option::is_none);
    let major = numbers.next().flatten()?;
    Some((major, numbers.next().flatten().unwrap_or(0)))
}

fn is_none(wanted: &Reasoning) -> bool {
    match wanted {
        Reasoning::Effort(word) => word == "none",
        Reasoning::Tokens(tokens) => *tokens == 0,
    }
}

/// An effort as tokens: each word takes four times those of the word before.
fn budget_tokens(wanted: &Reasoning) -> u64 {
    match wanted {
        Reasoning::Tokens(0) => 0,
        Reasoning::Tokens(tokens) => (*tokens).max(BUDGET_TOKENS_MIN),
        Reasoning::Effort(word) => match word.as_str() {
            "none" => 0,
            "minimal" | "low" => BUDGET_TOKENS_MIN,
            "high" => 16_384,
            "xhigh" | "max" => 32_768,
            _ => 4_096,
        },
    }
}

/// Tokens as an effort; the bounds are those toward OpenAI's form.
fn effort(wanted: &Reasoning, has_xhigh: bool) -> &'static str {
    match wanted {
        Reasoning::Tokens(..4_096) => "low",
        Reasoning::Tokens(..16_384) => "medium",
        Reasoning::Tokens(_) => "high",
        Reasoning::Effort(word) => match word.as_str() {
            "none" | "minimal" | "low" => "low",
            "medium" => "medium",
            "xhigh" if has_xhigh => "xhigh",
            "max" => "max",
            _ => "high",
        },
    }
}

/// Whether tools' results follow calls whose thoughts did not come back with their signature: a model that is given tokens to think with
/// refuses those.
fn has_lost_thoughts(messages: &[Message]) -> bool {
    let is_result = |message: &Message| message.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }));
    let is_signed = |part: &Part| matches!(part, Part::Reasoning { signature: Some(_), .. });
    messages.last().is_some_and(is_result)
        && messages
            .iter()
            .rfind(|message| message.role == Role::Assistant)
            .is_some_and(|message| !message.parts.iter().any(is_signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(model: &str, effort: &str, output_tokens_max: u64) -> Thinking {
        let reasoning = Some(Reasoning::Effort(effort.to_owned()));
        Thinking::of(&Request { reasoning, ..Request::default() }, model, output_tokens_max)
    }

    #[test]
    fn versions_are_read() {
        for (name, read) in [
            ("claude-opus-4-5-20251101", Some((4, 5))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-opus-5", Some((5, 0))),
            ("anthropic.claude-opus-4.6", Some((4, 6))),
            ("sim-small", None),
        ] {
            assert_eq!(version(name), read, "{name}");
        }
        assert!(takes_sampling("claude-haiku-4-5") && takes_sampling("sim-small") && !takes_sampling("claude-opus-4-7"));
    }

    #[test]
    fn each_generation_is_asked_in_its_words() {
        let enabled = |budget: u64| Some(json!({"type": "enabled", "budget_tokens": budget}));
        assert_eq!(thinking("claude-haiku-4-5", "high", 64_000).thinking, enabled(16_384));
        assert_eq!(thinking("claude-haiku-4-5", "high", 4_000).thinking, enabled(2_000));
        assert_eq!(thinking("claude-haiku-4-5", "low", 2_000), Thinking::default());
        assert_eq!(thinking("claude-haiku-4-5", "none", 64_000), Thinking::default());
        let adaptive = |effort| Thinking { thinking: Some(json!({"type": "adaptive"})), effort: Some(effort) };
        assert_eq!(thinking("claude-opus-5", "xhigh", 100), adaptive("xhigh"));
        assert_eq!(thinking("claude-opus-4-6", "xhigh", 100), adaptive("high"));
        assert_eq!(thinking("claude-opus-5", "none", 100), Thinking { thinking: None, effort: Some("low") });
    }
}
