//! Traces as rows of their tenants' tables, many tenants in one transaction.

use std::{
    collections::HashSet,
    hash::Hash,
    pin::Pin,
    task::{Context, Poll},
};

use insula_model::{Result, TenantId, Timestamp};

use super::rows::{int, text};
use crate::{
    IdempotencyEntry,
    postgres::{Access, Mode, PgPool, PgTx},
    records::TraceRecord,
    tenants::{finished_at, idempotency_state},
};

/// The tenant's id is given along: were the transaction to act for another tenant by then, its policy would refuse the row. A
/// tenant without a home was erased.
const UPSERT_REQUESTS: &str = "INSERT INTO requests (tenant_id, request, key_id, started_at, duration_us, operation, model, \
    status, cost, sealed_detail) SELECT encode($1::bytea, 'hex')::uuid, r.* FROM homes, unnest($2::bytea[], $3::bytea[], \
    $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bytea[]) AS r \
    ON CONFLICT (tenant_id, request) DO UPDATE SET started_at = excluded.started_at, duration_us = excluded.duration_us, \
    model = excluded.model, status = excluded.status, cost = excluded.cost, sealed_detail = excluded.sealed_detail \
    WHERE excluded.status <> 0";

/// It replaces what its own request left behind and what has expired, never another's; and that nobody knows the outcome
/// never replaces the outcome.
const UPSERT_IDEMPOTENCY: &str = "INSERT INTO idempotency (tenant_id, key_hash, request, body_hash, state, expires_at, \
    sealed_transcript) SELECT encode($1::bytea, 'hex')::uuid, e.* FROM homes, unnest($2::bytea[], $3::bytea[], $4::bytea[], \
    $5::text[], $6::bigint[], $7::bytea[]) AS e ON CONFLICT (tenant_id, key_hash) DO UPDATE SET request = excluded.request, \
    body_hash = excluded.body_hash, state = excluded.state, expires_at = excluded.expires_at, \
    sealed_transcript = excluded.sealed_transcript WHERE idempotency.expires_at <= $8 \
    OR (idempotency.request = excluded.request AND excluded.state <> 'unknown')";

/// Some of what has expired, the oldest first; never what somebody else is about to replace.
const FORGET_EXPIRED: &str = "DELETE FROM idempotency WHERE key_hash = ANY (ARRAY(SELECT key_hash FROM idempotency \
    WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
/// How many rows of a tenant are forgotten at a time.
const FORGET_MAX: i64 = 1_000;

const STATEMENTS: &[&str] = &[UPSERT_REQUESTS, UPSERT_IDEMPOTENCY];

type Work<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Writes traces; tenants in the order of their ids. A record with status 0 is of a request that the process died under: what
/// else is known of that request stays.
pub(crate) async fn write(pool: &PgPool, parts: &[(TenantId, &[TraceRecord])]) -> Result<()> {
    let Some((first, _)) = parts.first() else { return Ok(()) };
    let tx = pool.begin(Access::Tenant(*first), Mode::Batch).await?;
    // What follows is sent without waiting for answers, so it must need none: a statement that were prepared first would be
    // run after the next tenant took over.
    tx.prepare(STATEMENTS).await?;
    let mut work: Vec<Work<'_>> = Vec::new();
    for (place, (tenant, traces)) in parts.iter().enumerate() {
        if place > 0 {
            work.push(Box::pin(tx.act_as(Access::Tenant(*tenant))));
        }
        add_statements(&mut work, &tx, tenant.as_bytes(), traces);
    }
    in_order(work).await?;
    tx.commit().await
}

fn add_statements<'a>(work: &mut Vec<Work<'a>>, tx: &'a PgTx, tenant: &'a [u8; 16], traces: &'a [TraceRecord]) {
    for round in rounds(traces.iter(), |trace| trace.request) {
        work.push(Box::pin(upsert_requests(tx, tenant, round)));
    }
    let entries = || traces.iter().filter_map(|trace| trace.idempotency.as_ref().map(|entry| (trace, entry)));
    if let Some(latest) = latest(traces) {
        for round in rounds(entries(), |(_, entry)| entry.mark.key_hash) {
            work.push(Box::pin(upsert_idempotency(tx, tenant, latest, round)));
        }
    }
}

/// When the last of those was over that carry an `Idempotency-Key`'s answer: what expires before has expired.
pub(super) fn latest(traces: &[TraceRecord]) -> Option<Timestamp> {
    traces.iter().filter(|trace| trace.idempotency.is_some()).map(finished_at).max()
}

/// Forgets some of a tenant's rows that have expired, in a transaction of its own.
pub(super) async fn forget_expired(pool: &PgPool, tenant: TenantId, latest: Timestamp) -> Result<()> {
    let tx = pool.begin(Access::Tenant(tenant), Mode::Batch).await?;
    tx.run(FORGET_EXPIRED, &[&latest.micros(), &FORGET_MAX]).await?;
    tx.commit().await
}

/// One statement cannot write a row twice: what has the same key comes one after the other, as it came. In the order of keys.
fn rounds<T: Copy, K: Hash + Ord + Copy>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let (mut rounds, mut rest) = (Vec::new(), items.collect::<Vec<T>>());
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let (mut round, later): (Vec<T>, Vec<T>) = rest.into_iter().partition(|item| seen.insert(key(item)));
        round.sort_by_key(&key);
        rounds.push(round);
        rest = later;
    }
    rounds
}

async fn upsert_requests(tx: &PgTx, tenant: &[u8; 16], traces: Vec<&TraceRecord>) -> Result<()> {
    let ints = |of: fn(&TraceRecord) -> i64| traces.iter().map(|trace| of(trace)).collect::<Vec<i64>>();
    let details: Vec<Option<&[u8]>> =
        traces.iter().map(|trace| (!trace.sealed_detail.is_empty()).then_some(trace.sealed_detail.as_slice())).collect();
    tx.run(
        UPSERT_REQUESTS,
        &[
            &tenant.as_slice(),
            &traces.iter().map(|trace| trace.request.as_bytes().as_slice()).collect::<Vec<_>>(),
            &traces.iter().map(|trace| trace.key.as_ref().map(|key| key.as_bytes().as_slice())).collect::<Vec<_>>(),
            &ints(|trace| trace.started_at.micros()),
            &ints(|trace| int(&trace.duration_us)),
            &traces.iter().map(|trace| trace.operation.name()).collect::<Vec<_>>(),
            &traces.iter().map(|trace| text(&trace.model)).collect::<Vec<_>>(),
            &ints(|trace| int(&trace.status)),
            &ints(|trace| int(&trace.cost)),
            &details,
        ],
    )
    .await
    .map(drop)
}

async fn upsert_idempotency(
    tx: &PgTx,
    tenant: &[u8; 16],
    latest: Timestamp,
    entries: Vec<(&TraceRecord, &IdempotencyEntry)>,
) -> Result<()> {
    tx.run(
        UPSERT_IDEMPOTENCY,
        &[
            &tenant.as_slice(),
            &entries.iter().map(|(_, entry)| entry.mark.key_hash.as_slice()).collect::<Vec<_>>(),
            &entries.iter().map(|(trace, _)| trace.request.as_bytes().as_slice()).collect::<Vec<_>>(),
            &entries.iter().map(|(_, entry)| entry.mark.body_hash.as_slice()).collect::<Vec<_>>(),
            &entries.iter().map(|(trace, entry)| idempotency_state(trace, entry)).collect::<Vec<_>>(),
            &entries.iter().map(|(_, entry)| entry.expires_at.micros()).collect::<Vec<_>>(),
            &entries.iter().map(|(_, entry)| entry.sealed_transcript.as_deref()).collect::<Vec<_>>(),
            &latest.micros(),
        ],
    )
    .await
    .map(drop)
}

/// Polls all of them in their order, so that they are sent in it, and returns when all are done, with the first error.
async fn in_order(work: Vec<Work<'_>>) -> Result<()> {
    let mut pending: Vec<Option<Work<'_>>> = work.into_iter().map(Some).collect();
    let mut first_error = Ok(());
    // Answers come in the same order: what lies before this is done.
    let (mut done, mut all_sent) = (0, false);
    std::future::poll_fn(|cx: &mut Context<'_>| {
        for place in &mut pending[done..] {
            let Some(step) = place else { continue };
            match step.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    *place = None;
                    if first_error.is_ok() {
                        first_error = result;
                    }
                }
                Poll::Pending if all_sent => break,
                Poll::Pending => {}
            }
        }
        all_sent = true;
        while pending.get(done).is_some_and(Option::is_none) {
            done += 1;
        }
        if done == pending.len() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    first_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_round_has_a_key_twice() {
        let items = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (3, 'e')];
        let rounds = rounds(items.iter(), |item| item.0);
        assert_eq!(rounds, [vec![&(1, 'b'), &(2, 'd'), &(3, 'a')], vec![&(3, 'c')], vec![&(3, 'e')]]);
    }
}
