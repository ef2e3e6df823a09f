//! Batches that are not over: which node runs which.

use insula_model::{BatchId, Result, TenantId, Timestamp};

use super::{Control, tenants::refuse_gone};
use crate::query::{Tx, args, rec};

/// A batch that is not over. Whoever claimed it runs it until `claimed_until`, unless the claim is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRun {
    /// Which batch.
    pub batch: BatchId,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// Up to when it is somebody's. Also what tells one claim from the next.
    pub claimed_until: Timestamp,
}

rec!(BatchRun { batch, tenant, queued_at, claimed_until });

/// Of each tenant the first ones, those that are under way included in the count; those first that were free longest.
const FREE: &str = "SELECT batch, tenant, queued_at, claimed_until FROM (SELECT batch, tenant, queued_at, claimed_until, \
                    ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY batch) AS place FROM batch_runs) r \
                    WHERE place <= $2 AND claimed_until <= $1 ORDER BY claimed_until, batch LIMIT $3";

impl Control {
    /// Notes a batch to be run, before its tenant's own data says what it is. `NotFound` once the tenant is being erased.
    pub async fn queue_batch(&self, tenant: TenantId, batch: BatchId, now: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let insert = "INSERT INTO batch_runs (batch, tenant, queued_at, claimed_until) VALUES ($1, $2, $3, $3)";
        tx.exec(insert, args![batch, tenant, now]).await?;
        tx.commit().await
    }

    /// Takes up to `runs_max` batches that are nobody's at `now` until `until`; of each tenant at most `per_tenant_max` run.
    pub async fn claim_batches(
        &self,
        now: Timestamp,
        until: Timestamp,
        per_tenant_max: u32,
        runs_max: u32,
    ) -> Result<Vec<BatchRun>> {
        // Most of the time nothing is free, and then nobody has to wait for a turn to write.
        if free(&mut self.db.read().await?, now, per_tenant_max, runs_max).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.write().await?;
        let mut claimed = Vec::new();
        for run in free(&mut tx, now, per_tenant_max, runs_max).await? {
            if claim(&mut tx, &run, until).await? {
                claimed.push(BatchRun { claimed_until: until, ..run });
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Prolongs a claim, or with an earlier `until` gives it up; false where it is somebody else's by now.
    pub async fn renew_batch(&self, run: &BatchRun, until: Timestamp) -> Result<bool> {
        let mut tx = self.db.write().await?;
        let is_ours = claim(&mut tx, run, until).await?;
        tx.commit().await?;
        Ok(is_ours)
    }

    /// Forgets a batch that is over, or never came to be.
    pub async fn forget_batch(&self, batch: BatchId) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("DELETE FROM batch_runs WHERE batch = $1", args![batch]).await?;
        tx.commit().await
    }

    /// Makes all batches nobody's: where one process serves alone, whoever claimed them is gone when it starts.
    pub async fn free_batches(&self) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("UPDATE batch_runs SET claimed_until = queued_at", &[]).await?;
        tx.commit().await
    }
}

async fn free(tx: &mut Tx, now: Timestamp, per_tenant_max: u32, runs_max: u32) -> Result<Vec<BatchRun>> {
    tx.all(FREE, args![now, per_tenant_max, runs_max]).await
}

/// False where another node was faster.
async fn claim(tx: &mut Tx, run: &BatchRun, until: Timestamp) -> Result<bool> {
    let update = "UPDATE batch_runs SET claimed_until = $3 WHERE batch = $1 AND claimed_until = $2";
    Ok(tx.exec(update, args![run.batch, run.claimed_until, until]).await? == 1)
}
