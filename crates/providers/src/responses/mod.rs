//! OpenAI's Responses, as callers speak it.
use crate::{Asked, client::Outgoing, translate::Encode};
use bytes::Bytes;
use insula_model::{Result, chat};
pub(crate) fn read_request(_body: &str) -> Result<chat::Request> {
    unimplemented!()
}
pub(crate) fn write_reply(_reply: &chat::Reply, _asked: &Asked) -> Bytes {
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
