//! What is written for an attempt under which the process died.

use std::time::Duration;

use insula_model::{AttemptOutcome, Money, Overhead, Timestamp, TokenCounts};

use crate::records::{Begin, End, IdempotencyEntry, TraceRecord};

/// For how long an `Idempotency-Key` is honoured.
const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// It may have reached its provider and been billed in full, so it costs all that was held for it: an estimate, and never
/// silently released.
pub(crate) fn end(begin: &Begin, now: Timestamp) -> End {
    End {
        attempt: begin.attempt,
        settled_at: now.max(begin.reserved_at),
        outcome: AttemptOutcome::Lost,
        tokens: TokenCounts { input: begin.input_tokens_max, output: begin.output_tokens_max, ..TokenCounts::default() },
        cost: begin.reserved,
        estimated: true,
        // A BEGIN does not say what of it kept the tenant apart.
        isolation: Overhead::default(),
    }
}

/// The least that can be said of its request: status 0, no content, and its `Idempotency-Key` as used, so that it is never
/// executed again.
pub(crate) fn trace(begin: &Begin, cost: Money) -> TraceRecord {
    TraceRecord {
        request: begin.request,
        tenant: begin.tenant,
        key: begin.key,
        started_at: begin.reserved_at,
        duration_us: 0,
        operation: begin.operation,
        model: begin.model.clone(),
        status: 0,
        cost,
        sealed_detail: Vec::new(),
        idempotency: begin.idempotency.map(|mark| IdempotencyEntry {
            mark,
            expires_at: begin.reserved_at.plus(IDEMPOTENCY_TTL),
            sealed_transcript: None,
        }),
    }
}
