//! Several nodes that share their storage: what one decides holds on all, whoever dies meanwhile.

mod answers;
mod budget_race;
mod cancellation;
mod drain;
mod end_users;
mod idempotency;
mod management;
mod outage;
mod provider_credentials;
mod rate;
mod revocation;
mod webhooks;

use std::time::Duration;

use insula_tests::{Cluster, eventually_within};

const CHAT: &str = "/v1/chat/completions";

/// Polls a number of the shared database until it is `wanted`.
async fn number_becomes(cluster: &Cluster, wanted: i64, limit: Duration, sql: &str) {
    let database = cluster.database().superuser().await;
    eventually_within(limit, sql, || async {
        let found: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
        (found == wanted).then_some(())
    })
    .await;
}

/// Waits until every node has beaten since all of them were there: from then on each knows how many there are.
async fn all_have_met(cluster: &Cluster) {
    let database = cluster.database().superuser().await;
    database.batch_execute("CREATE TEMP TABLE met AS SELECT clock_timestamp() AS at").await.unwrap();
    eventually_within(Duration::from_secs(10), "every node has met the others", || async {
        let sql = "SELECT count(*) FROM insula_control.nodes, met WHERE beat_at > at";
        let beaten: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
        (beaten == cluster.nodes.len() as i64).then_some(())
    })
    .await;
}
