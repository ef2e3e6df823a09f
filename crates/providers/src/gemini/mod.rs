//! Gemini's wire format: `generateContent`, `streamGenerateContent` and `batchEmbedContents`.
//!
//! To the provider: `request_out.rs` writes a chat (`content_out.rs` its messages), `embeddings.rs` what is to be embedded. From the
//! provider: `answer_in.rs` reads answers, whole and streamed, `usage.rs` what was counted. `signature.rs` keeps a vendor's seals in ids
//! of tool calls, where every client brings them back.
//!
//! Source: Google's "Gemini API reference" (ai.google.dev/api/generate-content and /api/embeddings), "Thinking" and "Thought signatures".

mod answer_in;
mod content_out;
mod embeddings;
mod request_out;
mod signature;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use answer_in::{Decoder, read_reply};
pub(crate) use embeddings::{EMBEDDING_INPUTS_MAX, read_embeddings, write_embeddings};
pub(crate) use request_out::write_request;
pub(crate) use signature::without_signatures;
