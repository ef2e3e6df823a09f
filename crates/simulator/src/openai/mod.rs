//! OpenAI's dialect. An endpoint is a file: `chat`, `embeddings`, `moderations`, `models`; `responses` will be another.
//!
//! `chat` decides what to say, with `request` for what was asked and `tools` for calls; `wire` and `stream` write it.
//! Source of the formats: OpenAI's API reference, and what its Python and Node SDKs insist on.

pub(crate) mod chat;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod moderations;
pub(crate) mod request;
mod stream;
mod tools;
pub(crate) mod wire;

/// `created` of everything: 2025-01-01T00:00:00Z. Answers depend on no clock.
const CREATED: u64 = 1_735_689_600;
