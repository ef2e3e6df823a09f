//! What a body of Responses asks, for providers of any form.
//!
//! Items that follow each other and belong to one turn of the model (thoughts, a text, calls) become one message, as vendors want them.

use insula_model::{
    Error, Result,
    chat::{Format, Media, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{content::SEARCH_CALL, output::unsealed};
use crate::openai::source;

#[derive(Deserialize)]
struct Body<'a> {
    model: String,
    #[serde(borrow)]
    input: &'a RawValue,
    instructions: Option<String>,
    #[serde(borrow)]
    tools: Option<Vec<ToolSaid<'a>>>,
    tool_choice: Option<ChoiceSaid>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    text: Option<TextSaid<'a>>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    reasoning: Option<ReasoningSaid>,
    user: Option<String>,
    safety_identifier: Option<String>,
}

#[derive(Deserialize)]
struct ItemSaid {
    r#type: Option<String>,
    role: Option<String>,
    content: Option<ContentSaid>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<ContentSaid>,
    summary: Option<Vec<SummarySaid>>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ContentSaid {
    Text(String),
    Parts(Vec<PartSaid>),
}

#[derive(Deserialize)]
struct PartSaid {
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<String>,
    detail: Option<String>,
    file_data: Option<String>,
    file_url: Option<String>,
    filename: Option<String>,
}

#[derive(Deserialize)]
struct SummarySaid {
    text: String,
}

#[derive(Deserialize)]
struct ToolSaid<'a> {
    r#type: String,
    name: Option<String>,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChoiceSaid {
    Word(String),
    Named { r#type: String, name: Option<String> },
}

#[derive(Deserialize)]
struct TextSaid<'a> {
    #[serde(borrow)]
    format: Option<FormatSaid<'a>>,
}

#[derive(Deserialize)]
struct FormatSaid<'a> {
    r#type: String,
    name: Option<String>,
    description: Option<String>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct ReasoningSaid {
    effort: Option<String>,
}

/// What this body asks. The output limit and whether to stream are the caller's to set.
///
/// # Errors
/// `Invalid` where it does not have the documented shape, or asks for what no provider here can be asked.
pub(crate) fn read_request(body: &str) -> Result<Request> {
    let body: Body<'_> =
        serde_json::from_str(body).map_err(|error| Error::invalid(format!("the body is not as it should be: {error}")))?;
    let mut messages = Vec::new();
    messages.extend(body.instructions.map(|text| Message { role: Role::System, parts: vec![Part::Text(text)] }));
    if body.input.get().starts_with('"') {
        let text = serde_json::from_str(body.input.get()).map_err(|error| wrong(&error.to_string(), "input"))?;
        messages.push(Message { role: Role::User, parts: vec![Part::Text(text)] });
    } else {
        let items: Vec<ItemSaid> =
            serde_json::from_str(body.input.get()).map_err(|error| wrong(&error.to_string(), "input"))?;
        for item in items {
            add(item, &body.model, &mut messages)?;
        }
    }
    Ok(Request {
        messages,
        tools: body.tools.into_iter().flatten().map(tool).collect::<Result<_>>()?,
        tool_choice: body.tool_choice.map(tool_choice).transpose()?,
        parallel_tool_calls: body.parallel_tool_calls,
        format: body.text.and_then(|text| text.format).map_or(Ok(Format::Text), format)?,
        choices: 1,
        temperature: body.temperature,
        top_p: body.top_p,
        reasoning: body.reasoning.and_then(|reasoning| reasoning.effort).map(Reasoning::Effort),
        user: body.user.or(body.safety_identifier),
        ..Request::default()
    })
}

fn wrong(what: &str, at: &str) -> Error {
    Error::invalid(format!("`{at}`: {what}")).at(at)
}

fn add(item: ItemSaid, model: &str, messages: &mut Vec<Message>) -> Result<()> {
    let missing = |field: &str| wrong(&format!("an item lacks its `{field}`"), "input");
    match item.r#type.as_deref().unwrap_or("message") {
        "message" => {
            let role = role(item.role.as_deref().unwrap_or_default())?;
            let parts = parts(item.content.ok_or_else(|| missing("content"))?)?;
            match messages.last_mut() {
                // Thoughts are of the same turn as the text that follows them.
                Some(turn) if role == Role::Assistant && is_thinking(turn) => turn.parts.extend(parts),
                _ => messages.push(Message { role, parts }),
            }
        }
        "function_call" => {
            let part = Part::ToolCall {
                id: item.call_id.ok_or_else(|| missing("call_id"))?,
                name: item.name.ok_or_else(|| missing("name"))?,
                arguments: item.arguments.unwrap_or_default(),
            };
            turn(messages, Role::Assistant).push(part);
        }
        "function_call_output" => {
            let call_id = item.call_id.ok_or_else(|| missing("call_id"))?;
            let parts = parts(item.output.ok_or_else(|| missing("output"))?)?;
            turn(messages, Role::Tool).push(Part::ToolResult { call_id, parts, is_error: false });
        }
        "reasoning" => {
            let texts: Vec<String> = item.summary.into_iter().flatten().map(|summary| summary.text).collect();
            let (text, signature) = (texts.join("\n\n"), unsealed(&item.encrypted_content.unwrap_or_default(), model));
            if !text.is_empty() || signature.is_some() {
                let part = Part::Reasoning { text, signature };
                match messages.last_mut() {
                    Some(turn) if is_thinking(turn) => turn.parts.push(part),
                    _ => messages.push(Message { role: Role::Assistant, parts: vec![part] }),
                }
            }
        }
        SEARCH_CALL => {}
        kind => return Err(wrong(&format!("an item of the type `{kind}` cannot be sent to any model here"), "input")),
    }
    Ok(())
}

/// Whether nothing but thoughts of a turn has come so far.
fn is_thinking(turn: &Message) -> bool {
    turn.role == Role::Assistant && turn.parts.iter().all(|part| matches!(part, Part::Reasoning { .. }))
}

/// The parts of the last message where it is of this role; else of a new one.
fn turn(messages: &mut Vec<Message>, role: Role) -> &mut Vec<Part> {
    let place = match messages.last() {
        Some(last) if last.role == role => messages.len() - 1,
        _ => {
            messages.push(Message { role, parts: Vec::new() });
            messages.len() - 1
        }
    };
    &mut messages[place].parts
}

fn role(word: &str) -> Result<Role> {
    Ok(match word {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        word => return Err(wrong(&format!("nobody has the role `{word}`"), "input")),
    })
}

fn parts(content: ContentSaid) -> Result<Vec<Part>> {
    match content {
        ContentSaid::Text(text) => Ok(vec![Part::Text(text)]),
        ContentSaid::Parts(parts) => parts.into_iter().map(part).collect(),
    }
}

fn part(said: PartSaid) -> Result<Part> {
    let missing = |field: &str| wrong(&format!("a part lacks its `{field}`"), "input");
    Ok(match said.r#type.as_str() {
        "input_text" | "output_text" | "text" => Part::Text(said.text.ok_or_else(|| missing("text"))?),
        "refusal" => Part::Refusal(said.refusal.ok_or_else(|| missing("refusal"))?),
        "input_image" => {
            let url = said.image_url.ok_or_else(|| missing("image_url"))?;
            Part::Image(Media { source: source(url), detail: said.detail, name: None })
        }
        "input_file" => {
            let source = match (said.file_data, said.file_url) {
                (Some(data), _) => document(data),
                (None, Some(url)) => Source::Url(url),
                (None, None) => return Err(missing("file_data")),
            };
            Part::Document(Media { source, detail: None, name: said.filename })
        }
        kind => return Err(wrong(&format!("a part of the type `{kind}` cannot be sent to any model here"), "input")),
    })
}

/// What `file_data` holds: a `data:` address, or base64 alone, of a PDF then.
fn document(data: String) -> Source {
    match source(data) {
        Source::Url(data) => Source::Data { media_type: "application/pdf".to_owned(), data },
        inline @ Source::Data { .. } => inline,
    }
}

fn tool(said: ToolSaid<'_>) -> Result<Tool> {
    match (said.r#type.as_str(), said.name) {
        ("function", Some(name)) => {
            let parameters = said.parameters.map(RawValue::get).filter(|schema| *schema != "null").map(str::to_owned);
            Ok(Tool { name, description: said.description, parameters, strict: said.strict })
        }
        ("function", None) => Err(wrong("a function lacks its `name`", "tools")),
        (kind, _) => Err(wrong(&format!("the hosted tool `{kind}` is not available; offer functions of your own"), "tools")),
    }
}

fn tool_choice(said: ChoiceSaid) -> Result<ToolChoice> {
    Ok(match said {
        ChoiceSaid::Named { r#type, name: Some(name) } if r#type == "function" => ToolChoice::Named(name),
        ChoiceSaid::Named { r#type: word, .. } | ChoiceSaid::Word(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            word => return Err(wrong(&format!("the choice `{word}` is not available"), "tool_choice")),
        },
    })
}

fn format(said: FormatSaid<'_>) -> Result<Format> {
    match (said.r#type.as_str(), said.schema) {
        ("text", _) => Ok(Format::Text),
        ("json_object", _) => Ok(Format::Json),
        ("json_schema", Some(schema)) => Ok(Format::Schema {
            name: said.name.unwrap_or_else(|| "answer".to_owned()),
            description: said.description,
            schema: schema.get().to_owned(),
            strict: said.strict,
        }),
        (kind, _) => Err(wrong(&format!("the format `{kind}` is not available, or lacks its `schema`"), "text")),
    }
}
