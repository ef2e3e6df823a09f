//! Each vector is compared with the question's, none is passed over.

use std::cmp::Ordering;

use super::super::{Index, Near};

/// The nearest of these entries, the best first.
pub(super) fn nearest(index: &Index, places: impl Iterator<Item = usize>, question: &[f32], limit: usize) -> Vec<Near> {
    let all =
        places.map(|place| Near { chunk: index.entries()[place].chunk, score: inner_product(question, index.vector(place)) });
    best(all.collect(), limit)
}

/// At most `limit` of them, the best first; of equal ones those first whose numbers are lower.
pub(super) fn best(mut all: Vec<Near>, limit: usize) -> Vec<Near> {
    if limit < all.len() {
        all.select_nth_unstable_by(limit, exact_order);
        all.truncate(limit);
    }
    all.sort_unstable_by(exact_order);
    all
}

/// The order of what lies near: the nearest first, of equal ones the lower number first.
pub fn exact_order(a: &Near, b: &Near) -> Ordering {
    b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk))
}

/// So many sums run side by side, as the processor has them.
const LANES: usize = 16;

/// The inner product of two vectors of one length.
pub fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lanes_change_nothing(pairs in proptest::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 0..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let plain: f32 = pairs.iter().map(|(a, b)| a * b).sum();
            prop_assert!((inner_product(&a, &b) - plain).abs() < 1e-3);
        }

        #[test]
        fn the_best_come_first(scores in proptest::collection::vec(0_u8..9, 0..40), limit in 0_usize..50) {
            let all: Vec<Near> =
                (0..).zip(&scores).map(|(chunk, score)| Near { chunk, score: f32::from(*score) }).collect();
            let mut sorted = all.clone();
            sorted.sort_by(exact_order);
            sorted.truncate(limit);
            prop_assert_eq!(best(all, limit), sorted);
        }
    }
}
