//! What dead nodes leave behind, settled by those that live.
//!
//! A node that was not heard of for ten seconds is fenced: its epoch rises, so that nothing is begun under the old one any more.
//! Then its open attempts become estimates, first in their tenants' tables (their `Idempotency-Key` as used), then in the
//! ledger and the accounts together with everything that the node leased. Last of all its row goes, and with that it may join
//! again. Each step can be repeated, by anybody and by several at once: an attempt is settled by whoever deletes its row.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use insula_model::{AttemptId, Clock, Error, Result, Subject, TenantId, Timestamp, Window};
use tokio::task::AbortHandle;

use super::{
    Cluster, DEAD_AFTER, LEDGER_LOCK, LeaseMove, Unit, WindowKey,
    register::{Settlement, write_traces},
};
use crate::{
    fold::lost,
    postgres::{Access, Mode, PgPool, PgTx},
    query::{args, rec},
    records::{Begin, End, TraceRecord},
};

/// How often a node looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Every how many looks what no node on the list has left behind is looked for.
const ORPHANS_EVERY: u32 = 15;
/// Attempts in one transaction.
const CHUNK: i64 = 1_000;

/// Looks for dead nodes for as long as it lives.
pub(crate) struct Sweeper(AbortHandle);

impl Sweeper {
    /// Starts to look, on connections of `pool`, which reach tenants' tables too. Estimates are dated by `clock`.
    pub(crate) fn start(cluster: Cluster, pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        Self(tokio::spawn(run(cluster, pool, clock)).abort_handle())
    }
}

impl Sweeper {
    /// Looks no more.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(cluster: Cluster, pool: PgPool, clock: Arc<dyn Clock>) {
    let (mut looks, mut failing) = (0, false);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // After an outage nobody is swept before all had the time to beat again.
        if cluster.steady_for().is_none_or(|steady| steady < DEAD_AFTER) {
            continue;
        }
        let swept = async {
            if looks % ORPHANS_EVERY == 0 {
                adopt(&pool).await?;
            }
            sweep(&pool, cluster.node(), &*clock).await
        };
        let swept = swept.await;
        looks += 1;
        if let Err(error) = &swept
            && !failing
        {
            let cause = error.private_source().map(ToString::to_string);
            tracing::warn!(%error, cause, "what a dead node left behind cannot be settled; it is tried again");
        }
        failing = swept.is_err();
    }
}

/// A node that was declared dead.
struct Fenced {
    id: Vec<u8>,
    /// Above every epoch under which it wrote.
    epoch: i64,
}

/// Declares nodes dead that `node` has not heard of, and clears away what they left.
pub(super) async fn sweep(pool: &PgPool, node: [u8; 16], clock: &dyn Clock) -> Result<()> {
    for fenced in fence(pool, node).await? {
        clear(pool, &fenced, clock).await?;
    }
    Ok(())
}

/// Clears away what `node` left when it was fenced, if it was: for the node itself, which may join again then.
pub(super) async fn clear_up(pool: &PgPool, node: [u8; 16], clock: &dyn Clock) -> Result<()> {
    let tx = pool.begin(Access::Control, Mode::Read).await?;
    let fenced = tx.rows("SELECT id, epoch FROM nodes WHERE id = $1 AND swept_epoch = epoch", &[&node.as_slice()]).await?;
    drop(tx);
    for row in &fenced {
        clear(pool, &Fenced { id: row.get("id"), epoch: row.get("epoch") }, clock).await?;
    }
    Ok(())
}

/// Puts nodes on the list, as dead ones, that are not on it and left something behind all the same.
pub(super) async fn adopt(pool: &PgPool) -> Result<()> {
    let adopt = "INSERT INTO nodes (id, epoch, beat_at, generation, started_at, swept_epoch) \
        SELECT node, MAX(epoch) + 1, to_timestamp(0), 0, 0, MAX(epoch) + 1 FROM (SELECT node, epoch FROM begun_attempts \
        UNION ALL SELECT node, 0 FROM budget_leases WHERE amount > 0) AS left_behind \
        WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE id = node) GROUP BY node ON CONFLICT (id) DO NOTHING";
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    tx.run(adopt, &[]).await?;
    tx.commit().await
}

/// Raises the epochs of nodes that were not heard of, once each, and names all that are to be cleared away. A node on whose
/// row somebody works is left for the next look.
async fn fence(pool: &PgPool, node: [u8; 16]) -> Result<Vec<Fenced>> {
    // FOR UPDATE, not the weaker lock of an UPDATE: who begins an attempt holds the row FOR KEY SHARE.
    let lock = "SELECT id FROM nodes WHERE id <> $1 AND beat_at < clock_timestamp() - make_interval(secs => $2) \
        ORDER BY id FOR UPDATE SKIP LOCKED";
    // One that is fenced already has both at the same number; no beat of it is counted any more.
    let raise =
        "UPDATE nodes SET epoch = epoch + 1, swept_epoch = epoch + 1 WHERE id = ANY($1::bytea[]) AND swept_epoch < epoch";
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    let dead = tx.rows(lock, &[&node.as_slice(), &DEAD_AFTER.as_secs_f64()]).await?;
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let dead: Vec<&[u8]> = dead.iter().map(|row| row.get("id")).collect();
    let raised = tx.run(raise, &[&dead]).await?;
    let rows = tx.rows("SELECT id, epoch FROM nodes WHERE id = ANY($1::bytea[])", &[&dead]).await?;
    tx.commit().await?;
    if raised > 0 {
        tracing::warn!(nodes = raised, "nodes were not heard of and are taken for dead");
    }
    Ok(rows.iter().map(|row| Fenced { id: row.get("id"), epoch: row.get("epoch") }).collect())
}

/// Settles what a fenced node left behind, and takes it off the list.
async fn clear(pool: &PgPool, fenced: &Fenced, clock: &dyn Clock) -> Result<()> {
    loop {
        let left = read(pool, fenced).await?;
        write_lost_traces(pool, &left).await?;
        if !settle(pool, fenced, &left, clock).await? {
            return Ok(());
        }
    }
}

/// An attempt that a dead node had open. Without a record nothing was sent: it only held leases until they were given back.
type Left = (AttemptId, Option<Begin>);

async fn read(pool: &PgPool, fenced: &Fenced) -> Result<Vec<Left>> {
    let sql = "SELECT attempt, record FROM begun_attempts WHERE node = $1 AND epoch < $2 ORDER BY attempt LIMIT $3";
    let tx = pool.begin(Access::Control, Mode::Read).await?;
    let rows = tx.rows(sql, &[&fenced.id, &fenced.epoch, &CHUNK]).await?;
    let left = rows.iter().map(|row| {
        let attempt: &[u8] = row.try_get("attempt").map_err(Error::internal)?;
        let record: &[u8] = row.try_get("record").map_err(Error::internal)?;
        let begin = (!record.is_empty()).then(|| Begin::from_kept(record)).transpose()?;
        Ok((AttemptId::from_bytes(attempt.try_into().map_err(Error::internal)?), begin))
    });
    left.collect()
}

/// Before their rows go: those keep twins away.
async fn write_lost_traces(pool: &PgPool, left: &[Left]) -> Result<()> {
    let mut by_tenant: BTreeMap<TenantId, Vec<TraceRecord>> = BTreeMap::new();
    for begin in left.iter().filter_map(|(_, begin)| begin.as_ref()) {
        by_tenant.entry(begin.tenant).or_default().push(lost::trace(begin, begin.reserved));
    }
    let parts: Vec<(TenantId, &[TraceRecord])> = by_tenant.iter().map(|(tenant, traces)| (*tenant, &traces[..])).collect();
    write_traces(pool, &parts).await
}

/// Settles attempts of a fenced node as estimates, and with the last of them returns everything that it leased and takes it off
/// the list. Whether there may be more to do.
async fn settle(pool: &PgPool, fenced: &Fenced, left: &[Left], clock: &dyn Clock) -> Result<bool> {
    let mut tx = pool.begin(Access::Control, Mode::Batch).await?;
    tx.run("SELECT pg_advisory_xact_lock_shared($1)", &[&LEDGER_LOCK]).await?;
    let stands = "SELECT 1 FROM nodes WHERE id = $1 AND epoch = $2 \
        AND beat_at < clock_timestamp() - make_interval(secs => $3) FOR UPDATE";
    if tx.rows(stands, &[&fenced.id, &fenced.epoch, &DEAD_AFTER.as_secs_f64()]).await?.is_empty() {
        // Another node was faster.
        return Ok(false);
    }
    let taken = take(&tx, fenced, left).await?;
    let lost: Vec<(&Begin, End)> = left
        .iter()
        .filter(|(attempt, _)| taken.contains(&attempt.as_bytes().to_vec()))
        .filter_map(|(_, begin)| begin.as_ref().map(|begin| (begin, lost::end(begin, clock.now()))))
        .collect();
    let mut settlement = Settlement::default();
    for (begin, end) in &lost {
        settlement.end(begin, end);
    }
    let more = "SELECT 1 FROM begun_attempts WHERE node = $1 AND epoch < $2 LIMIT 1";
    let is_last = tx.rows(more, &[&fenced.id, &fenced.epoch]).await?.is_empty();
    if is_last {
        settlement.free(&leases(&mut tx, fenced).await?);
    }
    let id: [u8; 16] = fenced.id[..].try_into().map_err(Error::internal)?;
    settlement.write(&tx, &id).await?;
    if is_last {
        tx.run("DELETE FROM budget_leases WHERE node = $1", &[&fenced.id]).await?;
        tx.run("DELETE FROM nodes WHERE id = $1", &[&fenced.id]).await?;
    }
    tx.commit().await?;
    if !lost.is_empty() {
        tracing::warn!(attempts = lost.len(), "attempts of a dead node are settled as estimates");
    }
    Ok(!is_last)
}

/// Deletes rows of attempts, which whoever deletes them settles; which of them are to be settled. One that has a ledger row
/// already, whatever happened to it, is not.
async fn take(tx: &PgTx, fenced: &Fenced, left: &[Left]) -> Result<Vec<Vec<u8>>> {
    let attempts: Vec<&[u8]> = left.iter().map(|(attempt, _)| attempt.as_bytes().as_slice()).collect();
    let take = "WITH taken AS (DELETE FROM begun_attempts WHERE attempt = ANY($1::bytea[]) AND node = $2 AND epoch < $3 \
        RETURNING attempt) SELECT attempt FROM taken t \
        WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.attempt = t.attempt AND l.correction = 0)";
    let rows = tx.rows(take, &[&attempts, &fenced.id, &fenced.epoch]).await?;
    rows.iter().map(|row| row.try_get(0).map_err(Error::internal)).collect()
}

/// What a node leases of one window.
struct Lease {
    subject: Subject,
    span: Window,
    unit: String,
    starts_at: Timestamp,
    amount: i64,
}
rec!(Lease { subject, span, unit, starts_at, amount });

async fn leases(tx: &mut PgTx, fenced: &Fenced) -> Result<Vec<LeaseMove>> {
    let sql = "SELECT subject, span, unit, starts_at, amount FROM budget_leases WHERE node = $1 AND amount > 0";
    let leases: Vec<Lease> = tx.all(sql, args![fenced.id]).await?;
    let moved = |Lease { subject, span, unit, starts_at, amount }| {
        let unit = if unit == Unit::Usd.name() { Unit::Usd } else { Unit::Tokens };
        let key = WindowKey { subject, window: span, unit, starts_at };
        LeaseMove { key, consumed: 0, returned: amount }
    };
    Ok(leases.into_iter().map(moved).collect())
}
