//! What a model can do beside plain text, and what a request needs of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    ChatRequest,
    json::{is_given, members},
};

/// Something that not every model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Calls the functions that it is offered.
    Tools,
    /// Calls several of them in one answer.
    ParallelTools,
    /// Reads images.
    Images,
    /// Keeps to a JSON schema.
    JsonSchema,
    /// Thinks with a stated effort.
    Reasoning,
}

impl Capability {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Tools => "tools",
            Capability::ParallelTools => "parallel_tools",
            Capability::Images => "images",
            Capability::JsonSchema => "json_schema",
            Capability::Reasoning => "reasoning",
        }
    }

    /// What a chat needs, from what it says: tools that it offers, parallel calls that it asks for, images that it shows, a
    /// schema that the answer must keep to, an effort that it states.
    pub fn needed_by(chat: &ChatRequest) -> Vec<Self> {
        let text = std::str::from_utf8(chat.sent()).unwrap_or_default();
        let fields = members(text, "the body").map(|fields| fields.0).unwrap_or_default();
        let said = |name: &str| fields.iter().find(|(field, value)| field == name && is_given(value)).map(|(_, value)| *value);
        let needs = [
            (chat.input.tools > 0, Capability::Tools),
            (said("parallel_tool_calls").is_some_and(|value| value.get() == "true"), Capability::ParallelTools),
            (chat.input.images > 0, Capability::Images),
            (said("response_format").is_some_and(is_schema), Capability::JsonSchema),
            (said("reasoning_effort").or_else(|| said("reasoning")).is_some(), Capability::Reasoning),
        ];
        needs.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, capability)| capability).collect()
    }
}

fn is_schema(format: &RawValue) -> bool {
    serde_json::from_str::<Value>(format.get()).is_ok_and(|format| format["type"] == "json_schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(more: &str) -> Vec<Capability> {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        Capability::needed_by(&ChatRequest::parse(body.into()).unwrap())
    }

    #[test]
    fn needs_are_read_from_what_a_request_says() {
        let tool = r#","tools":[{"type":"function","function":{"name":"f"}}]"#;
        assert_eq!(needed(""), []);
        assert_eq!(needed(tool), [Capability::Tools]);
        assert_eq!(needed(&format!("{tool},\"parallel_tool_calls\":true")), [Capability::Tools, Capability::ParallelTools]);
        assert_eq!(needed(r#","response_format":{"type":"json_schema","json_schema":{}}"#), [Capability::JsonSchema]);
        assert_eq!(needed(r#","response_format":{"type":"json_object"},"reasoning_effort":null"#), []);
        assert_eq!(needed(r#","reasoning_effort":"high""#), [Capability::Reasoning]);
    }
}
