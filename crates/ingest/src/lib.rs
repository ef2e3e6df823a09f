//! From the bytes of a document to its text, with a report of what was found on the way.

pub mod hashing;
mod language;
pub mod words;

pub use language::Language;
