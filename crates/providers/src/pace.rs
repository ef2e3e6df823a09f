//! How fast requests may go to a provider: what the operator allows, and what the provider says is left.

use std::{num::NonZeroU32, time::Duration};

/// What an operator allows toward one model of a provider; an absent value sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Requests in a second.
    pub requests_per_second: Option<NonZeroU32>,
    /// Tokens in a minute, input and output together.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests under way at once.
    pub concurrency: Option<NonZeroU32>,
}

impl Pace {
    /// This, and where it sets no limit that of `other`.
    #[must_use]
    pub fn or(self, other: Pace) -> Pace {
        Pace {
            requests_per_second: self.requests_per_second.or(other.requests_per_second),
            tokens_per_minute: self.tokens_per_minute.or(other.tokens_per_minute),
            concurrency: self.concurrency.or(other.concurrency),
        }
    }
}

/// What a provider says that the platform's account may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Requests.
    pub requests: Option<Left>,
    /// Tokens.
    pub tokens: Option<Left>,
}

/// What is left of one allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// So much.
    pub remaining: u64,
    /// Of so much, where the provider says it.
    pub limit: Option<u64>,
    /// After so long it is all there again.
    pub reset: Duration,
}
