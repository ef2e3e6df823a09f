use crate::{
    Asked, ModelCard,
    client::{Fault, Outgoing, Scrub},
    sse::Event,
    translate::{Decode, Encode, Reading, Seen, Whole},
};
use bytes::Bytes;
use insula_model::{Result, chat};
use std::sync::Arc;
pub(crate) fn read_request(_body: &str) -> Result<chat::Request> {
    unimplemented!()
}
pub(crate) fn write_request(_request: &chat::Request, _card: &ModelCard) -> Result<Bytes> {
    unimplemented!()
}
pub(crate) fn read_reply(_body: &str, _scrub: &Scrub) -> Result<chat::Reply> {
    unimplemented!()
}
pub(crate) fn write_reply(_reply: &chat::Reply, _asked: &Asked) -> Bytes {
    unimplemented!()
}
pub(crate) fn pass_answer(_body: Bytes, _scrub: &Scrub) -> Result<Whole> {
    unimplemented!()
}
#[derive(Debug)]
pub(crate) struct Encoder;
impl Encoder {
    pub fn new(_asked: &Asked) -> Self {
        unimplemented!()
    }
}
impl Encode for Encoder {
    fn event(&mut self, _event: &chat::Event, _out: &mut Outgoing) {
        unimplemented!()
    }
}
#[derive(Debug)]
pub(crate) struct Decoder;
impl Decoder {
    pub fn new(_scrub: Arc<Scrub>) -> Self {
        unimplemented!()
    }
}
impl Decode for Decoder {
    fn event(&mut self, _event: &Event<'_>, _into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        unimplemented!()
    }
}
#[derive(Debug)]
pub(crate) struct Passing;
impl Passing {
    pub fn new(_scrub: Arc<Scrub>) -> Self {
        unimplemented!()
    }
}
impl Reading for Passing {
    fn take(&mut self, _event: &Event<'_>, _out: &mut Outgoing) -> Result<(), Fault> {
        unimplemented!()
    }
    fn seen(&self) -> &Seen {
        unimplemented!()
    }
}
