//! A provider's message, read for a caller of another dialect.

use std::{collections::HashMap, str, sync::Arc};

use insula_model::{
    Result,
    chat::{self, Choice, Finish, Part, Reply},
};
use serde_json::value::RawValue;

use super::{
    REDACTED,
    said::{Block, Message, Said, input, text},
    usage::Usage,
};
use crate::{
    client::{Fault, Scrub, from_answer, unreadable},
    json::is_given,
    sse::Event,
    translate::Decode,
};

/// A call without arguments.
const NO_ARGUMENTS: &str = "{}";

fn finish(reason: &RawValue, stop_sequence: Option<&RawValue>) -> Finish {
    match text(Some(reason)).as_str() {
        "stop_sequence" => Finish::StopText(stop_sequence.map(|value| text(Some(value)))),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

/// What a whole answer says.
///
/// # Errors
/// The error that stands in its place, or that it cannot be read.
pub(crate) fn read_reply(body: &str, scrub: &Scrub) -> Result<Reply> {
    let said: Message<'_> = serde_json::from_str(body).map_err(unreadable)?;
    if let Some(error) = said.error.filter(|_| said.is_error()) {
        return Err(from_answer(error, scrub));
    }
    let choice = Choice {
        parts: said.content.iter().filter_map(part).collect(),
        finish: said.stop_reason.map(|reason| finish(reason, said.stop_sequence)),
        grounding: None,
    };
    Ok(Reply {
        model: said.model.map(|model| text(Some(model))),
        fingerprint: None,
        choices: vec![choice],
        usage: said.usage.and_then(Usage::read).and_then(Usage::counts),
        retrieval: None,
    })
}

fn part(block: &Block<'_>) -> Option<Part> {
    Some(match block.kind() {
        "text" => Part::Text(text(block.text)),
        "thinking" => Part::Reasoning { text: text(block.thinking), signature: given(text(block.signature)) },
        "redacted_thinking" => {
            Part::Reasoning { text: String::new(), signature: Some(format!("{REDACTED}{}", text(block.data))) }
        }
        "tool_use" => Part::ToolCall {
            id: text(block.id),
            name: text(block.name),
            arguments: input(block.input).unwrap_or(NO_ARGUMENTS).to_owned(),
        },
        _ => return None,
    })
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Reads events.
#[derive(Debug)]
pub(crate) struct Decoder {
    scrub: Arc<Scrub>,
    /// The tool calls among the blocks.
    calls: HashMap<u64, Call>,
    usage: Option<Usage>,
    is_miscounted: bool,
}

#[derive(Debug)]
struct Call {
    /// Its number among the calls.
    number: u64,
    has_arguments: bool,
}

impl Decoder {
    pub fn new(scrub: Arc<Scrub>) -> Self {
        Self { scrub, calls: HashMap::new(), usage: None, is_miscounted: false }
    }

    fn begin(&mut self, message: &Message<'_>, into: &mut Vec<chat::Event>) {
        self.usage = message.usage.and_then(Usage::read);
        let model = message.model.map(|model| text(Some(model)));
        into.push(chat::Event::Began { model, fingerprint: None });
    }

    fn start_block(&mut self, block: u64, said: &Block<'_>, into: &mut Vec<chat::Event>) {
        match said.kind() {
            "tool_use" => {
                let number = self.calls.len() as u64;
                into.push(chat::Event::ToolCall { choice: 0, index: number, id: text(said.id), name: text(said.name) });
                // Some servers send it whole.
                let whole = input(said.input);
                into.extend(whole.map(|json| chat::Event::Arguments { choice: 0, index: number, json: json.to_owned() }));
                self.calls.insert(block, Call { number, has_arguments: whole.is_some() });
            }
            "redacted_thinking" => {
                let signature = format!("{REDACTED}{}", text(said.data));
                into.push(chat::Event::Signature { choice: 0, signature });
            }
            "text" | "thinking" => add_texts(said, into),
            _ => {}
        }
    }

    fn grow_block(&mut self, block: u64, said: &Block<'_>, into: &mut Vec<chat::Event>) {
        match said.kind() {
            "input_json_delta" => {
                // Calls of the provider's own tools are not among these.
                let Some(call) = self.calls.get_mut(&block) else { return };
                if let Some(json) = given(text(said.partial_json)) {
                    call.has_arguments = true;
                    into.push(chat::Event::Arguments { choice: 0, index: call.number, json });
                }
            }
            "text_delta" | "thinking_delta" | "signature_delta" => add_texts(said, into),
            _ => {}
        }
    }

    fn end_block(&mut self, block: u64, into: &mut Vec<chat::Event>) {
        if let Some(call) = self.calls.get(&block).filter(|call| !call.has_arguments) {
            into.push(chat::Event::Arguments { choice: 0, index: call.number, json: NO_ARGUMENTS.to_owned() });
        }
    }

    /// Only these numbers are final: those at the beginning hold hardly any output.
    fn conclude(&mut self, delta: Option<&Block<'_>>, usage: Option<&RawValue>, into: &mut Vec<chat::Event>) {
        if let Some(delta) = delta {
            let finish = delta.stop_reason.map(|reason| finish(reason, delta.stop_sequence));
            into.extend(finish.map(|reason| chat::Event::Finished { choice: 0, reason }));
        }
        self.usage = usage.and_then(Usage::read).map(|usage| usage.after(self.usage));
        let counted = self.usage.and_then(Usage::counts);
        self.is_miscounted = usage.is_some_and(is_given) && counted.is_none();
        into.extend(counted.map(chat::Event::Used));
    }
}

fn add_texts(said: &Block<'_>, into: &mut Vec<chat::Event>) {
    into.extend(given(text(said.text)).map(|text| chat::Event::Text { choice: 0, text }));
    into.extend(given(text(said.thinking)).map(|text| chat::Event::Reasoning { choice: 0, text }));
    into.extend(given(text(said.signature)).map(|signature| chat::Event::Signature { choice: 0, signature }));
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event<'_>, into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        let data = str::from_utf8(&event.data).map_err(unreadable)?;
        let said: Said<'_> = serde_json::from_str(data).map_err(unreadable)?;
        let block = said.index.unwrap_or_default();
        match (said.kind(), &said.content_block, &said.delta) {
            ("error", ..) => return Err(from_answer(said.error.unwrap_or(RawValue::NULL), &self.scrub).into()),
            ("message_start", ..) => {
                if let Some(message) = &said.message {
                    self.begin(message, into);
                }
            }
            ("content_block_start", Some(said), _) => self.start_block(block, said, into),
            ("content_block_delta", _, Some(said)) => self.grow_block(block, said, into),
            ("content_block_stop", ..) => self.end_block(block, into),
            ("message_delta", _, delta) => self.conclude(delta.as_ref(), said.usage, into),
            ("message_stop", ..) => into.push(chat::Event::Ended),
            _ => {}
        }
        Ok(())
    }

    fn is_miscounted(&self) -> bool {
        self.is_miscounted
    }
}
