//! A tenant's batches, and the lines of those that are under way.

use insula_model::{BatchId, BatchStatus, BatchTimes, BatchWait, FileId, KeyId, Operation, Result, Timestamp};

use super::{TenantStore, Written, stored_files::publish};
use crate::query::{Tx, args, aside, rec};

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Its id.
    pub id: BatchId,
    /// What each of its lines asks for.
    pub operation: Operation,
    /// How it stands.
    pub status: BatchStatus,
    /// What it waits for, where it does.
    pub waiting: Option<BatchWait>,
    /// Its requests.
    pub input_file: FileId,
    /// The answers; absent while there are none.
    pub output_file: Option<FileId>,
    /// What became of requests without an answer; absent while there are none.
    pub error_file: Option<FileId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its time runs out.
    pub expires_at: Timestamp,
    /// When it came to stand as it did.
    pub times: BatchTimes,
    /// How many lines it has; 0 until they are counted.
    pub total: u64,
    /// How many were answered.
    pub completed: u64,
    /// How many were not, and will not be.
    pub failed: u64,
    /// The key that asked for it, which its requests are put down to; absent where a token did.
    pub key_id: Option<KeyId>,
    /// The key that stands behind it: that one, or the one that issued the token.
    pub behind: Option<KeyId>,
    /// What its tenant wrote to it, sealed for (`batch`, `detail`, its id).
    pub sealed_detail: Vec<u8>,
}

rec!(BatchRow {
    id,
    operation,
    status,
    waiting,
    input_file,
    output_file,
    error_file,
    created_at,
    expires_at,
    times,
    total,
    completed,
    failed,
    key_id,
    behind,
    sealed_detail,
});

/// A line that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Its number in the file, from 0.
    pub line: u64,
    /// Whether it has no answer.
    pub failed: bool,
    /// What the output says of it, sealed for (`batch`, `line`, the batch's id and its number).
    pub sealed_result: Vec<u8>,
}

rec!(LineRow { line, failed, sealed_result });

struct Number {
    line: u64,
}

rec!(Number { line });

impl TenantStore {
    /// Adds a batch. False where the tenant has `active_max` that are not over.
    pub async fn insert_batch(&self, batch: &BatchRow, active_max: u64) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let active =
            "SELECT COUNT(*) AS line FROM batches WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling')";
        if tx.one::<Number>(active, &[]).await?.line >= active_max {
            return Ok(false);
        }
        tx.exec(
            "INSERT INTO batches (id, operation, status, waiting, input_file, output_file, error_file, created_at, expires_at, \
             times, total, completed, failed, key_id, behind, sealed_detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            args![
                batch.id,
                batch.operation,
                batch.status,
                batch.waiting,
                batch.input_file,
                batch.output_file,
                batch.error_file,
                batch.created_at,
                batch.expires_at,
                batch.times,
                batch.total,
                batch.completed,
                batch.failed,
                batch.key_id,
                batch.behind,
                batch.sealed_detail,
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One batch.
    pub async fn batch(&self, id: BatchId) -> Result<Option<BatchRow>> {
        find(&mut self.home.db().read().await?, id).await
    }

    /// At most `limit` batches, the newest first, from the one behind `after` on.
    pub async fn batches(&self, after: Option<BatchId>, limit: u32) -> Result<Vec<BatchRow>> {
        let list = "SELECT id, operation, status, waiting, input_file, output_file, error_file, created_at, expires_at, times, \
                    total, completed, failed, key_id, behind, sealed_detail FROM batches WHERE id < $1 ORDER BY id DESC LIMIT $2";
        self.home.db().read().await?.all(list, args![after.unwrap_or(BatchId::from_bytes([0xff; 16])), limit]).await
    }

    /// Moves a batch on: status, times, total and what was written to it, where it still stands as `from`. False where it does not.
    pub async fn move_batch(&self, batch: &BatchRow, from: BatchStatus) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let moved = "UPDATE batches SET status = $3, waiting = $4, times = $5, total = $6, sealed_detail = $7 \
                     WHERE id = $1 AND status = $2";
        let changes = args![batch.id, from, batch.status, batch.waiting, batch.times, batch.total, batch.sealed_detail];
        let moved = tx.exec(moved, changes).await? == 1;
        tx.commit().await?;
        Ok(moved)
    }

    /// Notes what a batch waits for.
    pub async fn note_batch_waits(&self, id: BatchId, waiting: Option<BatchWait>) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        tx.exec("UPDATE batches SET waiting = $2 WHERE id = $1", args![id, waiting]).await?;
        tx.commit().await
    }

    /// Keeps lines that are done; what is kept of a line already stays. The batch as it stands then.
    pub async fn keep_lines(&self, id: BatchId, lines: &[LineRow]) -> Result<Option<BatchRow>> {
        let mut tx = self.home.db().write().await?;
        let (mut completed, mut failed) = (0, 0);
        for line in lines {
            let kept = tx
                .exec(
                    "INSERT INTO batch_lines (batch, line, failed, sealed_result) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (batch, line) DO NOTHING",
                    args![id, line.line, line.failed, line.sealed_result],
                )
                .await?;
            *(if line.failed { &mut failed } else { &mut completed }) += kept;
        }
        let counted = "UPDATE batches SET completed = completed + $2, failed = failed + $3 WHERE id = $1";
        tx.exec(counted, args![id, completed, failed]).await?;
        let batch = find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(batch)
    }

    /// The numbers of the lines that are done.
    pub async fn lines_done(&self, id: BatchId) -> Result<Vec<u64>> {
        let done = "SELECT line FROM batch_lines WHERE batch = $1 ORDER BY line";
        let done: Vec<Number> = self.home.db().read().await?.all(done, args![id]).await?;
        Ok(done.into_iter().map(|number| number.line).collect())
    }

    /// At most `limit` lines that are done, in their order, from number `from` on.
    pub async fn lines(&self, id: BatchId, from: u64, limit: u32) -> Result<Vec<LineRow>> {
        let lines =
            "SELECT line, failed, sealed_result FROM batch_lines WHERE batch = $1 AND line >= $2 ORDER BY line LIMIT $3";
        self.home.db().read().await?.all(lines, args![id, from, limit]).await
    }

    /// Ends a batch that stands as `from`: shows its output, and forgets its lines, which are in there. False where it does not
    /// stand so any more.
    pub async fn end_batch(&self, batch: &BatchRow, from: BatchStatus, written: &[Written]) -> Result<bool> {
        let (store, batch, written) = (self.clone(), batch.clone(), written.to_vec());
        // Many large rows go.
        aside(async move {
            let mut tx = store.home.db().write().await?;
            let ended = "UPDATE batches SET status = $3, waiting = NULL, times = $4, output_file = $5, error_file = $6, sealed_detail = $7 \
                         WHERE id = $1 AND status = $2";
            let changes = args![batch.id, from, batch.status, batch.times, batch.output_file, batch.error_file, batch.sealed_detail];
            if tx.exec(ended, changes).await? == 0 {
                return Ok(false);
            }
            for file in written {
                publish(&mut tx, file).await?;
            }
            tx.exec("DELETE FROM batch_lines WHERE batch = $1", args![batch.id]).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }
}

async fn find(tx: &mut Tx, id: BatchId) -> Result<Option<BatchRow>> {
    let find = "SELECT id, operation, status, waiting, input_file, output_file, error_file, created_at, expires_at, times, total, \
                completed, failed, key_id, behind, sealed_detail FROM batches WHERE id = $1";
    tx.optional(find, args![id]).await
}
