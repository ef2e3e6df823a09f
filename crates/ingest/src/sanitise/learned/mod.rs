//! What was learned from examples: how much each sign of a sentence speaks for an instruction to a model.
//!
//! A rule knows which concepts must stand together; it does not know the words that nobody thought of. So each sentence is also
//! described by many small signs (`signs`): its words and their beginnings, which concepts it holds and in what order, what the
//! sentences around it speak of, whether it is quoted, whether it is out of place, what the rules make of it. A linear model
//! (`model`) adds up what each sign weighs. The weights were learned from texts in this repository; [`super::learn`] does it again.

mod evidence;
mod model;
mod scene;
mod sentences;
mod signs;

pub(super) use evidence::{Evidence, Shown};
pub(super) use model::{KINDS, Model, Weights};
pub(super) use signs::{Observed, Sign, observe};

/// How much of what its neighbours say counts for a sentence.
const NEIGHBOUR: f32 = 0.4;
/// What an ordinary sentence says, turned round: from there on a neighbour counts, and at most so much.
const ORDINARY: f32 = 3.0;

/// What speaks for an instruction in each sentence, with what its neighbours say: an attack is seldom one sentence long.
pub(super) fn together(scores: &[f32]) -> Vec<f32> {
    let said = |i: Option<usize>| i.and_then(|i| scores.get(i)).map_or(0.0, |score| (score + ORDINARY).clamp(0.0, ORDINARY));
    let with = |(i, score): (usize, &f32)| score + NEIGHBOUR * (said(i.checked_sub(1)) + said(Some(i + 1)));
    scores.iter().enumerate().map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_helps_and_an_ordinary_one_does_not() {
        assert_eq!(together(&[-5.0, 1.0, -9.0]), [-5.0 + NEIGHBOUR * ORDINARY, 1.0, -9.0 + NEIGHBOUR * ORDINARY]);
        assert!(together(&[0.5, 1.0, 0.5]).iter().all(|score| *score > 1.5));
    }
}
