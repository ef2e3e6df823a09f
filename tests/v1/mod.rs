//! `/v1`: the data plane.

mod batches;
mod chat_completions;
mod embeddings;
mod files;
mod models;
