//! What is known under an `Idempotency-Key`.

use insula_model::{Error, RequestId, Result, Timestamp};

use super::requests::LOST;
use crate::{
    IdempotencyEntry, TraceRecord,
    query::{Rec, Row, Tx, args},
};

/// What is known under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyRow {
    /// The request that carried it first.
    pub request: RequestId,
    /// Hash of its operation and body.
    pub body_hash: [u8; 32],
    /// What became of it.
    pub state: IdempotencyState,
    /// Until when it is honoured.
    pub expires_at: Timestamp,
}

/// What became of a request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq)]
pub enum IdempotencyState {
    /// It finished; this is replayed.
    Finished {
        /// Sealed for (`idempotency`, `transcript`, the request's id).
        sealed_transcript: Vec<u8>,
    },
    /// It finished, but its answer was too large to keep.
    TooLarge,
    /// The process died under it: it may or may not have been executed.
    Unknown,
}

const FINISHED: &str = "finished";
const TOO_LARGE: &str = "too_large";
const UNKNOWN: &str = "unknown";

impl Rec for IdempotencyRow {
    fn read(row: &Row<'_>) -> Result<Self> {
        let state = match row.get::<String>("state")?.as_str() {
            FINISHED => IdempotencyState::Finished { sealed_transcript: row.get("sealed_transcript")? },
            TOO_LARGE => IdempotencyState::TooLarge,
            UNKNOWN => IdempotencyState::Unknown,
            other => return Err(Error::internal(format!("an idempotency key is {other}"))),
        };
        Ok(IdempotencyRow {
            request: row.get("request")?,
            body_hash: row.get("body_hash")?,
            state,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// The word for what became of a request.
pub(crate) fn state(trace: &TraceRecord, entry: &IdempotencyEntry) -> &'static str {
    match (trace.status, &entry.sealed_transcript) {
        (LOST, _) => UNKNOWN,
        (_, Some(_)) => FINISHED,
        (_, None) => TOO_LARGE,
    }
}

/// Keeps what became of a request. It replaces what its own request left behind and what has expired, never another's; and
/// that nobody knows the outcome never replaces the outcome.
pub(super) async fn put(tx: &mut Tx, trace: &TraceRecord, entry: &IdempotencyEntry) -> Result<()> {
    let state = state(trace, entry);
    tx.exec(
        "INSERT INTO idempotency (key_hash, request, body_hash, state, expires_at, sealed_transcript) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key_hash) DO UPDATE SET request = excluded.request, \
         body_hash = excluded.body_hash, state = excluded.state, expires_at = excluded.expires_at, \
         sealed_transcript = excluded.sealed_transcript WHERE idempotency.expires_at <= $7 \
         OR (idempotency.request = excluded.request AND excluded.state <> 'unknown')",
        args![
            entry.mark.key_hash,
            trace.request,
            entry.mark.body_hash,
            state.to_owned(),
            entry.expires_at,
            entry.sealed_transcript,
            trace.started_at,
        ],
    )
    .await?;
    Ok(())
}

/// Forgets what is no longer honoured at `now`.
pub(super) async fn forget_expired(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.exec("DELETE FROM idempotency WHERE expires_at <= $1", args![now]).await?;
    Ok(())
}

/// What is known under a key and still honoured at `now`.
pub(super) async fn find(tx: &mut Tx, key_hash: &[u8; 32], now: Timestamp) -> Result<Option<IdempotencyRow>> {
    tx.optional(
        "SELECT request, body_hash, state, expires_at, sealed_transcript FROM idempotency \
         WHERE key_hash = $1 AND expires_at > $2",
        args![*key_hash, now],
    )
    .await
}
