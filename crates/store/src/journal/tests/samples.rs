//! Records to write.

use std::time::Duration;

use insula_model::{AttemptId, AttemptOutcome, Cause, Money, Operation, Overhead, RequestId, TenantId, Timestamp, TokenCounts};

use crate::records::{Begin, End, IdempotencyEntry, IdempotencyMark, TraceRecord};

fn bytes(kind: u8, n: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes
}

pub(crate) fn attempt(n: u64) -> AttemptId {
    AttemptId::from_bytes(bytes(1, n))
}

pub(crate) fn tenant(n: u64) -> TenantId {
    TenantId::from_bytes(bytes(2, n))
}

pub(crate) fn request(n: u64) -> RequestId {
    RequestId::from_bytes(bytes(3, n))
}

pub(crate) fn time(n: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).plus(Duration::from_millis(n))
}

/// Attempt `n`, of one of three tenants. Every third carries an `Idempotency-Key`.
pub(crate) fn begin(n: u64) -> Begin {
    let mark = IdempotencyMark { key_hash: [n as u8; 32], body_hash: [7; 32] };
    Begin {
        attempt: attempt(n),
        request: request(n),
        tenant: tenant(n % 3),
        key: None,
        reserved_at: time(n),
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "simulator".to_owned(),
        model: "sim-small".to_owned(),
        price_row: "simulator/sim-small@2026-01-01".to_owned(),
        reserved: Money::from_pico(1_000),
        input_tokens_max: 100,
        output_tokens_max: 200,
        idempotency: n.is_multiple_of(3).then_some(mark),
        attribution: Default::default(),
    }
}

pub(crate) fn end(n: u64) -> End {
    End {
        attempt: attempt(n),
        settled_at: time(n + 1),
        outcome: AttemptOutcome::Completed,
        tokens: TokenCounts { input: 10, output: 20, ..TokenCounts::default() },
        cost: Money::from_pico(50),
        estimated: false,
        isolation: Overhead { tokens: TokenCounts { input: n % 7, ..TokenCounts::default() }, cost: Money::from_pico(9) },
    }
}

/// The trace of attempt `n`'s request, with `content` bytes of content.
pub(crate) fn trace(n: u64, content: usize) -> TraceRecord {
    TraceRecord {
        request: request(n),
        tenant: tenant(n % 3),
        key: None,
        started_at: time(n),
        duration_us: 1_000,
        operation: Operation::Chat,
        model: "sim-small".to_owned(),
        status: 200,
        cost: Money::from_pico(50),
        sealed_detail: vec![n as u8; content],
        idempotency: begin(n).idempotency.map(|mark| IdempotencyEntry {
            mark,
            expires_at: time(n + 1_000),
            sealed_transcript: Some(vec![1; content / 2]),
        }),
    }
}
