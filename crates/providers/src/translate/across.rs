//! An answer in one form for a caller of another.

use bytes::Bytes;
use insula_model::{
    Result,
    chat::{Event, Reply},
};

use super::{Decode, Edit, Encode, Reading, Seen, Whole, Wire, is_plausible};
use crate::{
    client::{Fault, Outgoing, Scrub, unreadable},
    json::{is_given, members},
    sse,
};

/// Decodes each event, edits what it says where that is wanted, and encodes it.
#[derive(Debug)]
pub(super) struct Across {
    decode: Box<dyn Decode>,
    edit: Option<Box<dyn Edit>>,
    encode: Box<dyn Encode>,
    seen: Seen,
    events: Vec<Event>,
    edited: Vec<Event>,
}

impl Across {
    pub fn new(decode: Box<dyn Decode>, edit: Option<Box<dyn Edit>>, encode: Box<dyn Encode>) -> Self {
        Self { decode, edit, encode, seen: Seen::default(), events: Vec::new(), edited: Vec::new() }
    }

    fn pass(&mut self, out: &mut Outgoing) {
        for event in self.events.drain(..) {
            // What the provider has said is counted, whatever of it goes on.
            self.seen.note(&event);
            match &mut self.edit {
                Some(edit) => edit.take(event, &mut self.edited),
                None => self.edited.push(event),
            }
        }
        for event in self.edited.drain(..) {
            out.content |= event.output_bytes() > 0;
            self.encode.event(&event, out);
        }
    }
}

impl Reading for Across {
    fn take(&mut self, event: &sse::Event<'_>, out: &mut Outgoing) -> Result<(), Fault> {
        if self.seen.is_done {
            return Ok(());
        }
        let decoded = self.decode.event(event, &mut self.events);
        self.seen.is_miscounted = self.decode.is_miscounted();
        self.pass(out);
        decoded
    }

    fn end(&mut self, out: &mut Outgoing) -> Result<(), Fault> {
        if self.seen.is_done {
            return Ok(());
        }
        let decoded = self.decode.end(&mut self.events);
        self.pass(out);
        decoded
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn whole(&self) -> Option<Bytes> {
        self.encode.whole()
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        self.output_bytes += event.output_bytes();
        match event {
            Event::Began { model, fingerprint } => (self.model, self.fingerprint) = (model.clone(), fingerprint.clone()),
            Event::Used(usage) => self.usage = Some(*usage),
            Event::Ended => self.is_done = true,
            _ => {}
        }
    }
}

/// A whole answer: read, and written anew.
pub(super) fn whole(body: &[u8], wire: Wire, scrub: &Scrub, write: impl FnOnce(&Reply) -> Bytes) -> Result<Whole> {
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    let reply = wire.reply(text, scrub)?;
    let output_bytes = reply.output_bytes();
    let usage = reply.usage.filter(|usage| is_plausible(usage, output_bytes));
    let is_miscounted = usage.is_none() && has_counted(text, wire);
    let body = write(&Reply { usage, ..reply.clone() });
    let (model, fingerprint) = (reply.model, reply.fingerprint);
    Ok(Whole { body, seen: Seen { usage, output_bytes, model, fingerprint, is_done: true, is_miscounted } })
}

/// Whether an answer says what was counted, right or wrong.
fn has_counted(text: &str, wire: Wire) -> bool {
    let fields = members(text, "an answer").map(|fields| fields.0).unwrap_or_default();
    fields.iter().any(|(name, value)| name == wire.usage_field() && is_given(value))
}
