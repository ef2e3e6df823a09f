//! The body of `POST /v1/chat/completions`, as far as an answer depends on it. Other members are accepted unread.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::errors::ApiError;
use crate::seeded;
use crate::tokens::{self, FRAME_TOKENS, IMAGE_TOKENS};

/// Largest `n`, as at OpenAI.
const CHOICES_MAX: u64 = 128;

#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest<'a> {
    #[serde(borrow)]
    pub(crate) model: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) messages: Vec<Message<'a>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    #[serde(borrow)]
    pub(crate) tools: Option<&'a RawValue>,
    pub(crate) tool_choice: Option<ToolChoice>,
    pub(crate) parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    pub(crate) response_format: Option<ResponseFormat<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`content` is neither a string nor a list of parts")]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts(#[serde(borrow)] Vec<Part<'a>>),
}

#[derive(Debug, Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`tool_choice` is neither a mode nor a named function")]
pub(crate) enum ToolChoice {
    Mode(String),
    Named { function: FunctionName },
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionName {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(borrow)]
    pub(crate) json_schema: Option<NamedSchema<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedSchema<'a> {
    #[serde(borrow)]
    pub(crate) schema: Option<&'a RawValue>,
}

impl<'a> ChatRequest<'a> {
    /// Reads a body and refuses what OpenAI refuses of the members above.
    pub(crate) fn from_json(body: &'a [u8]) -> Result<ChatRequest<'a>, ApiError> {
        let request: ChatRequest<'a> = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        if request.messages.is_empty() {
            return Err(ApiError::field("messages", "Invalid 'messages': empty array."));
        }
        if !(1..=CHOICES_MAX).contains(&request.choices()) {
            return Err(ApiError::field("n", format!("Invalid 'n': must be between 1 and {CHOICES_MAX}.")));
        }
        for (name, cap) in [("max_tokens", request.max_tokens), ("max_completion_tokens", request.max_completion_tokens)] {
            if cap == Some(0) {
                return Err(ApiError::field(name, format!("Invalid '{name}': must be at least 1.")));
            }
        }
        if request.stream_options.is_some() && !request.streams() {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(ApiError::field("stream_options", message));
        }
        Ok(request)
    }

    /// Whether the answer is a stream.
    pub(crate) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether that stream ends with a usage chunk.
    pub(crate) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true)
    }

    /// How many answers are wanted.
    pub(crate) fn choices(&self) -> u64 {
        self.n.unwrap_or(1)
    }

    /// The most tokens that each choice may have; the smaller cap if both are set.
    pub(crate) fn tokens_max(&self) -> Option<u64> {
        self.max_tokens.into_iter().chain(self.max_completion_tokens).min()
    }

    /// The rule in [`tokens`].
    pub(crate) fn prompt_tokens(&self) -> u64 {
        let messages = self.messages.iter().map(|message| {
            let text = message.texts().map(str::len).sum();
            FRAME_TOKENS + tokens::of_bytes(text) + IMAGE_TOKENS * message.images()
        });
        let tools = self.tools.map_or(0, |tools| tokens::of_bytes(tools.get().len()));
        FRAME_TOKENS + messages.sum::<u64>() + tools
    }

    /// What the last user said; failing one, what the last message says.
    pub(crate) fn last_said(&self) -> String {
        let user = self.messages.iter().rfind(|message| message.role == "user");
        user.or(self.messages.last()).map(Message::text).unwrap_or_default()
    }

    /// The text of all messages.
    pub(crate) fn whole_text(&self) -> String {
        self.messages.iter().map(Message::text).collect::<Vec<_>>().join("\n")
    }

    /// A hash of the model, the roles and the texts: how the request is sent does not change the answer.
    pub(crate) fn seed(&self) -> u64 {
        let parts = self.messages.iter().flat_map(|message| std::iter::once(&*message.role).chain(message.texts()));
        parts.fold(seeded::hash(0, self.model.as_bytes()), |seed, part| seeded::hash(seed, part.as_bytes()))
    }
}

impl Message<'_> {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let (text, parts) = match &self.content {
            None => (None, [].as_slice()),
            Some(Content::Text(text)) => (Some(&**text), [].as_slice()),
            Some(Content::Parts(parts)) => (None, parts.as_slice()),
        };
        text.into_iter().chain(parts.iter().filter(|part| part.kind == "text").filter_map(|part| part.text.as_deref()))
    }

    fn text(&self) -> String {
        self.texts().collect()
    }

    fn images(&self) -> u64 {
        match &self.content {
            Some(Content::Parts(parts)) => parts.iter().filter(|part| part.kind == "image_url").count() as u64,
            _ => 0,
        }
    }
}

/// A 400 for a part that is valid JSON but not what it should be.
pub(crate) fn invalid(param: &str, error: &serde_json::Error) -> ApiError {
    ApiError::field(param, format!("Invalid '{param}': {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str = r#"{"model":"sim-small","messages":[
        {"role":"system","content":"Be kind."},
        {"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image_url","image_url":{"url":"https://x"}}]}
    ],"tools":[{"type":"function","function":{"name":"f"}}]}"#;

    fn refused(body: &str) -> Option<String> {
        ChatRequest::from_json(body.as_bytes()).unwrap_err().param
    }

    #[test]
    fn prompt_tokens_follow_the_rule() {
        let request = ChatRequest::from_json(PROMPT.as_bytes()).unwrap();
        let tools = r#"[{"type":"function","function":{"name":"f"}}]"#.len().div_ceil(4) as u64;
        assert_eq!(request.prompt_tokens(), 3 + (3 + 2) + (3 + 2 + 85) + tools);
        assert_eq!(request.last_said(), "Hello");
        assert_eq!(request.whole_text(), "Be kind.\nHello");
    }

    #[test]
    fn a_text_prompt_has_at_most_as_many_tokens_as_the_body_has_bytes() {
        for text in ["", "a", "hello there", "日本語", "\\u0000\\u00e9"] {
            for count in [1, 2, 50] {
                let messages = vec![format!(r#"{{"role":"","content":"{text}"}}"#); count].join(",");
                let body = format!(r#"{{"model":"","messages":[{messages}],"tools":[]}}"#);
                let request = ChatRequest::from_json(body.as_bytes()).unwrap();
                assert!(request.prompt_tokens() <= body.len() as u64, "{body}");
            }
        }
    }

    #[test]
    fn what_openai_refuses_is_refused_by_name() {
        assert_eq!(refused(r#"{"messages":[{"role":"user","content":"x"}]}"#).as_deref(), Some("model"));
        assert_eq!(refused(r#"{"model":"m"}"#).as_deref(), Some("messages"));
        assert_eq!(refused(r#"{"model":"m","messages":[]}"#).as_deref(), Some("messages"));
        let with = |member: &str| refused(&format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{member}}}"#));
        assert_eq!(with(r#""n":0"#).as_deref(), Some("n"));
        assert_eq!(with(r#""max_tokens":0"#).as_deref(), Some("max_tokens"));
        assert_eq!(with(r#""stream_options":{"include_usage":true}"#).as_deref(), Some("stream_options"));
        assert_eq!(refused("not json"), None);
    }

    #[test]
    fn the_seed_is_the_content_not_the_options() {
        let seed = |body: &str| ChatRequest::from_json(body.as_bytes()).unwrap().seed();
        let plain = seed(r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#);
        assert_eq!(plain, seed(r#"{"stream":true,"messages":[{"content":"x","role":"user"}],"model":"m"}"#));
        assert_ne!(plain, seed(r#"{"model":"m","messages":[{"role":"user","content":"y"}]}"#));
        assert_ne!(plain, seed(r#"{"model":"l","messages":[{"role":"user","content":"x"}]}"#));
    }
}
