//! The data plane: `/v1`, in the dialects of OpenAI and Anthropic.
//!
//! - [`arrival`]: from bytes on the wire to an authenticated call;
//! - [`call`]: what the operations that call a model have in common;
//! - [`chat`], [`messages`], [`embeddings`], [`moderations`], [`models`]: an operation each; [`responses`]: those that make and keep responses;
//!   [`files`], [`batches`] and [`vector_stores`]: a noun each;
//! - [`form`] and [`file_body`]: files on their way in and out, never whole in memory; [`paced`]: a form is not read ahead of its parts;
//! - [`tags`]: the labels that a request carries in a header;
//! - [`cache`]: what a caller says of the answer cache, and what it is told;
//! - [`room`]: what all bodies together may hold in memory, and of that a tenant's;
//! - [`answer`] and [`events`]: from the engine's answer back to bytes.

mod answer;
mod arrival;
pub mod batches;
mod cache;
mod call;
pub mod chat;
pub mod embeddings;
mod events;
mod file_body;
pub mod files;
pub(crate) mod form;
pub mod messages;
pub mod models;
pub mod moderations;
pub(crate) mod paced;
pub mod responses;
mod room;
mod tags;
pub mod vector_stores;

pub(crate) use room::{BodyPermit, BodyRoom};
