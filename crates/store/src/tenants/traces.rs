//! What the fold writes into a tenant's file, one transaction a batch.

use std::time::Duration;

use insula_model::{Result, Timestamp};

use super::{idempotency, requests};
use crate::{TraceRecord, query::Db};

/// Writes requests and the answers that are kept for replay. A record with status 0 is of a request that the process died
/// under: what else is known of that request stays, and its idempotency key is noted as used with an unknown outcome.
pub(super) async fn put_traces(db: &Db, traces: &[TraceRecord]) -> Result<()> {
    let Some(latest) = traces.iter().map(finished_at).max() else { return Ok(()) };
    let mut tx = db.write().await?;
    for trace in traces {
        requests::put(&mut tx, trace).await?;
        if let Some(entry) = &trace.idempotency {
            idempotency::put(&mut tx, trace, entry).await?;
        }
    }
    idempotency::forget_expired(&mut tx, latest).await?;
    tx.commit().await
}

/// The fold has no clock; a trace says when its request ended.
pub(crate) fn finished_at(trace: &TraceRecord) -> Timestamp {
    trace.started_at.plus(Duration::from_micros(trace.duration_us))
}
