//! Token counts by class.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens of one attempt, in classes that do not overlap: their sum is what the provider counted.
///
/// Vendors report subsets (OpenAI's cached and reasoning tokens) or additions (Anthropic's cache tokens); the provider
/// adapters take them apart into these. A count that the provider did not report is an absent `TokenCounts`, not zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Input that was read afresh.
    pub input: u64,
    /// Input that the provider had in its cache.
    pub cache_read: u64,
    /// Input that the provider wrote to its cache.
    pub cache_write: u64,
    /// Input that the provider wrote to its cache to keep it for an hour, where that has a price of its own.
    pub cache_write_1h: u64,
    /// Visible output.
    pub output: u64,
    /// Hidden reasoning, billed as output.
    pub reasoning: u64,
}

impl TokenCounts {
    /// All input classes together.
    pub fn input_total(&self) -> u64 {
        [self.cache_read, self.cache_write, self.cache_write_1h].into_iter().fold(self.input, u64::saturating_add)
    }

    /// All output classes together.
    pub fn output_total(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// The first of the input, as many tokens as these, or all of it. A provider's cache holds what prompts begin with, so what it had
    /// stands in front of what it wrote, and that in front of the rest; what is kept for an hour stands in front of what is kept for less.
    pub fn first_of_input(&self, tokens: u64) -> TokenCounts {
        let mut left = tokens;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left -= taken;
            taken
        };
        let (cache_read, cache_write_1h) = (take(self.cache_read), take(self.cache_write_1h));
        let (cache_write, input) = (take(self.cache_write), take(self.input));
        TokenCounts { input, cache_read, cache_write, cache_write_1h, ..TokenCounts::default() }
    }

    /// Everything.
    pub fn total(&self) -> u64 {
        self.input_total().saturating_add(self.output_total())
    }
}

/// Class by class, stopping at the largest number.
impl AddAssign for TokenCounts {
    fn add_assign(&mut self, other: TokenCounts) {
        self.input = self.input.saturating_add(other.input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}
