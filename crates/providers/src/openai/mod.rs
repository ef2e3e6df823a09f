//! OpenAI's wire format, spoken by OpenAI itself and by every compatible server.
//!
//! Going out: `chat.rs` and `embeddings.rs` check a body (`fields.rs`, `content.rs`, `findings.rs`) and bound it (`bound.rs`); `body.rs`
//! writes the wire form; `client.rs` sends it (`settings.rs`, `connector.rs`, `patience.rs`). Coming back: `response.rs` takes
//! a whole answer, `stream.rs` one in pieces (`batch.rs`); both read the same `envelope.rs`, `usage.rs` and `allowance.rs`. What went wrong is
//! told by `error.rs`, in words that `scrub.rs` has cleaned.

mod allowance;
mod batch;
mod body;
mod bound;
mod chat;
mod client;
mod connector;
mod content;
mod embeddings;
mod envelope;
mod error;
mod fields;
mod findings;
mod patience;
mod response;
mod scrub;
mod settings;
mod stream;
mod usage;

pub use batch::Batch;
pub use body::normalised;
pub use bound::InputBound;
pub use chat::ChatRequest;
pub use client::{OpenAi, SendFailure, Sent};
pub use embeddings::EmbeddingsRequest;
pub use error::UpstreamError;
pub use response::JsonAnswer;
pub use stream::ChatStream;
