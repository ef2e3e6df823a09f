//! Messages in Gemini's form: contents of a user and a model, and one instruction.

use std::collections::HashMap;

use insula_model::{
    Error, Result,
    chat::{Media, Message, Part, Role, Source},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::signature::{FOREIGN, unsealed};

/// Something said.
#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<PartOut<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartOut<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind<'a> {
    Text(&'a str),
    InlineData(Inline<'a>),
    FunctionCall(Call<'a>),
    FunctionResponse(Response<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inline<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    name: &'a str,
    args: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Response<'a> {
    id: &'a str,
    name: &'a str,
    response: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<ResponsePart<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponsePart<'a> {
    inline_data: Inline<'a>,
}

impl<'a> From<Kind<'a>> for PartOut<'a> {
    fn from(kind: Kind<'a>) -> Self {
        Self { kind, thought_signature: None }
    }
}

/// The instruction and the conversation. Neighbours of one role become one content: the results of calls that were made together must
/// stand together. `is_sealing` models want a seal on the first call of each step.
///
/// # Errors
/// `Invalid` for media behind an address, and for the result of a call that was never made.
pub(super) fn contents(messages: &[Message], is_sealing: bool) -> Result<(Option<Content<'_>>, Vec<Content<'_>>)> {
    // A conversation cannot be empty: instructions alone are taken for what the user says.
    let is_instruction = |message: &Message| message.role == Role::System && messages.iter().any(|m| m.role != Role::System);
    let mut called = HashMap::new();
    let (mut instruction, mut said): (Vec<PartOut<'_>>, Vec<(Role, Content<'_>)>) = (Vec::new(), Vec::new());
    for message in messages {
        let mut parts = parts(message, &mut called)?;
        if is_instruction(message) {
            instruction.append(&mut parts);
            continue;
        }
        if message.role == Role::Assistant && is_sealing {
            seal(&mut parts);
        }
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        match said.last_mut() {
            Some((before, content)) if *before == message.role => content.parts.append(&mut parts),
            _ if parts.is_empty() => {}
            _ => said.push((message.role, Content { role: Some(role), parts })),
        }
    }
    let instruction = (!instruction.is_empty()).then_some(Content { role: None, parts: instruction });
    Ok((instruction, said.into_iter().map(|(_, content)| content).collect()))
}

/// The first of the calls that were made together has the seal. One that another model made gets what is taken in its place.
fn seal(parts: &mut [PartOut<'_>]) {
    let first = parts.iter_mut().find(|part| matches!(part.kind, Kind::FunctionCall(_)));
    if let Some(first) = first.filter(|part| part.thought_signature.is_none()) {
        first.thought_signature = Some(FOREIGN.to_owned());
    }
}

fn parts<'a>(message: &'a Message, called: &mut HashMap<&'a str, &'a str>) -> Result<Vec<PartOut<'a>>> {
    let mut out: Vec<PartOut<'a>> = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        match part {
            // Gemini refuses empty texts.
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => out.push(Kind::Text(text).into()),
            Part::Image(media) | Part::Document(media) => out.push(Kind::InlineData(inline(media)?).into()),
            Part::ToolCall { id, name, arguments } => {
                called.insert(id, name);
                let (id, thought_signature) = unsealed(id);
                let kind = Kind::FunctionCall(Call { id, name, args: arguments_of(arguments)? });
                out.push(PartOut { kind, thought_signature });
            }
            Part::ToolResult { call_id, parts, is_error } => {
                let name = called.get(call_id.as_str()).copied().ok_or_else(|| no_such_call(call_id))?;
                out.push(Kind::FunctionResponse(response(call_id, name, parts, *is_error)?).into());
            }
            // Thoughts go back only as the seals on calls.
            Part::Reasoning { .. } => {}
        }
    }
    Ok(out)
}

fn no_such_call(id: &str) -> Error {
    let id = crate::json::shown(id);
    Error::invalid(format!("a tool's result answers the call `{id}`, but no message before it makes that call")).at("messages")
}

/// Media in the body. Behind an address could be a file that another tenant gave to the provider.
fn inline(media: &Media) -> Result<Inline<'_>> {
    match &media.source {
        Source::Data { media_type, data } => Ok(Inline { mime_type: media_type, data }),
        Source::Url(_) => {
            let why = "the model's provider takes images and documents only in the request itself; send a `data:` address";
            Err(Error::invalid(why).at("messages"))
        }
    }
}

/// Arguments are an object here. A text that is none (a call that was cut off) is handed on inside one.
fn arguments_of(arguments: &str) -> Result<Box<RawValue>> {
    let trimmed = arguments.trim();
    if trimmed.is_empty() {
        return object(None);
    }
    match RawValue::from_string(trimmed.to_owned()) {
        Ok(raw) if raw.get().starts_with('{') => Ok(raw),
        _ => object(Some(("arguments", arguments))),
    }
}

fn response<'a>(call_id: &'a str, name: &'a str, parts: &'a [Part], is_error: bool) -> Result<Response<'a>> {
    let (mut text, mut media) = (String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Image(image) => media.push(ResponsePart { inline_data: inline(image)? }),
            _ => {}
        }
    }
    let is_object = !is_error && text.trim_start().starts_with('{');
    let response = match RawValue::from_string(if is_object { text.trim().to_owned() } else { String::new() }) {
        Ok(raw) => raw,
        Err(_) => object(Some((if is_error { "error" } else { "output" }, &text)))?,
    };
    Ok(Response { id: unsealed(call_id).0, name, response, parts: media })
}

/// An object with this one field, or none.
fn object(field: Option<(&str, &str)>) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(&HashMap::<&str, &str>::from_iter(field)).map_err(Error::internal)
}
