//! How an attempt ends, and what its end says.

use insula_model::{AttemptOutcome, Error, ErrorKind, TokenCounts};
use insula_providers::{ChatStream, ModelCard, UpstreamError};

use crate::{
    accounts::Hold,
    queue::{Latency, Signal},
};

/// How an attempt ended, with what the provider said it used.
pub(crate) struct Landing {
    pub outcome: AttemptOutcome,
    pub usage: Option<TokenCounts>,
    /// Bytes of output that were seen, where usage was not reported; `None` when the whole hold may have been used.
    pub output_bytes: Option<u64>,
    /// How quickly it was answered, where it was.
    pub latency: Option<Latency>,
    pub response_model: Option<String>,
    pub fingerprint: Option<String>,
}

impl Landing {
    /// An end of which nothing is known but how it came about.
    pub fn blind(outcome: AttemptOutcome) -> Self {
        Self { outcome, usage: None, output_bytes: None, latency: None, response_model: None, fingerprint: None }
    }

    /// What was used, and whether that is an estimate.
    pub(super) fn tokens(&self, hold: &Hold) -> (TokenCounts, bool) {
        match self.usage {
            Some(tokens) if tokens.total() > 0 => (tokens, false),
            _ if self.outcome == AttemptOutcome::Rejected => (TokenCounts::default(), false),
            _ => (estimate(hold, self.output_bytes), true),
        }
    }

    /// What it says of how much its provider bears; nothing where the caller ended it, or its request was at fault.
    pub(super) fn signal(&self, error: Option<&Error>) -> Option<Signal> {
        let Some(error) = error else { return self.latency.map(|latency| Signal::Success { latency }) };
        let status = UpstreamError::of(error).map(|said| said.status);
        match error.kind() {
            ErrorKind::ProviderRateLimited { .. } | ErrorKind::ProviderTimeout => Some(Signal::Overloaded),
            // 529 is what some vendors say for "overloaded".
            ErrorKind::ProviderFailed if matches!(status, Some(503 | 529)) => Some(Signal::Overloaded),
            ErrorKind::ProviderFailed => Some(Signal::Failed),
            _ => None,
        }
    }
}

/// What the output that a stream has shown says of its tokens: nothing where a model thinks unseen and was not heard to its end,
/// nor where the connection broke before any was seen. One that is reset takes with it what was not read yet.
pub(crate) fn output_bound(card: &ModelCard, outcome: AttemptOutcome, stream: &ChatStream) -> Option<u64> {
    let shows_all = outcome == AttemptOutcome::Completed || !card.reasons_unseen;
    let seen_bytes = stream.output_bytes();
    (shows_all && !(stream.is_cut_off() && seen_bytes == 0)).then_some(seen_bytes)
}

/// What is billed where the provider did not say: never less than it can have been, never more than was held.
/// The input at its bound; the output by the bytes that were seen (a token has at least one), or at its bound.
pub(super) fn estimate(hold: &Hold, output_bytes: Option<u64>) -> TokenCounts {
    let output = output_bytes.map_or(hold.output_tokens_max, |bytes| bytes.min(hold.output_tokens_max));
    TokenCounts { input: hold.input_tokens_max, output, ..TokenCounts::default() }
}
