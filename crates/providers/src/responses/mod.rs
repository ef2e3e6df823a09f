//! OpenAI's Responses, as callers speak it. No provider is asked in this form: every request is translated.
//!
//! From a caller: `request.rs` checks a body (`content.rs`) and bounds it, `conversation.rs` puts what was said before in front of it, and
//! `request_in.rs` reads it. To a caller: `output.rs` puts an answer together item by item and tells each step as an event, `object.rs`
//! writes the response around it, `answer_out.rs` does so for whole answers and for streams.
//!
//! Source: OpenAI's API reference, "Responses" and "Streaming events".

mod answer_out;
mod content;
mod conversation;
mod object;
mod output;
mod request;
mod request_in;
mod seal;

pub(crate) use answer_out::{Encoder, write_reply};
pub use conversation::{Exchange, input_items};
pub use request::Chain;
pub(crate) use request_in::read_request;
