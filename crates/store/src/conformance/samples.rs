//! Requests and attempts to write.

use insula_model::{
    AttemptOutcome, Cause, Clock, KeyId, Money, Operation, Overhead, RequestId, TenantScope, Timestamp, TokenCounts,
};

use super::world::World;
use crate::{Admission, Begin, End, IdempotencyEntry, IdempotencyMark, LedgerRow, TraceRecord};

pub(super) const KEY: KeyId = KeyId::from_bytes([9; 16]);

/// A finished request whose content is `said`, sealed.
pub(super) async fn trace(world: &World, scope: &TenantScope, said: &str) -> TraceRecord {
    let request = world.ids().request([1, 2, 3, 4]);
    let seals = world.store.seals(scope).await.unwrap();
    TraceRecord {
        request,
        tenant: scope.tenant(),
        key: Some(KEY),
        started_at: world.clock.now(),
        duration_us: 1_500,
        operation: Operation::Chat,
        model: "sim-small".to_owned(),
        status: 200,
        cost: Money::from_pico(3),
        sealed_detail: seals.seal("request", "detail", request.as_bytes(), said.as_bytes(), world.random()),
        idempotency: None,
    }
}

/// The same with an `Idempotency-Key`, and the answer to replay where there is one.
pub(super) async fn replayable(world: &World, scope: &TenantScope, key: u8, answer: Option<&str>) -> TraceRecord {
    let trace = trace(world, scope, "asked").await;
    let seals = world.store.seals(scope).await.unwrap();
    let seal =
        |answer: &str| seals.seal("idempotency", "transcript", trace.request.as_bytes(), answer.as_bytes(), world.random());
    let entry = IdempotencyEntry {
        mark: IdempotencyMark { key_hash: [key; 32], body_hash: [7; 32] },
        expires_at: trace.started_at.plus(std::time::Duration::from_secs(24 * 60 * 60)),
        sealed_transcript: answer.map(seal),
    };
    TraceRecord { idempotency: Some(entry), ..trace }
}

/// What keeps the tenant of so many attempts apart.
pub(super) fn isolation(attempts: u64) -> Overhead {
    let tokens = TokenCounts {
        input: 5 * attempts,
        cache_read: 3 * attempts,
        cache_write: 2 * attempts,
        cache_write_1h: attempts,
        ..TokenCounts::default()
    };
    Overhead { tokens, cost: Money::from_pico(i128::from(attempts) * 1_000_007) }
}

/// One attempt for `request`, reserved at `reserved_at`.
pub(super) fn row(world: &World, scope: &TenantScope, request: RequestId, reserved_at: Timestamp, cost: Money) -> LedgerRow {
    let attempt = world.ids().attempt();
    let begin = Begin {
        attempt,
        request,
        tenant: scope.tenant(),
        key: Some(KEY),
        reserved_at,
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "sim".to_owned(),
        model: "sim-small".to_owned(),
        price_row: "sim/sim-small@2026-01-01".to_owned(),
        reserved: cost + cost,
        input_tokens_max: 100,
        output_tokens_max: 200,
        idempotency: None,
        attribution: Default::default(),
    };
    let tokens = TokenCounts { input: 10, cache_read: 4, cache_write: 3, cache_write_1h: 2, output: 20, reasoning: 5 };
    let end = End {
        attempt,
        settled_at: reserved_at.plus(std::time::Duration::from_secs(2)),
        outcome: AttemptOutcome::Completed,
        tokens,
        cost,
        estimated: false,
        isolation: isolation(1),
    };
    LedgerRow { begin, end }
}

/// Sends traces on their way, as a request does. Reading them back needs no flush.
pub(super) async fn write(world: &World, traces: &[TraceRecord]) {
    for trace in traces {
        let seq = world.store.journal().trace(trace);
        world.store.journal().synced(seq).await;
    }
}

/// Notes attempts and their ends, as requests do, and waits until they are in the ledger.
pub(super) async fn settle(world: &World, rows: &[LedgerRow]) {
    for row in rows {
        let begun = world.store.journal().begin(&row.begin).unwrap();
        assert_eq!(world.store.journal().admitted(begun).await.unwrap(), Admission::Admitted);
        world.store.journal().end(&row.end, None, &[]);
    }
    world.store.flush().await.unwrap();
}
