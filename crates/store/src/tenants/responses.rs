//! Responses that callers may ask for again and go on from.

use insula_model::{EndUserId, RequestId, Result, Timestamp};

use crate::query::{Tx, args, rec};

/// A kept response.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseRow {
    /// The request that it answered; its own id is made of that one's.
    pub response: RequestId,
    /// The response that it went on from.
    pub previous: Option<RequestId>,
    /// Whom it was made for.
    pub end_user: Option<EndUserId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it is kept.
    pub expires_at: Timestamp,
    /// The request's own items, sealed for (`responses`, `input`, the request's id).
    pub sealed_input: Vec<u8>,
    /// The response, sealed for (`responses`, `response`, the request's id).
    pub sealed_response: Vec<u8>,
}
rec!(ResponseRow { response, previous, end_user, created_at, expires_at, sealed_input, sealed_response });

/// How many responses a tenant keeps; the oldest go first.
#[derive(Debug, Clone, Copy)]
pub struct ResponsesMax {
    /// So many.
    pub count: u64,
    /// So many bytes together.
    pub bytes: u64,
}

/// How many responses a conversation may have.
const CONVERSATION_MAX: u64 = 1_000;

/// Looking through all of a tenant's responses takes time, so only one in so many does it.
const SWEPT_EVERY: u8 = 16;

/// Keeps a response, and forgets what is over: by its date at once, by the bounds now and then.
pub(super) async fn put(tx: &mut Tx, row: &ResponseRow, most: ResponsesMax, now: Timestamp) -> Result<()> {
    let bytes = (row.sealed_input.len() + row.sealed_response.len()) as u64;
    tx.exec("DELETE FROM responses WHERE expires_at <= $1", args![now]).await?;
    tx.exec(
        "INSERT INTO responses (response, previous, end_user, created_at, expires_at, bytes, sealed_input, sealed_response) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (response) DO NOTHING",
        args![
            row.response,
            row.previous,
            row.end_user,
            row.created_at,
            row.expires_at,
            bytes,
            row.sealed_input,
            row.sealed_response,
        ],
    )
    .await?;
    // Ids end with chance.
    if row.response.as_bytes()[15].is_multiple_of(SWEPT_EVERY) {
        sweep(tx, most).await?;
    }
    Ok(())
}

/// Forgets the oldest above the bounds.
pub(super) async fn sweep(tx: &mut Tx, most: ResponsesMax) -> Result<()> {
    tx.exec(
        "DELETE FROM responses WHERE response IN (SELECT response FROM (SELECT response, \
         SUM(bytes) OVER (ORDER BY response DESC) AS bytes_so_far, ROW_NUMBER() OVER (ORDER BY response DESC) AS place \
         FROM responses) AS newest_first WHERE place > $1 OR bytes_so_far > $2)",
        args![most.count, most.bytes],
    )
    .await?;
    Ok(())
}

/// One response that is still kept at `now`.
pub(super) async fn find(tx: &mut Tx, response: RequestId, now: Timestamp) -> Result<Option<ResponseRow>> {
    tx.optional(
        "SELECT response, previous, end_user, created_at, expires_at, sealed_input, sealed_response FROM responses \
         WHERE response = $1 AND expires_at > $2",
        args![response, now],
    )
    .await
}

/// A response and those that it went on from, newest first, as far as they are kept at `now`. It ends early behind `bytes_max`.
pub(super) async fn conversation(tx: &mut Tx, last: RequestId, bytes_max: u64, now: Timestamp) -> Result<Vec<ResponseRow>> {
    tx.all(
        "WITH RECURSIVE said AS (SELECT response, previous, end_user, created_at, expires_at, sealed_input, sealed_response, \
         CAST(1 AS BIGINT) AS depth, bytes AS bytes_so_far FROM responses WHERE response = $1 AND expires_at > $2 \
         UNION ALL SELECT r.response, r.previous, r.end_user, r.created_at, r.expires_at, r.sealed_input, r.sealed_response, \
         s.depth + 1, s.bytes_so_far + r.bytes FROM responses r JOIN said s ON r.response = s.previous \
         WHERE r.expires_at > $2 AND s.depth < $3 AND s.bytes_so_far <= $4) \
         SELECT response, previous, end_user, created_at, expires_at, sealed_input, sealed_response FROM said ORDER BY depth",
        args![last, now, CONVERSATION_MAX, bytes_max],
    )
    .await
}

/// Forgets a response; whether it was there.
pub(super) async fn forget(tx: &mut Tx, response: RequestId) -> Result<bool> {
    Ok(tx.exec("DELETE FROM responses WHERE response = $1", args![response]).await? > 0)
}
