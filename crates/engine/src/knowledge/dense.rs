//! What lies near: each vector is compared with the question's, none is passed over.

use super::{index::Index, rank::best};

/// At most `depth` places of entries whose document counts, the nearest first.
pub(super) fn nearest(index: &Index, question: &[f32], counts: &[bool], depth: usize) -> Vec<usize> {
    let all = index.entries().iter().zip(index.vectors()).enumerate();
    let that_count = all.filter(|(_, (entry, _))| counts[entry.document as usize]);
    best(that_count.map(|(place, (_, vector))| (f64::from(dot(question, vector)), place)).collect(), depth)
}

/// So many sums run side by side, as the processor has them.
const LANES: usize = 16;

fn dot(a: &[f32], b: &[f32]) -> f32 {
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
            prop_assert!((dot(&a, &b) - plain).abs() < 1e-3);
        }
    }
}
