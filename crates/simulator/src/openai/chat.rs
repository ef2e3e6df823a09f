//! `POST /v1/chat/completions`: what to say, and the answer without a stream.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::request::{ChatRequest, invalid};
use super::tools::Function;
use super::wire::{Stamp, shown_usage};
use super::{models, stream, tools};
use crate::answer::{Answer, Form};
use crate::errors::{ApiError, to_json};
use crate::faults::FaultKind;
use crate::seeded;
use crate::tokens::{ChatUsage, Usage};
use crate::world::Call;
use crate::{schema, text};

/// One choice: what it says and why it ends.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) content: Content,
    /// Calls beside the first.
    pub(crate) further: Vec<Content>,
    pub(crate) finish_reason: &'static str,
}

/// What a choice says.
#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    /// A call of one function; its arguments are JSON, unless they were cut.
    Tool {
        id: String,
        name: String,
        arguments: String,
    },
}

/// What is said, in no vendor's form yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: ChatUsage,
    /// The hash of what was asked.
    pub(crate) seed: u64,
}

impl Draft {
    /// Decides what to say.
    pub(crate) fn of(call: &Call, request: &ChatRequest<'_>) -> Result<Draft, ApiError> {
        models::check(&call.scenario, &request.model)?;
        let extent = Extent::of(request.tokens_max(), call);
        let seed = request.seed();
        let choices = (0..request.choices())
            .map(|index| choose(request, call, &extent, seeded::hash(seed, &index.to_le_bytes())))
            .collect::<Result<Vec<_>, _>>()?;
        let usage = ChatUsage::new(
            request.prompt_tokens(),
            call.scenario.cached_tokens,
            extent.tokens.saturating_mul(request.choices()),
            call.scenario.reasoning_tokens,
        );
        Ok(Draft { choices, usage, seed })
    }
}

/// Drafts the answer.
pub(crate) fn answer(call: &Call, body: &[u8]) -> Result<Answer, ApiError> {
    let request = ChatRequest::from_json(body)?;
    let Draft { choices, usage, seed } = Draft::of(call, &request)?;
    let stamp = Stamp::new(call, &request.model, seed);
    let shown = shown_usage(call, if call.meets(FaultKind::WrongTotal) { usage.with_wrong_total() } else { usage });
    let form = if request.streams() {
        let usage = if request.includes_usage() { Some(shown) } else { None };
        Form::Stream(stream::render(&stamp, &choices, usage, call.scenario.chunks))
    } else {
        Form::Json(render(&stamp, &choices, shown))
    };
    Ok(Answer { usage: Usage::Chat(usage), form })
}

/// How much a choice says.
#[derive(Debug)]
pub(crate) struct Extent {
    pub(crate) tokens: u64,
    /// What it would say if nothing stopped it.
    wanted: u64,
    /// Whether something did.
    pub(crate) cut: bool,
}

impl Extent {
    /// Of an answer that the request lets have at most so many tokens.
    pub(crate) fn of(tokens_max: Option<u64>, call: &Call) -> Extent {
        let wanted = call.scenario.output_tokens;
        let mut tokens = wanted.min(tokens_max.unwrap_or(wanted));
        let halved = call.degraded || call.meets(FaultKind::CutOff);
        if halved {
            tokens = tokens.div_ceil(2);
        }
        Extent { tokens, wanted, cut: halved || tokens < wanted }
    }

    /// The part of a text that is not counted in words.
    pub(crate) fn share(&self, text: String) -> String {
        text::cut(text, self.tokens, self.wanted)
    }
}

fn choose(request: &ChatRequest<'_>, call: &Call, extent: &Extent, seed: u64) -> Result<Choice, ApiError> {
    let reformat = call.meets(FaultKind::ChangedFormat);
    let mut tools =
        if call.scenario.echo { Vec::new() } else { tools::called(request, call.scenario.calls_regardless)? }.into_iter();
    let tool = tools.next();
    let ends = if tool.is_some() { "tool_calls" } else { "stop" };
    let called = |place: usize, function: Function| {
        let arguments = structured(call, schema::generate(&function.parameters, seed));
        let arguments = if reformat { fenced(&arguments) } else { arguments };
        let id = format!("call_sim_{:016x}_{}", seed.wrapping_add(place as u64), call.ordinal);
        Content::Tool { id, name: function.name, arguments: extent.share(arguments) }
    };

    let content = if call.scenario.echo {
        let mut text = request.whole_text();
        // Verbatim means beyond any cap too; but a fault that cuts answers cuts this one.
        if call.degraded || call.meets(FaultKind::CutOff) {
            text = text::cut(text, 1, 2);
        }
        Content::Text(text)
    } else if let Some(function) = tool {
        called(0, function)
    } else if let Some(value) = wanted_json(request, extent, seed)? {
        let json = structured(call, value);
        Content::Text(extent.share(if reformat { fenced(&json) } else { json }))
    } else if let Some(answer) = &call.scenario.answer {
        Content::Text(answer.clone())
    } else {
        let words = text::answer(&request.last_said(), extent.tokens, seed);
        Content::Text(if reformat { format!("# Answer\n\n* {words}\n") } else { words })
    };
    let further = (1..).zip(tools).map(|(place, function)| called(place, function)).collect();
    Ok(Choice { content, further, finish_reason: if extent.cut { "length" } else { ends } })
}

/// The value that `response_format` asks for, if it asks for one.
fn wanted_json(request: &ChatRequest<'_>, extent: &Extent, seed: u64) -> Result<Option<Value>, ApiError> {
    let Some(format) = &request.response_format else { return Ok(None) };
    match (format.kind.as_str(), format.json_schema.as_ref().and_then(|named| named.schema)) {
        ("text", _) => Ok(None),
        ("json_object", _) => {
            Ok(Some(serde_json::json!({ "answer": text::answer(&request.last_said(), extent.wanted, seed) })))
        }
        ("json_schema", Some(schema)) => {
            let schema = serde_json::from_str(schema.get()).map_err(|error| invalid("response_format", &error))?;
            Ok(Some(schema::generate(&schema, seed)))
        }
        ("json_schema", None) => {
            let message = "Missing required parameter: 'response_format.json_schema.schema'.";
            Err(ApiError::field("response_format.json_schema.schema", message))
        }
        (kind, _) => Err(ApiError::field("response_format", format!("Invalid 'response_format.type': '{kind}'."))),
    }
}

/// A structured answer as JSON, with its drifts.
pub(crate) fn structured(call: &Call, mut value: Value) -> String {
    if let Some(object) = value.as_object_mut() {
        if call.meets(FaultKind::MissingFields)
            && let Some(last) = object.keys().next_back().cloned()
        {
            object.remove(&last);
        }
        if call.meets(FaultKind::ExtraKeys) {
            object.insert("x_sim_extra".to_owned(), Value::Bool(true));
        }
    }
    value.to_string()
}

pub(crate) fn fenced(json: &str) -> String {
    format!("Here is the JSON:\n\n```json\n{json}\n```\n")
}

#[derive(Serialize)]
struct WireChoice<'a> {
    index: usize,
    message: WireMessage<'a>,
    logprobs: (),
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_sim_extra: Option<&'static str>,
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<WireToolCall<'a>>>,
}

#[derive(Serialize)]
struct WireToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: WireFunction<'a>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

fn render(stamp: &Stamp, choices: &[Choice], usage: Option<ChatUsage>) -> Bytes {
    let choices: Vec<_> = choices.iter().enumerate().map(|(index, choice)| choice.to_wire(index, stamp.extra)).collect();
    to_json(&stamp.envelope("chat.completion", &choices, usage.map(Some)))
}

impl Choice {
    fn to_wire(&self, index: usize, x_sim_extra: Option<&'static str>) -> WireChoice<'_> {
        let content = match &self.content {
            Content::Text(text) => Some(text.as_str()),
            Content::Tool { .. } => None,
        };
        let calls: Vec<_> = std::iter::once(&self.content).chain(&self.further).filter_map(Content::to_wire).collect();
        let tool_calls = (!calls.is_empty()).then_some(calls);
        let message = WireMessage { role: "assistant", content, refusal: (), tool_calls };
        WireChoice { index, message, logprobs: (), finish_reason: self.finish_reason, x_sim_extra }
    }
}

impl Content {
    fn to_wire(&self) -> Option<WireToolCall<'_>> {
        let Content::Tool { id, name, arguments } = self else { return None };
        Some(WireToolCall { id, r#type: "function", function: WireFunction { name, arguments } })
    }
}
