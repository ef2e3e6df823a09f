//! `/v1`: the data plane.

mod chat_completions;
mod embeddings;
mod models;
mod responses;
