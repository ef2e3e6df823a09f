//! Anthropic's dialect: `messages` decides what to say, with `request` for what was asked; `wire` and `stream` write it.
//!
//! Source of the formats: Anthropic's API reference, and what its Python SDK insists on.

pub(crate) mod messages;
mod request;
mod stream;
mod wire;
