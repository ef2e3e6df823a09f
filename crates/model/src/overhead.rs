//! What was added to a request so that its tenant is kept apart.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{Money, Price, TokenCounts};

/// Input that was not the caller's: an "of which" of what an attempt, or many, used and cost. It is a part of those figures and is
/// never added to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overhead {
    /// How many tokens, each in the class in which the provider counted it; none of them is output.
    pub tokens: TokenCounts,
    /// What these tokens cost.
    pub cost: Money,
}

impl Overhead {
    /// That of `added` tokens in front of a prompt, where an attempt used `used` in all: at most its input.
    pub fn in_front(added: u64, used: &TokenCounts, price: &Price) -> Self {
        let tokens = used.first_of_input(added);
        Self { tokens, cost: price.sum(&tokens) }
    }

    /// How many tokens, of whichever class.
    pub fn total(&self) -> u64 {
        self.tokens.input_total()
    }
}

impl AddAssign for Overhead {
    fn add_assign(&mut self, other: Overhead) {
        self.tokens += other.tokens;
        self.cost += other.cost;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRICE: Price =
        Price { input_pico: 100, cache_read_pico: 10, cache_write_pico: 125, cache_write_1h_pico: 200, output_pico: 400 };

    #[test]
    fn what_stands_in_front_is_cached_first() {
        let used = TokenCounts { input: 20, cache_read: 4, cache_write: 3, cache_write_1h: 2, output: 9, reasoning: 1 };
        let of = |added| {
            let Overhead { tokens, cost } = Overhead::in_front(added, &used, &PRICE);
            assert_eq!((tokens.output, tokens.reasoning), (0, 0));
            ([tokens.cache_read, tokens.cache_write_1h, tokens.cache_write, tokens.input], cost.pico())
        };
        assert_eq!(of(0), ([0, 0, 0, 0], 0));
        assert_eq!(of(3), ([3, 0, 0, 0], 30));
        assert_eq!(of(5), ([4, 1, 0, 0], 240));
        assert_eq!(of(11), ([4, 2, 3, 2], 40 + 400 + 375 + 200));
        assert_eq!(of(1_000), ([4, 2, 3, 20], 40 + 400 + 375 + 2_000));
        assert_eq!(Overhead::in_front(7, &TokenCounts::default(), &PRICE), Overhead::default());
    }

    proptest! {
        #[test]
        fn it_is_a_part(counts: [u32; 6], added: u64) {
            let [input, cache_read, cache_write, cache_write_1h, output, reasoning] = counts.map(u64::from);
            let used = TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning };
            let part = Overhead::in_front(added, &used, &PRICE);
            prop_assert_eq!(part.total(), added.min(used.input_total()));
            prop_assert!(part.cost <= PRICE.sum(&used));
        }
    }
}
