//! Gemini's wire format: `generateContent`.
use crate::{
    ModelCard,
    client::{Fault, Scrub},
    sse::Event,
    translate::Decode,
};
use bytes::Bytes;
use insula_model::{Result, chat};
use std::sync::Arc;
pub(crate) fn write_request(_request: &chat::Request, _card: &ModelCard) -> Result<Bytes> {
    unimplemented!()
}
pub(crate) fn read_reply(_body: &str, _scrub: &Scrub) -> Result<chat::Reply> {
    unimplemented!()
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
