//! What a caller wants of its documents, taken out of its request ([`ask`], [`detach`]), and what was found put into it ([`insert`]) and told
//! with the answer ([`told`]).
//!
//! It is asked for in Insula's own field, `insula.retrieval`, or as OpenAI's tool `file_search`. Neither ever goes to a provider: the
//! gateway searches once, before it sends.

mod ask;
mod detach;
mod insert;
mod told;

pub use ask::{CorporaAsk, FileSearch, RetrievalAsk, WrongCitation};
pub(crate) use detach::{Detached, detached};
pub(crate) use told::{told, told_of_all};
