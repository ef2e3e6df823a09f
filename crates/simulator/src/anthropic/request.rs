//! The body of `POST /v1/messages`, as far as an answer depends on it. Other members are accepted unread.

use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;
use crate::seeded;
use crate::tokens::{self, FRAME_TOKENS, IMAGE_TOKENS};

/// The fewest tokens that a thinking budget may have.
const BUDGET_TOKENS_MIN: u64 = 1_024;
/// Said by the user, in any case: the ways to make a free choice a call of the first tool, or of each.
const TRIGGER: &str = "use the tool";
const TRIGGER_ALL: &str = "use the tools";

#[derive(Debug, Deserialize)]
pub(crate) struct MessagesRequest {
    pub(crate) model: String,
    messages: Vec<Message>,
    system: Option<Value>,
    pub(crate) max_tokens: u64,
    stream: Option<bool>,
    #[serde(default)]
    tools: Vec<Tool>,
    tool_choice: Option<ToolChoice>,
    thinking: Option<Thinking>,
    output_config: Option<OutputConfig>,
    temperature: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Value,
}

/// A tool that the model may call.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The JSON schema of its arguments.
    pub(crate) input_schema: Value,
}

#[derive(Debug, Deserialize)]
struct ToolChoice {
    r#type: String,
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: bool,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    r#type: String,
    budget_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputConfig {
    format: Option<Format>,
}

#[derive(Debug, Deserialize)]
struct Format {
    schema: Value,
}

impl MessagesRequest {
    /// Reads a body and refuses what Anthropic refuses of the members above.
    pub(crate) fn from_json(body: &[u8]) -> Result<MessagesRequest, ApiError> {
        let request: MessagesRequest = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        if request.messages.is_empty() {
            return Err(ApiError::field("messages", "messages: at least one message is required"));
        }
        for message in &request.messages {
            if !["user", "assistant"].contains(&message.role.as_str()) {
                return Err(ApiError::field("messages", format!("messages: Unexpected role \"{}\"", message.role)));
            }
            if texts(&message.content).any(str::is_empty) {
                return Err(ApiError::field("messages", "messages: text content blocks must be non-empty"));
            }
        }
        if request.max_tokens == 0 {
            return Err(ApiError::field("max_tokens", "max_tokens: must be at least 1"));
        }
        if request.temperature.is_some_and(|temperature| !(0.0..=1.0).contains(&temperature)) {
            return Err(ApiError::field("temperature", "temperature: range: 0..1"));
        }
        let budget = request.thinking.as_ref().and_then(|thinking| thinking.budget_tokens);
        if budget.is_some_and(|budget| !(BUDGET_TOKENS_MIN..request.max_tokens).contains(&budget)) {
            let message = "thinking.budget_tokens: must be at least 1024 and less than max_tokens";
            return Err(ApiError::field("thinking", message));
        }
        Ok(request)
    }

    /// Whether the answer is a stream.
    pub(crate) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether the answer shows thoughts.
    pub(crate) fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking.r#type != "disabled")
    }

    /// The schema of the answer, if one is asked for.
    pub(crate) fn schema(&self) -> Option<&Value> {
        Some(&self.output_config.as_ref()?.format.as_ref()?.schema)
    }

    /// The tools that the answer calls: the named one, else the first, or all if the user says so. After a tool's result the model has
    /// what it wanted and answers in words.
    pub(crate) fn called(&self) -> Result<Vec<Tool>, ApiError> {
        let answered = self.messages.last().is_some_and(|message| kinds(&message.content).any(|kind| kind == "tool_result"));
        let said = self.last_said().to_ascii_lowercase();
        let is_single = self.tool_choice.as_ref().is_some_and(|choice| choice.disable_parallel_tool_use);
        let at_once = if said.contains(TRIGGER_ALL) && !is_single { usize::MAX } else { 1 };
        let some = || Ok(self.tools.iter().take(at_once).cloned().collect());
        match self.tool_choice.as_ref().map(|choice| (choice.r#type.as_str(), choice.name.as_deref())) {
            _ if answered => Ok(Vec::new()),
            Some(("none", _)) => Ok(Vec::new()),
            Some(("any", _)) => some(),
            Some(("tool", Some(name))) => match self.tools.iter().find(|tool| tool.name == name) {
                Some(tool) => Ok(vec![tool.clone()]),
                None => Err(ApiError::field("tool_choice", format!("Tool '{name}' not found in provided tools"))),
            },
            _ if said.contains(TRIGGER) => some(),
            _ => Ok(Vec::new()),
        }
    }

    /// The rule in [`tokens`]; instructions are a message.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        let contents = self.system.iter().chain(self.messages.iter().map(|message| &message.content));
        let messages = contents.map(|content| {
            let images = kinds(content).filter(|kind| *kind == "image").count() as u64;
            FRAME_TOKENS + tokens::of_bytes(texts(content).map(str::len).sum()) + IMAGE_TOKENS * images
        });
        let tools: usize = self.tools.iter().map(|tool| tool.name.len() + tool.input_schema.to_string().len()).sum();
        FRAME_TOKENS + messages.sum::<u64>() + tokens::of_bytes(tools)
    }

    /// What the last user said who said anything.
    pub(crate) fn last_said(&self) -> String {
        let said = self.messages.iter().rev().filter(|message| message.role == "user");
        said.map(|message| texts(&message.content).collect::<String>()).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// The text of all messages, instructions first.
    pub(crate) fn whole_text(&self) -> String {
        let contents = self.system.iter().chain(self.messages.iter().map(|message| &message.content));
        contents.map(|content| texts(content).collect::<String>()).collect::<Vec<_>>().join("\n")
    }

    /// A hash of the model, the roles and the texts: how the request is sent does not change the answer.
    pub(crate) fn seed(&self) -> u64 {
        let said =
            self.messages.iter().flat_map(|message| std::iter::once(message.role.as_str()).chain(texts(&message.content)));
        let parts = self.system.iter().flat_map(texts).chain(said);
        parts.fold(seeded::hash(0, self.model.as_bytes()), |seed, part| seeded::hash(seed, part.as_bytes()))
    }
}

/// Blocks, those in a tool's result included.
fn blocks(content: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    let blocks = content.as_array().into_iter().flatten();
    Box::new(blocks.flat_map(|block| std::iter::once(block).chain(block.get("content").into_iter().flat_map(blocks_of))))
}

fn blocks_of(content: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match content {
        Value::String(_) => Box::new(std::iter::once(content)),
        content => blocks(content),
    }
}

fn texts(content: &Value) -> impl Iterator<Item = &str> {
    blocks_of(content).filter_map(text)
}

fn text(block: &Value) -> Option<&str> {
    match block {
        Value::String(text) => Some(text),
        block => block.get("text").and_then(Value::as_str),
    }
}

fn kinds(content: &Value) -> impl Iterator<Item = &str> {
    blocks(content).filter_map(|block| block.get("type")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(members: &str) -> Result<MessagesRequest, ApiError> {
        MessagesRequest::from_json(format!(r#"{{"model":"m","max_tokens":9,{members}}}"#).as_bytes())
    }

    #[test]
    fn prompt_tokens_follow_the_rule() {
        let read = request(
            r#""system":"Be kind.","messages":[{"role":"user","content":[{"type":"text","text":"Hello"},
            {"type":"tool_result","content":[{"type":"text","text":"4242"},{"type":"image","source":{}}]}]}],
            "tools":[{"name":"f","input_schema":{}}]"#,
        );
        let read = read.unwrap();
        assert_eq!(read.prompt_tokens(), 3 + (3 + 2) + (3 + 3 + 85) + 1);
        assert_eq!(read.last_said(), "Hello4242");
        assert_eq!(read.whole_text(), "Be kind.\nHello4242");
    }

    #[test]
    fn what_anthropic_refuses_is_refused_by_name() {
        let refused = |members: &str| request(members).unwrap_err().param;
        assert_eq!(refused(r#""messages":[]"#).as_deref(), Some("messages"));
        assert_eq!(refused(r#""messages":[{"role":"system","content":"x"}]"#).as_deref(), Some("messages"));
        assert_eq!(refused(r#""messages":[{"role":"user","content":""}]"#).as_deref(), Some("messages"));
        let with = |member: &str| refused(&format!(r#""messages":[{{"role":"user","content":"x"}}],{member}"#));
        assert_eq!(with(r#""temperature":1.5"#).as_deref(), Some("temperature"));
        assert_eq!(with(r#""thinking":{"type":"enabled","budget_tokens":2000}"#).as_deref(), Some("thinking"));
        assert_eq!(
            MessagesRequest::from_json(b"{\"model\":\"m\",\"messages\":[]}").unwrap_err().param.as_deref(),
            Some("max_tokens")
        );
    }

    #[test]
    fn the_choice_follows_the_request() {
        let called = |said: &str, choice: &str| {
            let tools = r#"[{"name":"first","input_schema":{}},{"name":"second","input_schema":{}}]"#;
            let members =
                format!(r#""messages":[{{"role":"user","content":"{said}"}}],"tools":{tools},"tool_choice":{choice}"#);
            let tools = request(&members).unwrap().called();
            tools.map(|tools| tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>().join(" ")).ok()
        };
        assert_eq!(called("hello", "null").as_deref(), Some(""));
        assert_eq!(called("Use the tool", "null").as_deref(), Some("first"));
        assert_eq!(called("Use the tools", r#"{"type":"auto"}"#).as_deref(), Some("first second"));
        assert_eq!(called("Use the tools", r#"{"type":"auto","disable_parallel_tool_use":true}"#).as_deref(), Some("first"));
        assert_eq!(called("hello", r#"{"type":"any"}"#).as_deref(), Some("first"));
        assert_eq!(called("hello", r#"{"type":"tool","name":"second"}"#).as_deref(), Some("second"));
        assert_eq!(called("hello", r#"{"type":"tool","name":"third"}"#), None);
        assert_eq!(called("use the tool", r#"{"type":"none"}"#).as_deref(), Some(""));
    }
}
