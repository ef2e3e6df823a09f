//! Anthropic's wire format: Messages.
mod skeleton;
pub(crate) use skeleton::*;
