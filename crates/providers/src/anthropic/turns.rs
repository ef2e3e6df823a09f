//! A conversation in turns: who speaks twice in a row speaks once, and what a tool said is said by the user.

use insula_model::{
    Error, Result,
    chat::{Media, Message, Part, Role, Source},
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::REDACTED;

/// What one side says until the other does.
#[derive(Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// A part of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Call(Call<'a>),
    Other(Value),
}

#[derive(Serialize)]
struct Call<'a> {
    r#type: &'static str,
    id: String,
    name: &'a str,
    /// As it came, byte for byte.
    input: &'a RawValue,
}

/// `messages`, without the instructions.
///
/// # Errors
/// `Invalid` where nothing is left, or a call's arguments are no JSON object.
pub(super) fn turns(messages: &[Message]) -> Result<Vec<Turn<'_>>> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let blocks = message.parts.iter().filter_map(|part| block(part).transpose()).collect::<Result<Vec<_>>>()?;
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(before) if before.role == role => before.content.extend(blocks),
            _ => turns.push(Turn { role, content: blocks }),
        }
    }
    if turns.is_empty() {
        let why = "this model's provider wants somebody to speak: send a message of the role `user` that is not empty";
        return Err(Error::invalid(why).at("messages"));
    }
    Ok(turns)
}

/// A block, unless there is nothing to say: this form refuses empty texts.
fn block(part: &Part) -> Result<Option<Block<'_>>> {
    Ok(Some(Block::Other(match part {
        Part::Text(_) | Part::Refusal(_) => return Ok(text_block(part).map(Block::Other)),
        Part::Image(media) => image(media),
        Part::Document(media) => document(media),
        Part::ToolCall { id, name, arguments } => {
            let call = Call { r#type: "tool_use", id: plain(id), name, input: input(arguments)? };
            return Ok(Some(Block::Call(call)));
        }
        Part::ToolResult { call_id, parts, is_error } => {
            let content: Vec<Value> = parts.iter().filter_map(shown).collect();
            let mut said = json!({"type": "tool_result", "tool_use_id": plain(call_id), "content": content});
            if *is_error {
                said["is_error"] = true.into();
            }
            said
        }
        Part::Reasoning { text, signature: Some(signature) } => match signature.strip_prefix(REDACTED) {
            Some(data) => json!({"type": "redacted_thinking", "data": data}),
            None => json!({"type": "thinking", "thinking": text, "signature": signature}),
        },
        // The vendor takes back only what it has signed.
        Part::Reasoning { signature: None, .. } => return Ok(None),
    })))
}

/// What a tool can say.
fn shown(part: &Part) -> Option<Value> {
    match part {
        Part::Image(media) => Some(image(media)),
        Part::Document(media) => Some(document(media)),
        part => text_block(part),
    }
}

fn image(media: &Media) -> Value {
    json!({"type": "image", "source": source(&media.source)})
}

/// A text as a block; `None` for what is none, or empty.
pub(super) fn text_block(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) if !text.trim().is_empty() => Some(json!({"type": "text", "text": text})),
        _ => None,
    }
}

fn source(source: &Source) -> Value {
    match source {
        Source::Url(url) => json!({"type": "url", "url": url}),
        Source::Data { media_type, data } => json!({"type": "base64", "media_type": media_type, "data": data}),
    }
}

fn document(media: &Media) -> Value {
    let mut said = json!({"type": "document", "source": source(&media.source)});
    if let Some(name) = &media.name {
        said["title"] = name.as_str().into();
    }
    said
}

/// Other vendors' ids of calls have signs that this form refuses; both ends of a call get the same in their place.
fn plain(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }).collect()
}

fn input(arguments: &str) -> Result<&RawValue> {
    let given = if arguments.trim().is_empty() { "{}" } else { arguments };
    let read = serde_json::from_str(given).ok().filter(|input: &&RawValue| input.get().starts_with('{'));
    let why = "the arguments of a call are not a JSON object, which this model's provider wants";
    read.ok_or_else(|| Error::invalid(why).at("messages"))
}
