//! `/v1`: the data plane.

mod batches;
mod chat_completions;
mod dialects;
mod embeddings;
mod file_search;
mod files;
mod large_answers;
mod messages;
mod models;
mod moderations;
mod responses;
mod vector_stores;
