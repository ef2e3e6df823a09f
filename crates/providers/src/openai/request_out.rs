//! Chat Completions for a provider, of a request that came in another form.

use bytes::Bytes;
use insula_model::{
    Result,
    chat::{Format, Media, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice},
};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{ModelCard, OutputLimitField};

/// A request in this form, for this model. What another vendor's form alone can say (a sampling among the `top_k`) goes along all the
/// same: compatible servers know it.
///
/// # Errors
/// `Invalid` where JSON text that was passed on is none.
pub(crate) fn write_request(request: &Request, card: &ModelCard) -> Result<Bytes> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("model", Some(card.upstream_model.clone().into()));
    put("messages", Some(request.messages.iter().flat_map(messages).collect()));
    if !request.tools.is_empty() {
        put("tools", Some(request.tools.iter().map(tool).collect::<Result<Vec<_>>>()?.into()));
        put("tool_choice", request.tool_choice.as_ref().map(tool_choice));
        put("parallel_tool_calls", request.parallel_tool_calls.map(Value::from));
    }
    put("response_format", format(&request.format)?);
    put(card.output_limit_field.name(), request.output_tokens_max.map(Value::from));
    put("n", (request.choices > 1).then(|| request.choices.into()));
    put("temperature", request.temperature.map(Value::from));
    put("top_p", request.top_p.map(Value::from));
    put("top_k", request.top_k.map(Value::from));
    put("seed", request.seed.map(Value::from));
    put("presence_penalty", request.presence_penalty.map(Value::from));
    put("frequency_penalty", request.frequency_penalty.map(Value::from));
    put("stop", (!request.stop.is_empty()).then(|| request.stop.clone().into()));
    // Only models that reason take an effort, and their limit stands in a field of its own.
    if card.output_limit_field == OutputLimitField::MaxCompletionTokens {
        put("reasoning_effort", request.reasoning.as_ref().map(effort));
    }
    put("user", request.user.clone().map(Value::from));
    if request.stream {
        put("stream", Some(true.into()));
        put("stream_options", Some(json!({"include_usage": true})));
    }
    Ok(Value::Object(body).to_string().into())
}

/// A message of ours can be several here: each result of a tool is a message of its own.
fn messages(message: &Message) -> Vec<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let (mut content, mut calls, mut refusal, mut out) = (Vec::new(), Vec::new(), None, Vec::new());
    for part in &message.parts {
        match part {
            Part::Text(text) => content.push(json!({"type": "text", "text": text})),
            Part::Image(media) => content.push(image(media)),
            Part::Document(media) => content.push(json!({"type": "file", "file": {
                "filename": media.name.as_deref().unwrap_or("document"), "file_data": url(&media.source),
            }})),
            Part::Refusal(text) => refusal = Some(text.clone()),
            Part::ToolCall { id, name, arguments } => {
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
            Part::ToolResult { call_id, parts, .. } => {
                let said = self::content(parts.iter().filter_map(shown).collect());
                out.push(json!({"role": "tool", "tool_call_id": call_id, "content": said}));
            }
            // No server of this form takes back what was thought.
            Part::Reasoning { .. } => {}
        }
    }
    if content.is_empty() && calls.is_empty() && refusal.is_none() {
        return out;
    }
    let mut said = Map::new();
    said.insert("role".to_owned(), role.into());
    said.insert("content".to_owned(), self::content(content));
    if !calls.is_empty() {
        said.insert("tool_calls".to_owned(), calls.into());
    }
    said.extend(refusal.map(|text| ("refusal".to_owned(), text.into())));
    out.push(said.into());
    out
}

/// Parts, or the text alone where there is but one text; null where there is nothing.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => Value::Null,
        [only] if only["type"] == "text" => only["text"].take(),
        _ => parts.into(),
    }
}

fn shown(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Image(media) => Some(image(media)),
        _ => None,
    }
}

fn image(media: &Media) -> Value {
    let mut image = json!({"url": url(&media.source)});
    if let Some(detail) = &media.detail {
        image["detail"] = detail.as_str().into();
    }
    json!({"type": "image_url", "image_url": image})
}

fn url(source: &Source) -> String {
    match source {
        Source::Url(url) => url.clone(),
        Source::Data { media_type, data } => format!("data:{media_type};base64,{data}"),
    }
}

fn tool(tool: &Tool) -> Result<Value> {
    let mut function = json!({"name": tool.name});
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    if let Some(parameters) = &tool.parameters {
        function["parameters"] = parsed(parameters)?;
    }
    if let Some(strict) = tool.strict {
        function["strict"] = strict.into();
    }
    Ok(json!({"type": "function", "function": function}))
}

fn parsed(text: &str) -> Result<Value> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| insula_model::Error::invalid("a schema is not valid JSON"))?;
    serde_json::from_str(raw.get()).map_err(insula_model::Error::internal)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn format(format: &Format) -> Result<Option<Value>> {
    Ok(match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_object"})),
        Format::Schema { name, description, schema, strict } => {
            let mut said = json!({"name": name, "schema": parsed(schema)?});
            if let Some(description) = description {
                said["description"] = description.as_str().into();
            }
            if let Some(strict) = strict {
                said["strict"] = (*strict).into();
            }
            Some(json!({"type": "json_schema", "json_schema": said}))
        }
    })
}

/// Tokens of thought in OpenAI's words: its efforts are taken to be a quarter, a half and all of what vendors that count allow.
fn effort(reasoning: &Reasoning) -> Value {
    match reasoning {
        Reasoning::Effort(effort) => effort.as_str().into(),
        Reasoning::Tokens(0) => "none".into(),
        Reasoning::Tokens(..4_096) => "low".into(),
        Reasoning::Tokens(..16_384) => "medium".into(),
        Reasoning::Tokens(_) => "high".into(),
    }
}
