//! What all dialects' requests have in common: fields are checked (`fields.rs`), what they hold is looked through (`findings.rs`), the
//! input is bounded (`bound.rs`), and the text is rewritten where the provider speaks the same form (`body.rs`).

mod body;
mod bound;
mod chat;
pub(crate) mod fields;
pub(crate) mod findings;

pub use body::normalised;
pub(crate) use body::{Body, Field, Rewrite};
pub use bound::InputBound;
pub use chat::ChatRequest;
pub(crate) use chat::MESSAGE_TOKENS;
