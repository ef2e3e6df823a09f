//! Logistic regression, one example at a time, in a fixed order.

use super::super::{Category, learned::Sign};

/// How often all examples are gone through.
const EPOCHS: usize = 8;
/// How often it is learned anew, each time in another order: what depends on the order is no knowledge, and the mean has less of it.
const RUNS: usize = 4;
/// How far one example moves a weight that was never moved.
const RATE: f32 = 0.25;
/// How much a weight is drawn to zero with each example that has its sign.
const DECAY: f32 = 2e-4;

/// A sentence to learn from.
pub(super) struct Example {
    pub(super) signs: Vec<Sign>,
    pub(super) harms: bool,
    pub(super) weight: f32,
    pub(super) group: u32,
    pub(super) category: Option<Category>,
}

/// Weights while they are learned.
pub(super) struct Regression {
    weights: Vec<f32>,
    /// Sums of squared slopes: what moved much moves less.
    squares: Vec<f32>,
    bias: f32,
    bias_square: f32,
}

impl Regression {
    /// Knows nothing of so many signs.
    pub(super) fn new(signs: usize) -> Self {
        Self { weights: vec![0.0; signs], squares: vec![1.0; signs], bias: 0.0, bias_square: 1.0 }
    }

    /// Learns from all examples: their signs by number, whether they are what is looked for, how much they count.
    pub(super) fn learn<'a>(&mut self, examples: impl Iterator<Item = (&'a [(usize, f32)], bool, f32)>) {
        let examples: Vec<_> = examples.collect();
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut chance = 0x2545_F491_u32;
        let mut sums = vec![0.0_f32; self.weights.len()];
        let mut bias = 0.0;
        for _ in 0..RUNS {
            *self = Self::new(self.weights.len());
            for _ in 0..EPOCHS {
                shuffle(&mut order, &mut chance);
                for i in &order {
                    let (signs, harms, weight) = examples[*i];
                    self.step(signs, harms, weight);
                }
                sums.iter_mut().zip(&self.weights).for_each(|(sum, weight)| *sum += weight);
                bias += self.bias;
            }
        }
        // The mean of all epochs swings less than the last of them.
        let rounds = (RUNS * EPOCHS) as f32;
        self.weights = sums.into_iter().map(|sum| sum / rounds).collect();
        self.bias = bias / rounds;
    }

    fn step(&mut self, signs: &[(usize, f32)], harms: bool, weight: f32) {
        let sum = self.bias + signs.iter().map(|(at, strength)| self.weights[*at] * strength).sum::<f32>();
        let slope = weight * (1.0 / (1.0 + (-sum).exp()) - f32::from(u8::from(harms)));
        for (at, strength) in signs {
            let gradient = slope * strength + DECAY * self.weights[*at];
            self.squares[*at] += gradient * gradient;
            self.weights[*at] -= RATE * gradient / self.squares[*at].sqrt();
        }
        self.bias_square += slope * slope;
        self.bias -= RATE * slope / self.bias_square.sqrt();
    }

    pub(super) fn weight(&self, at: usize) -> f32 {
        self.weights[at]
    }

    pub(super) fn bias(&self) -> f32 {
        self.bias
    }

    pub(super) fn largest(&self) -> f32 {
        self.weights.iter().fold(0.0, |largest: f32, weight| largest.max(weight.abs()))
    }
}

/// An order that looks like chance and is always the same.
fn shuffle(order: &mut [usize], chance: &mut u32) {
    for i in (1..order.len()).rev() {
        *chance ^= *chance << 13;
        *chance ^= *chance >> 17;
        *chance ^= *chance << 5;
        order.swap(i, *chance as usize % (i + 1));
    }
}
