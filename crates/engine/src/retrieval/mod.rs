//! Documents before an answer: found once, told as data, and cited word for word or not at all.
//!
//! - [`stage`] searches, before the cache is asked and before anything is reserved, and puts what it found into the request;
//! - [`instructions`] writes that: a text by others, between lines that nobody can guess;
//! - [`grounds`] is what was found, for as long as its request is under way;
//! - [`marks`] finds the marks of citations in an answer, however it was cut; [`quotes`] looks whether a quote stands in a passage;
//! - [`grounding`] does both on the answer's way to its caller, and takes out calls of tools;
//! - [`gone`] tells whether what an answer was made of is still there.

mod gone;
mod grounding;
mod grounds;
mod instructions;
mod marks;
mod quotes;
mod stage;

pub(crate) use gone::{all_there, documents_of};
pub(crate) use grounds::Grounds;
pub use grounds::{Origin, RetrievalRecord, SourceRecord};
pub(crate) use stage::resolve;
