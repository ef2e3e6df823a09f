//! `/v1/batches`.

mod embeddings;
mod killed;
mod running;
mod shared;
mod stopped;
mod validation;
