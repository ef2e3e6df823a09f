//! Work that goes on without its caller: which node does which.

use insula_model::{Result, RunKind, TenantId, Timestamp};

use super::{Control, tenants::refuse_gone};
use crate::query::{Tx, Val, args, rec};

/// Work that is not over. Whoever claimed it does it until `claimed_until`, unless the claim is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What is done.
    pub kind: RunKind,
    /// To what: the id of a batch, a document, or the tenant itself.
    pub id: [u8; 16],
    /// Whose it is.
    pub tenant: TenantId,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// Up to when it is somebody's. Also what tells one claim from the next.
    pub claimed_until: Timestamp,
}

rec!(Run { kind, id, tenant, queued_at, claimed_until });

/// Of each tenant the first ones of a kind, those that are under way included in the count. Tenants take turns, in the order of their
/// ids from the one behind `$5` on, so that nobody waits for all that another has queued.
const FREE: &str = "SELECT kind, id, tenant, queued_at, claimed_until FROM (SELECT kind, id, tenant, queued_at, claimed_until, \
                    ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY id) AS place FROM runs WHERE kind = $4) r \
                    WHERE place <= $2 AND claimed_until <= $1 \
                    ORDER BY place, CASE WHEN tenant > $5 THEN 0 ELSE 1 END, tenant, id LIMIT $3";

/// How much of a kind of work may be under way.
#[derive(Debug, Clone, Copy)]
pub struct RunsMax {
    /// Runs that are taken now.
    pub runs: u32,
    /// Runs of one tenant, over all nodes.
    pub per_tenant: u32,
}

impl Control {
    /// Notes work to be done, before its tenant's own data says what it is. `NotFound` once the tenant is being erased.
    pub async fn queue_run(&self, kind: RunKind, tenant: TenantId, id: [u8; 16], now: Timestamp) -> Result<()> {
        self.queue_claimed_run(Run { kind, id, tenant, queued_at: now, claimed_until: now }).await
    }

    /// Notes work that whoever asks for it does until `claimed_until`; somebody else does it afterwards unless it is forgotten before.
    /// `NotFound` once the tenant is being erased.
    pub async fn queue_claimed_run(&self, run: Run) -> Result<()> {
        let Run { kind, id, tenant, queued_at, claimed_until } = run;
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let insert = "INSERT INTO runs (kind, id, tenant, queued_at, claimed_until) VALUES ($1, $2, $3, $4, $5)";
        tx.exec(insert, args![kind, id, tenant, queued_at, claimed_until]).await?;
        tx.commit().await
    }

    /// The same for many of a tenant at once.
    pub async fn queue_runs(&self, kind: RunKind, tenant: TenantId, ids: &[[u8; 16]], now: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let insert = "INSERT INTO runs (kind, id, tenant, queued_at, claimed_until) VALUES ($1, $2, $3, $4, $4)";
        for id in ids {
            tx.exec(insert, args![kind, *id, tenant, now]).await?;
        }
        tx.commit().await
    }

    /// Notes work to be done at once, also where it is noted already for a later time, or is being done: then it is done once more.
    pub async fn queue_run_again(&self, kind: RunKind, tenant: TenantId, id: [u8; 16], now: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let insert = "INSERT INTO runs (kind, id, tenant, queued_at, claimed_until) VALUES ($1, $2, $3, $4, $4) \
                      ON CONFLICT (id) DO UPDATE SET queued_at = $4, claimed_until = $4";
        tx.exec(insert, args![kind, id, tenant, now]).await?;
        tx.commit().await
    }

    /// The same, but one that is noted already stays as it is, whoever has it.
    pub async fn ensure_run(&self, kind: RunKind, tenant: TenantId, id: [u8; 16], now: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let insert = "INSERT INTO runs (kind, id, tenant, queued_at, claimed_until) VALUES ($1, $2, $3, $4, $4) \
                      ON CONFLICT (id) DO NOTHING";
        tx.exec(insert, args![kind, id, tenant, now]).await?;
        tx.commit().await
    }

    /// Takes work of a kind that is nobody's at `now` until `until`. Those tenants are asked first that come behind `after`: whose work was
    /// taken last.
    pub async fn claim_runs(
        &self,
        kind: RunKind,
        now: Timestamp,
        until: Timestamp,
        most: RunsMax,
        after: TenantId,
    ) -> Result<Vec<Run>> {
        // Most of the time nothing is free, and then nobody has to wait for a turn to write.
        if free(&mut self.db.read().await?, kind, now, most, after).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.write().await?;
        let mut claimed = Vec::new();
        for run in free(&mut tx, kind, now, most, after).await? {
            if claim(&mut tx, &run, until).await? {
                claimed.push(Run { claimed_until: until, ..run });
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Prolongs a claim, or with an earlier `until` gives it up; false where it is somebody else's by now.
    pub async fn renew_run(&self, run: &Run, until: Timestamp) -> Result<bool> {
        let mut tx = self.db.write().await?;
        let is_ours = claim(&mut tx, run, until).await?;
        tx.commit().await?;
        Ok(is_ours)
    }

    /// Forgets work that is over, or never came to be.
    pub async fn forget_run(&self, id: [u8; 16]) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("DELETE FROM runs WHERE id = $1", args![id]).await?;
        tx.commit().await
    }

    /// The same for much of it at once.
    pub async fn forget_runs(&self, ids: &[[u8; 16]]) -> Result<()> {
        let mut tx = self.db.write().await?;
        let rows: Vec<Vec<Val<'_>>> = ids.iter().map(|id| vec![Val::bytes(id)]).collect();
        tx.exec_all("DELETE FROM runs WHERE id = $1", &rows).await?;
        tx.commit().await
    }

    /// Forgets work that whoever has this claim found to be over. It stays where it was queued again meanwhile.
    pub async fn finish_run(&self, run: &Run) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("DELETE FROM runs WHERE id = $1 AND claimed_until = $2", args![run.id, run.claimed_until]).await?;
        tx.commit().await
    }

    /// Makes all work of a kind nobody's: where one process serves alone, whoever claimed it is gone when it starts.
    pub async fn free_runs(&self, kind: RunKind) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("UPDATE runs SET claimed_until = queued_at WHERE kind = $1", args![kind]).await?;
        tx.commit().await
    }
}

async fn free(tx: &mut Tx, kind: RunKind, now: Timestamp, most: RunsMax, after: TenantId) -> Result<Vec<Run>> {
    tx.all(FREE, args![now, most.per_tenant, most.runs, kind, after]).await
}

/// False where another node was faster.
async fn claim(tx: &mut Tx, run: &Run, until: Timestamp) -> Result<bool> {
    let update = "UPDATE runs SET claimed_until = $3 WHERE id = $1 AND claimed_until = $2";
    Ok(tx.exec(update, args![run.id, run.claimed_until, until]).await? == 1)
}
