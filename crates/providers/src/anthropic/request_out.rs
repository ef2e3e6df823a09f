//! Messages for a provider, of a request that came in another form.
//!
//! Source: Anthropic's API reference, "Create a message". What this form cannot say: several answers are refused; a seed and penalties,
//! which only tend, are left out. It takes temperatures up to 1, so dearer ones become 1, and not every model takes a `top_p` beside
//! one: then the temperature stays. A schema goes into `output_config.format`; any JSON object is asked for in words.

use bytes::Bytes;
use insula_model::{
    Error, Result,
    chat::{Format, Request, Role, Tool, ToolChoice},
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    thinking::{Thinking, takes_sampling},
    turns::{Turn, text_block, turns},
};
use crate::ModelCard;

/// The dearest temperature that this form knows.
const TEMPERATURE_MAX: f64 = 1.0;
/// How any JSON object is asked for. Shorter than what asks for it in other forms, so that those bound it.
const JSON_WANTED: &str = "Answer with one JSON object only.";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Value>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolSaid<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

/// Schemas stay text: a model answers in the order of their fields.
#[derive(Serialize)]
struct ToolSaid<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatSaid<'a>>,
}

#[derive(Serialize)]
struct FormatSaid<'a> {
    r#type: &'static str,
    schema: &'a RawValue,
}

/// A request in this form, for this model. The output limit has to be said: without one it is the model's own.
///
/// # Errors
/// `Invalid`, naming what this form cannot say.
pub(crate) fn write_request(request: &Request, card: &ModelCard) -> Result<Bytes> {
    if request.choices > 1 {
        let why = "this model's provider gives one answer to a request; leave `n` out, or send several requests";
        return Err(Error::invalid(why).at("n"));
    }
    let model = card.upstream_model.as_str();
    let max_tokens = request.output_tokens_max.unwrap_or(card.output_tokens_max);
    let Thinking { thinking, effort } = Thinking::of(request, model, max_tokens);
    // Who is given tokens to think with is not sampled in any other way than the vendor's.
    let is_sampled = thinking.is_none() && takes_sampling(model);
    let sampled = |value: Option<f64>| value.filter(|_| is_sampled);
    let has_tools = !request.tools.is_empty();
    let body = Body {
        model,
        max_tokens,
        system: system(request),
        messages: turns(&request.messages)?,
        tools: request.tools.iter().map(tool).collect::<Result<_>>()?,
        tool_choice: tool_choice(request).filter(|_| has_tools),
        output_config: output_config(&request.format, effort)?,
        thinking,
        temperature: sampled(request.temperature).map(|temperature| temperature.min(TEMPERATURE_MAX)),
        top_p: sampled(request.top_p).filter(|_| request.temperature.is_none()),
        top_k: request.top_k.filter(|_| is_sampled),
        stop_sequences: &request.stop,
        metadata: request.user.as_ref().map(|user| json!({"user_id": user})),
        stream: request.stream,
    };
    serde_json::to_vec(&body).map(Bytes::from).map_err(Error::internal)
}

/// All instructions, wherever in the conversation they stand: this form has one place for them.
fn system(request: &Request) -> Vec<Value> {
    let said = request.messages.iter().filter(|message| message.role == Role::System).flat_map(|message| &message.parts);
    let mut blocks: Vec<Value> = said.filter_map(text_block).collect();
    if request.format == Format::Json {
        blocks.push(json!({"type": "text", "text": JSON_WANTED}));
    }
    blocks
}

fn tool(tool: &Tool) -> Result<ToolSaid<'_>> {
    let input_schema = raw(tool.parameters.as_deref().unwrap_or(r#"{"type":"object"}"#))?;
    Ok(ToolSaid { name: &tool.name, description: tool.description.as_deref(), input_schema, strict: tool.strict })
}

fn raw(schema: &str) -> Result<&RawValue> {
    serde_json::from_str(schema).map_err(|_| Error::invalid("a schema is not valid JSON"))
}

fn tool_choice(request: &Request) -> Option<Value> {
    let is_single = request.parallel_tool_calls == Some(false);
    let mut said = match &request.tool_choice {
        None if !is_single => return None,
        None | Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    if is_single {
        said["disable_parallel_tool_use"] = true.into();
    }
    Some(said)
}

fn output_config<'a>(format: &'a Format, effort: Option<&'static str>) -> Result<Option<OutputConfig<'a>>> {
    let format = match format {
        Format::Schema { schema, .. } => Some(FormatSaid { r#type: "json_schema", schema: raw(schema)? }),
        Format::Text | Format::Json => None,
    };
    Ok((format.is_some() || effort.is_some()).then_some(OutputConfig { effort, format }))
}
