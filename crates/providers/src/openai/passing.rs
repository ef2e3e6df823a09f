//! Chat completions for callers who speak it themselves: validated, counted, and passed on as they came.

use std::{ops::Range, str, sync::Arc};

use bytes::Bytes;
use insula_model::Result;

use super::{
    envelope::{Envelope, member_at, text_of},
    usage::read_usage,
};
use crate::{
    client::{Fault, Outgoing, Scrub, from_answer, unreadable},
    json::{is_given, range_in},
    sse::Event,
    translate::{Reading, Seen, Whole, is_plausible},
};

/// Checks that `body` is an answer: a JSON object that is not an error.
pub(crate) fn pass_answer(body: Bytes, scrub: &Scrub) -> Result<Whole> {
    let text = str::from_utf8(&body).map_err(unreadable)?;
    let envelope = Envelope::parse(text).map_err(unreadable)?;
    if let Some(error) = envelope.error() {
        return Err(from_answer(error, scrub));
    }
    let output_bytes = envelope.text_bytes;
    let said = envelope.usage.filter(|usage| is_given(usage));
    let usage = said.and_then(read_usage).filter(|usage| is_plausible(usage, output_bytes));
    let is_miscounted = said.is_some() && usage.is_none();
    let (model, fingerprint) = (text_of(envelope.model), text_of(envelope.fingerprint));
    Ok(Whole { seen: Seen { usage, output_bytes, model, fingerprint, is_done: true, is_miscounted }, body })
}

/// Passes on a stream.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Whether the client asked for usage; else it sees the stream as if nobody had.
    include_usage: bool,
    scrub: Arc<Scrub>,
    seen: Seen,
}

impl Passing {
    pub fn new(include_usage: bool, scrub: Arc<Scrub>) -> Self {
        Self { include_usage, scrub, seen: Seen::default() }
    }
}

impl Reading for Passing {
    /// Validates an event and passes on what the client shall see of it.
    fn take(&mut self, event: &Event<'_>, out: &mut Outgoing) -> Result<(), Fault> {
        if self.seen.is_done {
            return Ok(());
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.seen.is_done = true;
            pass(event, None, out);
            return Ok(());
        }
        let text = str::from_utf8(&event.data).map_err(unreadable)?;
        let chunk = Envelope::parse(text).map_err(unreadable)?;
        if let Some(error) = chunk.error() {
            return Err(from_answer(error, &self.scrub).into());
        }
        self.seen.output_bytes += chunk.text_bytes;
        out.content |= chunk.text_bytes > 0;
        if self.seen.model.is_none() {
            self.seen.model = text_of(chunk.model);
        }
        if self.seen.fingerprint.is_none() {
            self.seen.fingerprint = text_of(chunk.fingerprint);
        }
        let mut cut = None;
        if let Some(usage) = chunk.usage {
            if is_given(usage) {
                self.seen.usage = read_usage(usage);
                self.seen.is_miscounted = self.seen.usage.is_none();
            }
            if !self.include_usage {
                if is_given(usage) && chunk.choices == Some(0) {
                    return Ok(());
                }
                cut = member_at(text, range_in(text, usage.get()));
            }
        }
        pass(event, cut, out);
        Ok(())
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// Passes an event on, without the part of its data to `cut`.
fn pass(event: &Event<'_>, cut: Option<Range<usize>>, out: &mut Outgoing) {
    match cut {
        None if event.is_plain => out.forward(event.buffer, event.range.clone()),
        None => out.write([&event.data, b""]),
        Some(cut) => out.write([&event.data[..cut.start], &event.data[cut.end..]]),
    }
}
