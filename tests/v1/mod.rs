//! `/v1`: the data plane.

mod chat_completions;
mod dialects;
mod embeddings;
mod messages;
mod models;
mod responses;
