//! A provider's chat completion, read for a caller of another dialect.

use std::{str, sync::Arc};

use insula_model::{
    Result,
    chat::{self, Choice, Finish, Part, Reply},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::read_usage;
use crate::{
    client::{Fault, Scrub, from_answer, unreadable},
    json::is_given,
    sse::Event,
    translate::Decode,
};

/// A whole answer, or a chunk of one.
#[derive(Deserialize)]
struct Said<'a> {
    model: Option<String>,
    system_fingerprint: Option<String>,
    #[serde(default, borrow)]
    choices: Vec<ChoiceSaid<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceSaid<'a> {
    #[serde(default)]
    index: u64,
    #[serde(alias = "delta", borrow)]
    message: Option<MessageSaid<'a>>,
    finish_reason: Option<&'a str>,
}

#[derive(Deserialize)]
struct MessageSaid<'a> {
    content: Option<String>,
    refusal: Option<String>,
    /// DeepSeek's and vLLM's words for it.
    #[serde(alias = "reasoning")]
    reasoning_content: Option<String>,
    #[serde(default, borrow)]
    tool_calls: Option<Vec<CallSaid<'a>>>,
}

#[derive(Deserialize)]
struct CallSaid<'a> {
    index: Option<u64>,
    id: Option<String>,
    #[serde(borrow)]
    function: Option<FunctionSaid<'a>>,
}

#[derive(Deserialize)]
struct FunctionSaid<'a> {
    name: Option<&'a str>,
    arguments: Option<String>,
}

fn finish(word: &str) -> Finish {
    match word {
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

/// What a whole answer says.
///
/// # Errors
/// The error that stands in its place, or that it cannot be read.
pub(crate) fn read_reply(body: &str, scrub: &Scrub) -> Result<Reply> {
    let said: Said<'_> = serde_json::from_str(body).map_err(unreadable)?;
    if let Some(error) = said.error.filter(|error| is_given(error)) {
        return Err(from_answer(error, scrub));
    }
    let choices = said.choices.into_iter().map(|choice| {
        let mut parts = Vec::new();
        if let Some(message) = choice.message {
            let texts = |text: Option<String>| text.filter(|text| !text.is_empty());
            parts.extend(texts(message.reasoning_content).map(|text| Part::Reasoning { text, signature: None }));
            parts.extend(texts(message.content).map(Part::Text));
            parts.extend(texts(message.refusal).map(Part::Refusal));
            parts.extend(message.tool_calls.into_iter().flatten().map(call));
        }
        Choice { parts, finish: choice.finish_reason.map(finish), grounding: None }
    });
    Ok(Reply {
        choices: choices.collect(),
        model: said.model,
        fingerprint: said.system_fingerprint,
        usage: said.usage.and_then(read_usage),
        retrieval: None,
    })
}

fn call(said: CallSaid<'_>) -> Part {
    let (name, arguments) = said.function.map_or((None, None), |function| (function.name, function.arguments));
    Part::ToolCall {
        id: said.id.unwrap_or_default(),
        name: name.unwrap_or_default().to_owned(),
        arguments: arguments.unwrap_or_default(),
    }
}

/// Reads chunks.
#[derive(Debug)]
pub(crate) struct Decoder {
    scrub: Arc<Scrub>,
    has_begun: bool,
    is_miscounted: bool,
}

impl Decoder {
    pub fn new(scrub: Arc<Scrub>) -> Self {
        Self { scrub, has_begun: false, is_miscounted: false }
    }
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event<'_>, into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        if event.data.trim_ascii() == b"[DONE]" {
            into.push(chat::Event::Ended);
            return Ok(());
        }
        let text = str::from_utf8(&event.data).map_err(unreadable)?;
        let said: Said<'_> = serde_json::from_str(text).map_err(unreadable)?;
        if let Some(error) = said.error.filter(|error| is_given(error)) {
            return Err(from_answer(error, &self.scrub).into());
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            into.push(chat::Event::Began { model: said.model, fingerprint: said.system_fingerprint });
        }
        for choice in said.choices {
            add(choice, into);
        }
        if let Some(usage) = said.usage.filter(|usage| is_given(usage)) {
            let counted = read_usage(usage);
            self.is_miscounted = counted.is_none();
            into.extend(counted.map(chat::Event::Used));
        }
        Ok(())
    }

    fn is_miscounted(&self) -> bool {
        self.is_miscounted
    }
}

fn add(said: ChoiceSaid<'_>, into: &mut Vec<chat::Event>) {
    let choice = said.index;
    if let Some(message) = said.message {
        let texts = |text: Option<String>| text.filter(|text| !text.is_empty());
        into.extend(texts(message.reasoning_content).map(|text| chat::Event::Reasoning { choice, text }));
        into.extend(texts(message.content).map(|text| chat::Event::Text { choice, text }));
        into.extend(texts(message.refusal).map(|text| chat::Event::Refusal { choice, text }));
        for (place, call) in (0..).zip(message.tool_calls.into_iter().flatten()) {
            let index = call.index.unwrap_or(place);
            let (name, arguments) = call.function.map_or((None, None), |function| (function.name, function.arguments));
            // The first piece of a call has its name; the others have none, or an empty one.
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                let id = call.id.unwrap_or_default();
                into.push(chat::Event::ToolCall { choice, index, id, name: name.to_owned() });
            }
            into.extend(texts(arguments).map(|json| chat::Event::Arguments { choice, index, json }));
        }
    }
    into.extend(said.finish_reason.map(|word| chat::Event::Finished { choice, reason: finish(word) }));
}
