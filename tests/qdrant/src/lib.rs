//! A Qdrant as far as Insula uses one, for tests: it keeps collections in memory, answers over gRPC, and notes every call that it gets.
//!
//! It filters as Qdrant documents it, compares all vectors, and can be made to misbehave ([`Mood`]). Whose points a call can touch is
//! read from what came in ([`about`]): a test that lets a node speak to a peer looks through all of its calls in the end.

mod held;
mod matching;
mod peer;
mod watched;

pub use peer::{Mood, Peer, Recorded};
pub use watched::{About, about};
