//! Messages for callers whose provider answered in another form.

use bytes::Bytes;
use insula_model::chat::{Choice, Finish, Part, Reply};
use serde_json::{Map, Value, json};

use super::{REDACTED, usage::written};
use crate::{Asked, retrieval::told};

pub(super) fn id(asked: &Asked) -> String {
    format!("msg_{}", asked.id)
}

/// Why an answer ended. Some providers say of an answer that calls tools only that it is complete.
pub(super) fn stop_reason(finish: Option<&Finish>, has_calls: bool) -> &'static str {
    match finish {
        Some(Finish::StopText(_)) => "stop_sequence",
        Some(Finish::Length) => "max_tokens",
        Some(Finish::ToolCalls) => "tool_use",
        Some(Finish::ContentFilter) => "refusal",
        None | Some(Finish::Stop) if has_calls => "tool_use",
        None | Some(Finish::Stop) => "end_turn",
    }
}

/// The text that came up, where the provider says which.
pub(super) fn stop_sequence(finish: Option<&Finish>) -> Option<&str> {
    match finish {
        Some(Finish::StopText(text)) => text.as_deref(),
        _ => None,
    }
}

/// A whole answer: the first choice, for a caller of this dialect asks for one. Its model is the one that answered.
pub(crate) fn write_reply(reply: &Reply, asked: &Asked) -> Bytes {
    let nothing = Choice::default();
    let choice = reply.choices.first().unwrap_or(&nothing);
    let has_calls = choice.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let mut body = json!({
        "id": id(asked),
        "type": "message",
        "role": "assistant",
        "model": reply.model.as_deref().unwrap_or(&asked.model),
        "content": choice.parts.iter().filter_map(block).collect::<Vec<_>>(),
        "stop_reason": stop_reason(choice.finish.as_ref(), has_calls),
        "stop_sequence": stop_sequence(choice.finish.as_ref()),
        "usage": written(reply.usage),
    });
    if let Some(retrieval) = reply.retrieval.as_deref() {
        body["insula"] = told(Some(retrieval), choice.grounding.as_ref());
    }
    body.to_string().into()
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::ToolCall { id, name, arguments } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": input(arguments)})
        }
        Part::Reasoning { text, signature } => match signature.as_deref().and_then(|seal| seal.strip_prefix(REDACTED)) {
            Some(data) => json!({"type": "redacted_thinking", "data": data}),
            None => json!({"type": "thinking", "thinking": text, "signature": signature.as_deref().unwrap_or_default()}),
        },
        // Models answer with none of these.
        Part::Image(_) | Part::Document(_) | Part::ToolResult { .. } => return None,
    })
}

/// Arguments are an object here; those that were cut off at the output limit are none.
fn input(arguments: &str) -> Map<String, Value> {
    serde_json::from_str(arguments).unwrap_or_default()
}
