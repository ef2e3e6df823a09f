//! Anthropic's wire format: Messages, spoken by Anthropic itself and by compatible servers.
//!
//! From a caller: `chat.rs` checks a body (`content.rs`) and bounds it; `request_in.rs` reads it for a provider of another form. To a
//! provider: `request_out.rs` writes what came in another form (`turns.rs`, `thinking.rs`). From a provider: `passing.rs` hands on an
//! answer as it came (`said.rs`, `usage.rs`), `answer_in.rs` reads it for a caller of another dialect. To a caller: `answer_out.rs` and
//! `stream_out.rs` write what came in another form.

mod answer_in;
mod answer_out;
mod chat;
mod content;
mod passing;
mod request_in;
mod request_out;
mod said;
mod stream_out;
#[cfg(test)]
mod tests;
mod thinking;
mod turns;
mod usage;

pub(crate) use answer_in::{Decoder, read_reply};
pub(crate) use answer_out::write_reply;
pub(crate) use passing::{Passing, pass_answer};
pub(crate) use request_in::read_request;
pub(crate) use request_out::write_request;
pub(crate) use stream_out::Encoder;

/// What a thought's signature begins with where the vendor shows nothing but sealed data. Signatures are base64, which has no colon.
const REDACTED: &str = "redacted:";
