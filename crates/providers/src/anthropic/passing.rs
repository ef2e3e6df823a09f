//! Messages for callers who speak them themselves: validated, counted, and passed on as they came.

use std::{str, sync::Arc};

use bytes::Bytes;
use insula_model::Result;
use serde_json::value::RawValue;

use super::{
    said::{Message, Said, text},
    usage::Usage,
};
use crate::{
    client::{Fault, Outgoing, Scrub, from_answer, unreadable},
    json::is_given,
    sse::Event,
    translate::{Reading, Seen, Whole, is_plausible},
};

/// The longest name of an event.
const KIND_BYTES_MAX: usize = 64;

/// Checks that `body` is an answer: a JSON object that is not an error.
pub(crate) fn pass_answer(body: Bytes, scrub: &Scrub) -> Result<Whole> {
    let said: Message<'_> = serde_json::from_str(str::from_utf8(&body).map_err(unreadable)?).map_err(unreadable)?;
    if let Some(error) = said.error.filter(|_| said.is_error()) {
        return Err(from_answer(error, scrub));
    }
    let output_bytes = said.content.iter().map(|block| block.output_bytes()).sum();
    let counted = said.usage.filter(|usage| is_given(usage));
    let usage = counted.and_then(Usage::read).and_then(Usage::counts).filter(|usage| is_plausible(usage, output_bytes));
    let is_miscounted = counted.is_some() && usage.is_none();
    let model = said.model.map(|model| text(Some(model)));
    Ok(Whole { seen: Seen { usage, output_bytes, model, fingerprint: None, is_done: true, is_miscounted }, body })
}

/// Passes on a stream.
#[derive(Debug)]
pub(crate) struct Passing {
    scrub: Arc<Scrub>,
    /// What was said of usage so far.
    usage: Option<Usage>,
    seen: Seen,
}

impl Passing {
    pub fn new(scrub: Arc<Scrub>) -> Self {
        Self { scrub, usage: None, seen: Seen::default() }
    }

    fn note(&mut self, said: &Said<'_>) -> u64 {
        match said.kind() {
            "message_start" => {
                let message = said.message.as_ref();
                self.seen.model = message.and_then(|message| message.model).map(|model| text(Some(model)));
                self.usage = message.and_then(|message| message.usage).and_then(Usage::read);
            }
            // Only these numbers are final: those at the beginning hold hardly any output.
            "message_delta" => {
                self.usage = said.usage.and_then(Usage::read).map(|usage| usage.after(self.usage));
                self.seen.usage = self.usage.and_then(Usage::counts);
                self.seen.is_miscounted = said.usage.is_some_and(is_given) && self.seen.usage.is_none();
            }
            "message_stop" => self.seen.is_done = true,
            "content_block_start" => return said.content_block.as_ref().map_or(0, |block| block.output_bytes()),
            "content_block_delta" => return said.delta.as_ref().map_or(0, |delta| delta.output_bytes()),
            _ => {}
        }
        0
    }
}

impl Reading for Passing {
    fn take(&mut self, event: &Event<'_>, out: &mut Outgoing) -> Result<(), Fault> {
        if self.seen.is_done {
            return Ok(());
        }
        let data = str::from_utf8(&event.data).map_err(unreadable)?;
        let said: Said<'_> = serde_json::from_str(data).map_err(unreadable)?;
        if said.kind() == "error" {
            return Err(from_answer(said.error.unwrap_or(RawValue::NULL), &self.scrub).into());
        }
        let output_bytes = self.note(&said);
        self.seen.output_bytes += output_bytes;
        out.content |= output_bytes > 0;
        pass(event, said.kind(), out);
        Ok(())
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// Passes an event on. Its name is its `type`; where the provider wrote it differently it is written anew, and what has no name that
/// could be one is left out.
fn pass(event: &Event<'_>, kind: &str, out: &mut Outgoing) {
    if is_tidy(event, kind) {
        out.forward(event.buffer, event.range.clone());
    } else if (1..=KIND_BYTES_MAX).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        out.event(kind, &event.data);
    }
}

/// Whether it is just its name, its data and the empty line.
fn is_tidy(event: &Event<'_>, kind: &str) -> bool {
    let bytes = event.buffer.get(event.range.clone()).unwrap_or_default();
    let data = bytes
        .strip_prefix(b"event: ")
        .and_then(|rest| rest.strip_prefix(kind.as_bytes()))
        .and_then(|rest| rest.strip_prefix(b"\ndata: "))
        .and_then(|rest| rest.strip_suffix(b"\n\n"));
    data == Some(&event.data)
}
