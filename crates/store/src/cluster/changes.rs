//! What of the directory changed, in order, and how far each node has read.
//!
//! A change is noted in the transaction that makes it. Such transactions happen one at a time over all nodes, so numbers
//! become visible in their order: whoever has seen number n has seen all below.

use std::collections::BTreeSet;

use insula_model::{Error, Result, TenantId};

use tokio::sync::broadcast::{self, error::RecvError};

use super::{CHANGED, Cluster, DEAD_AFTER};
use crate::{
    postgres::{Access, Mode, Notice},
    query::Tx,
};

/// Changes that are kept for nodes that are behind; one that is further behind reads everything again.
const KEPT_MAX: i64 = 100_000;

/// What must be read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Whoever reads these again knows everything up to here.
    pub generation: u64,
    /// Of these tenants: their records, keys, limits and budgets.
    pub tenants: BTreeSet<TenantId>,
    /// What belongs to no tenant: operators' keys, the platform's budgets, plans and segments.
    pub platform: bool,
    /// Everything: too much has changed meanwhile.
    pub all: bool,
}

/// Notes that something of `tenant`, or without one of the platform, changes with this transaction. On one node alone nobody
/// has to be told.
pub(crate) async fn note(tx: &mut Tx, tenant: Option<TenantId>) -> Result<()> {
    match tx {
        Tx::Sqlite(_) => Ok(()),
        Tx::Postgres(tx) => {
            let tenant = tenant.as_ref().map(|tenant| tenant.as_bytes().as_slice());
            tx.run("INSERT INTO changes (tenant) VALUES ($1)", &[&tenant]).await.map(drop)
        }
    }
}

impl Cluster {
    /// What changed after `generation`.
    pub async fn changes_since(&self, generation: u64) -> Result<Changes> {
        let known = i64::try_from(generation).map_err(Error::internal)?;
        let tx = self.pool().begin(Access::Control, Mode::Read).await?;
        let bounds = tx.rows("SELECT MIN(generation) AS first, MAX(generation) AS last FROM changes", &[]).await?;
        let bound = |name: &str| bounds.first().and_then(|row| row.get::<_, Option<i64>>(name));
        let (Some(first), Some(last)) = (bound("first"), bound("last")) else {
            return Ok(Changes { generation: 0, all: known > 0, ..Changes::default() });
        };
        // Fewer than this node has seen: the database is not the one that it was, after a failover or a restore.
        let all = first > known + 1 || last < known;
        let mut changes = Changes { generation: number(last), all, ..Changes::default() };
        if changes.all || last == known {
            return Ok(changes);
        }
        let sql = "SELECT DISTINCT tenant FROM changes WHERE generation > $1";
        for row in tx.rows(sql, &[&known]).await? {
            match row.get::<_, Option<&[u8]>>("tenant") {
                None => changes.platform = true,
                Some(id) => drop(changes.tenants.insert(TenantId::from_bytes(id.try_into().map_err(Error::internal)?))),
            }
        }
        Ok(changes)
    }

    /// The number of the latest change.
    pub async fn latest_change(&self) -> Result<u64> {
        let tx = self.pool().begin(Access::Control, Mode::Read).await?;
        let rows = tx.rows("SELECT COALESCE(MAX(generation), 0) AS last FROM changes", &[]).await?;
        Ok(rows.first().map_or(0, |row| number(row.get("last"))))
    }

    /// Tells all nodes, this one included, that something changed: for installations where no coordination does.
    pub async fn announce_change(&self) -> Result<()> {
        let tx = self.pool().begin(Access::Control, Mode::Batch).await?;
        tx.rows("SELECT pg_notify($1, '')", &[&CHANGED]).await?;
        tx.commit().await
    }

    /// What nodes announce from now on.
    pub fn change_notices(&self) -> ChangeNotices {
        ChangeNotices(self.notices())
    }

    /// Says that this node acts on everything up to `generation`.
    pub async fn acknowledge(&self, generation: u64) -> Result<()> {
        let generation = i64::try_from(generation).map_err(Error::internal)?;
        let tx = self.pool().begin(Access::Control, Mode::Batch).await?;
        tx.run("UPDATE nodes SET generation = $2 WHERE id = $1", &[&self.node().as_slice(), &generation]).await?;
        // Whoever needs one of these reads everything again.
        tx.run("DELETE FROM changes WHERE generation <= $1", &[&(generation - KEPT_MAX)]).await?;
        tx.commit().await
    }

    /// Whether every node that counts as alive has acknowledged `generation`.
    pub async fn all_have_seen(&self, generation: u64) -> Result<bool> {
        let generation = i64::try_from(generation).map_err(Error::internal)?;
        let tx = self.pool().begin(Access::Control, Mode::Read).await?;
        let rows = tx
            .rows(
                "SELECT 1 FROM nodes WHERE generation < $1 \
                 AND beat_at > clock_timestamp() - make_interval(secs => $2) LIMIT 1",
                &[&generation, &DEAD_AFTER.as_secs_f64()],
            )
            .await?;
        Ok(rows.is_empty())
    }
}

/// What nodes tell of changes, as it comes.
pub struct ChangeNotices(broadcast::Receiver<Notice>);

impl ChangeNotices {
    /// Returns true when something changed or may have, false once nothing is told any more.
    pub async fn next(&mut self) -> bool {
        loop {
            match self.0.recv().await {
                Ok(Notice::Told { channel, .. }) if channel == CHANGED => return true,
                Ok(Notice::Told { .. }) => {}
                Ok(Notice::Resumed) | Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        }
    }
}

fn number(generation: i64) -> u64 {
    u64::try_from(generation).unwrap_or(0)
}
