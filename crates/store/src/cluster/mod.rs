//! This node among the others that share a database.
//!
//! - [`nodes`]: who is alive. A node beats every three seconds; one that has not been heard of for ten is declared dead by
//!   another, and everything that it wrote under its epoch is from then on refused.
//! - [`leases`]: how much of a shared budget each node may spend without asking.
//! - [`changes`]: what of tenants, keys, limits and budgets must be read again, and who has.
//!
//! What decides is always the database, by its own clock; nodes agree on nothing between themselves.

mod changes;
mod leases;
mod nodes;
pub(crate) mod register;
pub(crate) mod sweeper;
mod windows;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Random, Result, Timestamp};
use tokio::sync::{broadcast, watch};

pub use self::changes::{ChangeNotices, Changes};
pub(crate) use self::leases::{after_settlements, before_budgets_change, follow_budgets};
use self::nodes::Membership;
pub(crate) use self::{
    changes::note,
    windows::{WindowColumns, forget_windows, subject_bytes},
};
pub use self::{
    leases::{Leases, Recall, Recalls, WindowState},
    windows::{LeaseMove, Unit, WindowKey},
};
use crate::postgres::{Access, Listener, Mode, Notice, PgPool, PostgresUrl};

/// How often a node says that it is alive.
pub(crate) const BEAT_EVERY: Duration = Duration::from_secs(3);
/// How long after its last confirmed beat a node stops spending. Less than [`DEAD_AFTER`], so that it stops before it is
/// declared dead, however the two clocks drift within seconds.
pub(crate) const SPEND_MAX: Duration = Duration::from_secs(7);
/// After how long without a beat, by the database's clock, a node is declared dead.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Held shared, to its end, by whatever moves `spend_hour` or the stored budgets; alone by who makes windows of them.
pub(crate) const LEDGER_LOCK: i64 = 0x1a5a_0002;

/// Channels on which nodes tell each other through the database.
pub(crate) const RECALL: &str = "insula_recall";
/// Where coordination knows one node alone, changes are told here.
pub(crate) const CHANGED: &str = "insula_changed";
const CHANNELS: &[&str] = &[RECALL, CHANGED];

/// This node among the others. Clones are the same.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    /// For the cluster's own work, so that no beat waits behind requests.
    pool: PgPool,
    membership: Arc<Membership>,
    leases: Leases,
    listener: Listener,
}

impl Cluster {
    /// Joins the nodes that share the database of `pool`, and keeps beating until it leaves.
    pub(crate) async fn join(
        pool: PgPool,
        url: PostgresUrl,
        connect_max: Duration,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self> {
        let membership = Membership::join(pool.clone(), clock, random).await?;
        let listener = Listener::start(url, connect_max, CHANNELS);
        let leases = Leases::new(pool.clone(), membership.id(), listener.notices());
        Ok(Self(Arc::new(Inner { pool, membership, leases, listener })))
    }

    /// Connections for the cluster's own work.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// This node's id: new with every start.
    pub(crate) fn node(&self) -> [u8; 16] {
        self.0.membership.id()
    }

    /// Under which epoch this node writes. It rises when the node was declared dead and joined again.
    pub fn epoch(&self) -> u64 {
        self.0.membership.epoch()
    }

    /// Tells when this node lost its standing: whatever it leased and had under way was settled by others.
    pub fn epochs(&self) -> watch::Receiver<u64> {
        self.0.membership.epochs()
    }

    /// How many nodes were alive at the last beat, this one included.
    pub fn live_nodes(&self) -> u32 {
        self.0.membership.live_nodes()
    }

    /// Since when this node's beats were confirmed without a gap; `None` while they are not.
    pub(crate) fn steady_for(&self) -> Option<Duration> {
        self.0.membership.steady_for()
    }

    /// Refuses while this node cannot know that it still counts as alive.
    ///
    /// # Errors
    /// `Unavailable` when the last confirmed beat is more than seven seconds old, or the node is about to join again.
    pub fn may_spend(&self) -> Result<()> {
        self.0.membership.may_spend()
    }

    /// What this node leases of shared budgets.
    pub fn leases(&self) -> &Leases {
        &self.0.leases
    }

    /// What other nodes tell through the database.
    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.listener.notices()
    }

    /// What the database's clock shows.
    pub async fn database_time(&self) -> Result<Timestamp> {
        let tx = self.0.pool.begin(Access::Control, Mode::Read).await?;
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros";
        let rows = tx.rows(sql, &[]).await?;
        Ok(Timestamp::from_micros(rows.first().map_or(0, |row| row.get("micros"))))
    }

    /// Stops beating and takes this node off the list, unless attempts of it are still open: those are left to the others.
    pub(crate) async fn leave(&self) -> Result<()> {
        self.0.membership.leave().await
    }
}
