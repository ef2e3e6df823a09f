//! What was learned from examples: how much each sign of a sentence speaks for an instruction to a model.
//!
//! A rule knows which concepts must stand together; it does not know the words that nobody thought of. So each sentence is also
//! described by many small signs (`signs`): its words and their beginnings, which concepts it holds and in what order, what the
//! sentences around it speak of, whether it is quoted, whether it is out of place, what the rules make of it. A linear model
//! (`model`) adds up what each sign weighs. The weights were learned from texts in this repository; [`super::learn`] does it again.

mod model;
mod sentences;
mod signs;

pub(super) use model::{KINDS, Model, Weights};
pub(super) use signs::{Observed, Sign, observe};
