//! The nodes, whose requests are made, and what is asked of the database.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use serde_json::json;
use tokio_postgres::Client;

use crate::cluster::{Cluster, ClusterSetup};
use crate::load::{Addresses, What, ask};
use crate::tenant::TestTenant;
use crate::wait::eventually_within;

use super::NODES;

/// Beats come every three seconds; a node of which none came for so long does not beat.
const SILENT_S: f64 = 5.5;
/// Within this after a death, nothing of the dead may be left.
const SWEPT_WITHIN: Duration = Duration::from_secs(60);
/// Within this after it wakes up, a node must serve.
const SERVES_WITHIN: Duration = Duration::from_secs(30);

/// Windows whose shares do not add up to what is leased of them, or whose settled sum is not the spend of their hours.
const UNSOUND_WINDOWS: &str = "SELECT count(*) FROM insula_control.budget_windows w WHERE leased <> (SELECT COALESCE(SUM(amount), 0) \
    FROM insula_control.budget_leases l WHERE (l.subject, l.span, l.unit, l.starts_at) = (w.subject, w.span, w.unit, w.starts_at)) \
    OR settled <> (SELECT COALESCE(SUM(CASE w.unit WHEN 'usd' THEN h.money ELSE h.tokens END), 0) FROM insula_control.spend_hour h \
    WHERE h.subject = w.subject AND h.hour >= w.starts_at AND h.hour < w.starts_at + CASE w.span WHEN 'hour' THEN 3600000000 \
    WHEN 'day' THEN 86400000000 ELSE 2678400000000 END)";

/// A node as the list of nodes had it when it died.
#[derive(Debug, Clone)]
pub struct Dead {
    /// Its id.
    pub id: Vec<u8>,
    /// Under which it wrote.
    pub epoch: i64,
}

/// Everything that a round needs.
pub struct World {
    pub cluster: Cluster,
    pub addresses: Addresses,
    /// Whose requests are made.
    pub tenants: Vec<TestTenant>,
    /// Whose seats are all taken.
    pub crowded: TestTenant,
    admin: Client,
}

impl World {
    pub async fn start() -> World {
        let cluster = ClusterSetup::new(NODES).start().await;
        cluster.scenario(World::quick());
        let mut tenants = Vec::new();
        for slug in ["chaos-one", "chaos-two"] {
            let tenant = cluster.tenant(slug).await;
            let budgets = json!([{"window": "month", "limit_usd": "1000"}, {"window": "hour", "limit_usd": "1000"}]);
            tenant.set_budgets(budgets).await;
            tenants.push(tenant);
        }
        let crowded = cluster.tenant("crowded").await;
        crowded.set_limits(json!({"concurrency": super::seats::SEATS})).await;
        let addresses = Addresses::default();
        addresses.set(&cluster.nodes);
        let admin = cluster.database().superuser().await;
        World { cluster, addresses, tenants, crowded, admin }
    }

    /// What the load meets.
    pub fn quick() -> Scenario {
        Scenario { latency_ms: 5, chunks: 8, gap_ms: 4, output_tokens: 40, ..Scenario::default() }
    }

    /// Starts a new node in the place of a dead one.
    pub async fn replace(&mut self, place: usize, after_ms: u64) {
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        self.cluster.nodes[place].start_again().await;
        self.addresses.set(&self.cluster.nodes);
    }

    /// The nodes on the list that do not beat any more, once there are so many.
    pub fn dead_within(&self, count: usize, limit: Duration) -> impl Future<Output = Vec<Dead>> + use<> {
        let connecting = self.cluster.database().connecting();
        async move {
            let admin = connecting.await;
            eventually_within(limit, "a node beats no more", || async {
                let sql =
                    "SELECT id, epoch FROM insula_control.nodes WHERE beat_at < clock_timestamp() - make_interval(secs => $1)";
                let rows = admin.query(sql, &[&SILENT_S]).await.unwrap();
                let dead: Vec<Dead> = rows.iter().map(|row| Dead { id: row.get(0), epoch: row.get(1) }).collect();
                (dead.len() == count).then_some(dead)
            })
            .await
        }
    }

    /// How long after its death everything of a node was settled: no attempt is open, no lease is its own.
    pub async fn swept(&self, dead: &[Dead], died_at: Instant) -> Duration {
        let left = "SELECT (SELECT count(*) FROM insula_control.begun_attempts WHERE node = $1 AND epoch <= $2) \
            + (SELECT count(*) FROM insula_control.budget_leases WHERE node = $1 AND EXISTS (SELECT 1 FROM insula_control.nodes \
            WHERE id = $1 AND epoch <= $2 + 1)) + (SELECT count(*) FROM insula_control.nodes WHERE id = $1 AND epoch <= $2 + 1)";
        for Dead { id, epoch } in dead {
            eventually_within(SWEPT_WITHIN, "nothing of a dead node is left", || async {
                let left: i64 = self.admin.query_one(left, &[id, epoch]).await.unwrap().get(0);
                (left == 0).then_some(())
            })
            .await;
        }
        died_at.elapsed()
    }

    /// How long after this a node serves.
    pub async fn serves_again(&self, node: usize) -> Duration {
        let woken_at = Instant::now();
        let caller = self.addresses.at(node, self.tenants[0].service.credential().unwrap_or_default());
        eventually_within(SERVES_WITHIN, "a node that woke up serves", || async {
            matches!(ask(&caller, "are you awake", false).await, What::Whole(_)).then_some(())
        })
        .await;
        woken_at.elapsed()
    }

    /// Waits until no attempt is open.
    pub async fn nothing_is_open(&self) {
        eventually_within(SWEPT_WITHIN, "no attempt is open", || async {
            (self.number("SELECT count(*) FROM insula_control.begun_attempts").await == 0).then_some(())
        })
        .await;
    }

    /// Attempts that a dead node wrote after all, under an epoch that is over.
    pub async fn of_old_epochs(&self, dead: &[Dead]) -> i64 {
        let ids: Vec<&[u8]> = dead.iter().map(|dead| dead.id.as_slice()).collect();
        let sql = "SELECT count(*) FROM insula_control.begun_attempts b WHERE node = ANY($1) \
            AND NOT EXISTS (SELECT 1 FROM insula_control.nodes n WHERE n.id = b.node AND n.epoch = b.epoch)";
        self.admin.query_one(sql, &[&ids]).await.unwrap().get(0)
    }

    /// Windows of budgets that do not add up.
    pub async fn unsound_windows(&self) -> i64 {
        self.number(UNSOUND_WINDOWS).await
    }

    /// The one number that a query answers with.
    pub async fn number(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).await.unwrap().get(0)
    }
}
