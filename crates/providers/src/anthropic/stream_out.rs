//! A stream of Messages for callers whose provider streams in another form.
//!
//! Source: Anthropic's documentation, "Streaming messages": the answer begins, then come blocks, each whole before the next, then the
//! reason why it ended with the usage, then the end.

use std::sync::Arc;

use insula_model::{
    TokenCounts,
    chat::{Event, Finish, Grounding, Retrieval},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    REDACTED,
    answer_out::{id, stop_reason, stop_sequence},
    usage::written,
};
use crate::{Asked, client::Outgoing, retrieval::told, translate::Encode};

/// More of a block.
#[derive(Serialize)]
struct Delta<'a> {
    index: u64,
    delta: Growth<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Growth<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

/// Writes events.
#[derive(Debug)]
pub(crate) struct Encoder {
    asked: Asked,
    /// The block that is being written.
    open: Option<Open>,
    /// How many blocks were begun.
    blocks: u64,
    has_calls: bool,
    /// What came for other blocks while a call's arguments were not whole yet.
    waiting: Vec<Event>,
    finish: Option<Finish>,
    usage: Option<TokenCounts>,
    retrieval: Option<Arc<Retrieval>>,
    grounding: Option<Grounding>,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    Call { index: u64, arguments: Arguments },
}

/// Whether arguments that come in pieces are whole.
#[derive(Debug, Default)]
struct Arguments {
    depth: u64,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Arguments {
    fn push(&mut self, json: &str) {
        self.has_begun |= !json.is_empty();
        for byte in json.bytes() {
            match byte {
                _ if std::mem::take(&mut self.is_escaped) => {}
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.in_string
    }
}

impl Encoder {
    pub fn new(asked: &Asked) -> Self {
        let asked = asked.clone();
        Self {
            asked,
            open: None,
            blocks: 0,
            has_calls: false,
            waiting: Vec::new(),
            finish: None,
            usage: None,
            retrieval: None,
            grounding: None,
        }
    }

    fn begin(&self, model: Option<&str>, out: &mut Outgoing) {
        let message = json!({
            "id": id(&self.asked),
            "type": "message",
            "role": "assistant",
            "model": model.unwrap_or(&self.asked.model),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            // Nobody knows yet; what the end says replaces it.
            "usage": written(None),
        });
        out.typed("message_start", &json!({"message": message}), None);
    }

    fn start(&mut self, block: Value, open: Open, out: &mut Outgoing) {
        self.stop(out);
        out.typed("content_block_start", &json!({"index": self.blocks, "content_block": block}), None);
        (self.open, self.blocks) = (Some(open), self.blocks + 1);
    }

    fn stop(&mut self, out: &mut Outgoing) {
        if self.open.take().is_some() {
            out.typed("content_block_stop", &json!({"index": self.blocks - 1}), None);
        }
    }

    fn delta(&self, delta: Growth<'_>, out: &mut Outgoing) {
        out.typed("content_block_delta", &Delta { index: self.blocks.saturating_sub(1), delta }, None);
    }

    /// Whether the event has to wait until the open call's arguments are whole.
    fn must_wait(&self, event: &Event) -> bool {
        match (&self.open, event) {
            (Some(Open::Call { index: open, .. }), Event::Arguments { index, .. }) if index == open => false,
            (Some(Open::Call { arguments, .. }), _) => !arguments.is_whole(),
            _ => false,
        }
    }

    fn content(&mut self, event: &Event, out: &mut Outgoing) {
        if self.must_wait(event) {
            self.waiting.push(event.clone());
            return;
        }
        match event {
            Event::Text { text, .. } | Event::Refusal { text, .. } if !text.is_empty() => {
                if !matches!(self.open, Some(Open::Text)) {
                    self.start(json!({"type": "text", "text": ""}), Open::Text, out);
                }
                self.delta(Growth::Text { text }, out);
            }
            Event::Reasoning { text, .. } if !text.is_empty() => {
                self.think(out);
                self.delta(Growth::Thinking { thinking: text }, out);
            }
            Event::Signature { signature, .. } => self.seal(signature, out),
            Event::ToolCall { index, id, name, .. } => {
                self.has_calls = true;
                let call = Open::Call { index: *index, arguments: Arguments::default() };
                self.start(json!({"type": "tool_use", "id": id, "name": name, "input": {}}), call, out);
            }
            Event::Arguments { index, json, .. } => self.argue(*index, json, out),
            _ => {}
        }
    }

    fn think(&mut self, out: &mut Outgoing) {
        if !matches!(self.open, Some(Open::Thinking)) {
            self.start(json!({"type": "thinking", "thinking": "", "signature": ""}), Open::Thinking, out);
        }
    }

    /// A seal is the last of its thought.
    fn seal(&mut self, signature: &str, out: &mut Outgoing) {
        match signature.strip_prefix(REDACTED) {
            Some(data) => self.start(json!({"type": "redacted_thinking", "data": data}), Open::Thinking, out),
            None => {
                self.think(out);
                self.delta(Growth::Signature { signature }, out);
            }
        }
        self.stop(out);
    }

    fn argue(&mut self, call: u64, json: &str, out: &mut Outgoing) {
        let Some(Open::Call { index, arguments }) = &mut self.open else { return };
        if *index != call {
            return;
        }
        arguments.push(json);
        let is_whole = arguments.is_whole();
        self.delta(Growth::InputJson { partial_json: json }, out);
        if is_whole {
            self.resume(out);
        }
    }

    /// Writes what has waited, as far as it need not wait again.
    fn resume(&mut self, out: &mut Outgoing) {
        for event in std::mem::take(&mut self.waiting) {
            self.content(&event, out);
        }
    }

    fn end(&mut self, out: &mut Outgoing) {
        // Calls that were cut off, or have no arguments: nothing more comes for the open one.
        while !self.waiting.is_empty() {
            self.stop(out);
            self.resume(out);
        }
        self.stop(out);
        let delta = json!({
            "stop_reason": stop_reason(self.finish.as_ref(), self.has_calls),
            "stop_sequence": stop_sequence(self.finish.as_ref()),
        });
        let mut last = json!({"delta": delta, "usage": written(self.usage)});
        if let Some(retrieval) = self.retrieval.as_deref() {
            last["insula"] = told(Some(retrieval), self.grounding.as_ref());
        }
        out.typed("message_delta", &last, None);
        out.typed("message_stop", &json!({}), None);
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Outgoing) {
        match event {
            Event::Began { model, .. } => self.begin(model.as_deref(), out),
            Event::Finished { reason, .. } => self.finish = Some(reason.clone()),
            Event::Retrieved(retrieval) => self.retrieval = Some(retrieval.clone()),
            Event::Grounded { choice: 0, grounding } => self.grounding = Some(grounding.clone()),
            Event::Used(usage) => self.usage = Some(*usage),
            Event::Ended => self.end(out),
            event => self.content(event, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_whole_when_their_brackets_are_closed() {
        let is_whole = |pieces: &[&str]| {
            let mut arguments = Arguments::default();
            pieces.iter().for_each(|piece| arguments.push(piece));
            arguments.is_whole()
        };
        assert!(is_whole(&["{}"]) && is_whole(&["{\"a\":", "[\"}\\", "\"\"]", "}"]));
        assert!(!is_whole(&[]) && !is_whole(&["{\"a\":\"}"]) && !is_whole(&["{\"a\":[}"]));
    }
}
