//! The model: a weight for each sign, and for each category a second one that only tells which of them it is.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{Observed, Sign};
use crate::sanitise::Category;

/// The categories that are instructions, in the order of their weights.
pub(in crate::sanitise) const KINDS: [Category; 9] = [
    Category::Override,
    Category::RolePlay,
    Category::Authority,
    Category::Exfiltration,
    Category::ToolForgery,
    Category::PromptLeak,
    Category::CrossTenant,
    Category::Secrecy,
    Category::Steering,
];

/// How rules of the model are called, in the same order.
const NAMES: [&str; KINDS.len()] = [
    "learned.override",
    "learned.role",
    "learned.authority",
    "learned.exfiltration",
    "learned.tool",
    "learned.leak",
    "learned.tenant",
    "learned.secrecy",
    "learned.steering",
];

/// As they are kept: made by `learn`, read back here. Weights are in steps of one size, so that one takes a byte.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::sanitise) struct Weights {
    /// What speaks for an instruction before anything is seen.
    pub(in crate::sanitise) bias: f32,
    pub(in crate::sanitise) step: f32,
    /// Signs in order, each as the distance from the one before.
    pub(in crate::sanitise) gaps: Vec<u32>,
    pub(in crate::sanitise) weights: Vec<i8>,
    pub(in crate::sanitise) kinds_step: f32,
    pub(in crate::sanitise) kinds_gaps: Vec<u32>,
    pub(in crate::sanitise) kinds: Vec<[i8; KINDS.len()]>,
}

/// Weights that can be asked.
pub(in crate::sanitise) struct Model {
    bias: f32,
    step: f32,
    signs: Signs,
    weights: Vec<i8>,
    kinds_step: f32,
    kinds_signs: Signs,
    kinds: Vec<[i8; KINDS.len()]>,
}

static LEARNED: LazyLock<Model> =
    LazyLock::new(|| Model::of(postcard::from_bytes(include_bytes!("weights.bin")).unwrap_or_default()));

impl Model {
    /// The one that was learned from the texts of this repository.
    pub(in crate::sanitise) fn learned() -> &'static Self {
        &LEARNED
    }

    pub(in crate::sanitise) fn of(weights: Weights) -> Self {
        let Weights { bias, step, gaps, weights, kinds_step, kinds_gaps, kinds } = weights;
        Self { bias, step, signs: Signs::of(gaps), weights, kinds_step, kinds_signs: Signs::of(kinds_gaps), kinds }
    }

    /// How much speaks for an instruction: above zero more than against it.
    pub(in crate::sanitise) fn score(&self, observed: &Observed) -> f32 {
        let weight = |(sign, strength): &Sign| {
            let at = self.signs.place(*sign)?;
            Some(f32::from(*self.weights.get(at)?) * strength)
        };
        self.bias + self.step * observed.signs.iter().chain(&observed.by_rules).filter_map(weight).sum::<f32>()
    }

    /// What kind of instruction it is, and how the model's finding is called.
    pub(in crate::sanitise) fn kind(&self, observed: &Observed) -> (Category, &'static str) {
        let mut sums = [0.0_f32; KINDS.len()];
        for (sign, strength) in observed.signs.iter().chain(&observed.by_rules) {
            let Some(weights) = self.kinds_signs.place(*sign).and_then(|at| self.kinds.get(at)) else { continue };
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += self.kinds_step * f32::from(*weight) * strength;
            }
        }
        let best = sums.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
        (KINDS[best], NAMES[best])
    }
}

/// Signs in order. They are hashes, so their first bits say nearly where each of them stands.
struct Signs {
    all: Vec<u32>,
    /// Where those begin that share their first bits.
    starts: Vec<usize>,
}

impl Signs {
    /// How many bits of a sign are looked at first.
    const FIRST_BITS: u32 = 16;

    /// From the distances between them.
    fn of(gaps: Vec<u32>) -> Self {
        let next = |sum: &mut u32, gap| {
            *sum = sum.wrapping_add(gap);
            Some(*sum)
        };
        let all: Vec<u32> = gaps.into_iter().scan(0, next).collect();
        let starts = (0..=1_u64 << Self::FIRST_BITS)
            .map(|first| all.partition_point(|sign| u64::from(*sign) < first << (u32::BITS - Self::FIRST_BITS)))
            .collect();
        Self { all, starts }
    }

    /// The number of a sign, if it was learned.
    fn place(&self, sign: u32) -> Option<usize> {
        let first = (sign >> (u32::BITS - Self::FIRST_BITS)) as usize;
        let (from, to) = (*self.starts.get(first)?, *self.starts.get(first + 1)?);
        self.all.get(from..to)?.iter().position(|known| *known == sign).map(|at| from + at)
    }
}
