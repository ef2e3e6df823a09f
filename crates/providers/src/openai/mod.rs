//! OpenAI's wire formats: Chat Completions, Embeddings and Moderations, spoken by OpenAI itself and by every compatible server.
//!
//! From a caller: `chat.rs`, `embeddings.rs` and `moderations.rs` check a body (`content.rs`) and bound it; `joined.rs` makes one
//! request of several; `request_in.rs` reads it for a provider of another form. To a provider: `request_out.rs` writes what came in
//! another form. From a provider: `passing.rs` hands on an answer as it came (`envelope.rs`, `usage.rs`), `answer_in.rs` reads it for a
//! caller of another dialect. To a caller: `answer_out.rs` writes what came in another form.

mod answer_in;
mod answer_out;
mod chat;
mod content;
mod embeddings;
mod envelope;
mod joined;
mod moderations;
mod passing;
mod request_in;
mod request_out;
mod shares;
mod usage;

pub(crate) use answer_in::{Decoder, read_reply};
pub(crate) use answer_out::{Encoder, write_reply};
pub(crate) use chat::HANDING_OVER;
pub use embeddings::EmbeddingsRequest;
pub(crate) use embeddings::INPUTS_MAX;
pub use joined::{Joined, Likeness};
pub use moderations::ModerationsRequest;
pub(crate) use passing::{Passing, pass_answer};
pub(crate) use request_in::{read_request, source};
pub(crate) use request_out::write_request;
