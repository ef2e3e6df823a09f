//! What handlers are handed: objects that are already authorised, and input that is already strict.
//!
//! Argument order is the order of the checks. [`Authorised`] comes first, so that a caller learns nothing about its body
//! before it is known who asks; [`StrictJson`] comes last.

mod authorised;
mod json;
mod query;
mod wrong;

pub(crate) use authorised::{Authorised, PathTexts};
pub(crate) use json::{StrictJson, parse as strict_json};
pub(crate) use query::{StrictQuery, parse as strict_query};
