//! Finished requests.

use insula_model::{KeyId, Money, Operation, RequestId, Result, Timestamp};

use crate::{
    TraceRecord,
    query::{Rec, Row, Tx, args},
};

/// A finished request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRow {
    /// The request.
    pub request: RequestId,
    /// The key that asked; absent for a tenant token.
    pub key: Option<KeyId>,
    /// When it arrived.
    pub started_at: Timestamp,
    /// How long it took, microseconds; 0 when the process died under it.
    pub duration_us: u64,
    /// What kind of call.
    pub operation: Operation,
    /// The model as the caller named it.
    pub model: String,
    /// The HTTP status that the caller got; 0 when the process died under it.
    pub status: u16,
    /// What its attempts cost together.
    pub cost: Money,
    /// Stages, attempts and content, sealed for (`request`, `detail`, the request's id); absent when the process died
    /// under it or the disk had no room.
    pub sealed_detail: Option<Vec<u8>>,
}

impl Rec for RequestRow {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(RequestRow {
            request: row.get("request")?,
            key: row.get("key_id")?,
            started_at: row.get("started_at")?,
            duration_us: row.get("duration_us")?,
            operation: row.get("operation")?,
            model: row.get("model")?,
            status: row.get("status")?,
            cost: row.get("cost")?,
            sealed_detail: row.get("sealed_detail")?,
        })
    }
}

/// The status of a request that the process died under.
pub(super) const LOST: u16 = 0;

/// Writes a request. A record that comes a second time changes nothing; one that was noted as lost is completed.
pub(super) async fn put(tx: &mut Tx, trace: &TraceRecord) -> Result<()> {
    let sealed_detail = (!trace.sealed_detail.is_empty()).then_some(&trace.sealed_detail);
    tx.exec(
        "INSERT INTO requests (request, key_id, started_at, duration_us, operation, model, status, cost, sealed_detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (request) DO UPDATE SET started_at = excluded.started_at, \
         duration_us = excluded.duration_us, model = excluded.model, status = excluded.status, cost = excluded.cost, \
         sealed_detail = excluded.sealed_detail WHERE excluded.status <> 0",
        args![
            trace.request,
            trace.key,
            trace.started_at,
            trace.duration_us,
            trace.operation,
            trace.model,
            trace.status,
            trace.cost,
            sealed_detail,
        ],
    )
    .await?;
    Ok(())
}

/// One request.
pub(super) async fn find(tx: &mut Tx, request: RequestId) -> Result<Option<RequestRow>> {
    tx.optional(
        "SELECT request, key_id, started_at, duration_us, operation, model, status, cost, sealed_detail FROM requests \
         WHERE request = $1",
        args![request],
    )
    .await
}

/// At most `limit` requests that began before `before`, the newest first.
pub(super) async fn list(tx: &mut Tx, before: Option<RequestId>, limit: u32) -> Result<Vec<RequestRow>> {
    // Ids begin with their time, and no id is as large as this.
    let before = before.unwrap_or(RequestId::from_bytes([0xff; 16]));
    tx.all(
        "SELECT request, key_id, started_at, duration_us, operation, model, status, cost, sealed_detail FROM requests \
         WHERE request < $1 ORDER BY request DESC LIMIT $2",
        args![before, limit],
    )
    .await
}
