//! Token counts by class.

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
    /// Visible output.
    pub output: u64,
    /// Hidden reasoning, billed as output.
    pub reasoning: u64,
}

impl TokenCounts {
    /// All input classes together.
    pub fn input_total(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// All output classes together.
    pub fn output_total(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Everything.
    pub fn total(&self) -> u64 {
        self.input_total().saturating_add(self.output_total())
    }
}
