//! Responses for callers, whole and as typed events.

use bytes::Bytes;
use insula_model::{
    TokenCounts,
    chat::{Event, Reply},
};
use serde::Serialize;

use super::{
    object::{Frame, State},
    output::{Output, Tell, Unheard},
};
use crate::{Asked, client::Outgoing, translate::Encode};

/// A whole answer. Its model is the one that answered.
pub(crate) fn write_reply(reply: &Reply, asked: &Asked) -> Bytes {
    let (mut frame, mut output) = (Frame::new(asked), Output::new(&asked.id, &asked.model));
    if let Some(model) = &reply.model {
        frame.answered_by(model);
    }
    for event in reply.events() {
        output.take(&event, &mut Unheard);
    }
    frame.response(&State::Done(&output, reply.usage)).into()
}

/// Writes typed events.
#[derive(Debug)]
pub(crate) struct Encoder {
    frame: Frame,
    output: Output,
    usage: Option<TokenCounts>,
    /// The number of the next event.
    sequence: u64,
    /// The response, once it is complete.
    whole: Option<Bytes>,
}

impl Encoder {
    pub fn new(asked: &Asked) -> Self {
        let (frame, output) = (Frame::new(asked), Output::new(&asked.id, &asked.model));
        Self { frame, output, usage: None, sequence: 0, whole: None }
    }

    /// An event that shows the response.
    fn show(&mut self, name: &'static str, response: &str, out: &mut Outgoing) {
        let data = format!(r#"{{"type":"{name}","sequence_number":{},"response":{response}}}"#, self.sequence);
        self.sequence += 1;
        out.event(name, data.as_bytes());
    }
}

/// Tells a caller.
struct Told<'t> {
    sequence: &'t mut u64,
    out: &'t mut Outgoing,
}

impl Tell for Told<'_> {
    fn tell<T: Serialize>(&mut self, name: &'static str, fields: impl FnOnce() -> T) {
        self.out.typed(name, &fields(), Some(*self.sequence));
        *self.sequence += 1;
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Outgoing) {
        self.output.take(event, &mut Told { sequence: &mut self.sequence, out });
        match event {
            Event::Began { model, .. } => {
                if let Some(model) = model {
                    self.frame.answered_by(model);
                }
                let response = self.frame.response(&State::InProgress);
                self.show("response.created", &response, out);
                self.show("response.in_progress", &response, out);
            }
            Event::Used(counts) => self.usage = Some(*counts),
            Event::Ended => {
                let response = self.frame.response(&State::Done(&self.output, self.usage));
                let name = if self.output.cut().is_some() { "response.incomplete" } else { "response.completed" };
                self.show(name, &response, out);
                self.whole = Some(response.into());
            }
            _ => {}
        }
    }

    fn whole(&self) -> Option<Bytes> {
        self.whole.clone()
    }
}
