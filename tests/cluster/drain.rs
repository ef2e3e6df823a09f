//! A node is asked to stop in the middle of a hundred streams: nobody is left without an end, and nothing without a bill.

use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::ledger::{Comparison, attempts};
use insula_tests::sse::Transcript;
use insula_tests::tenant::streamed_chat;
use insula_tests::{Cluster, ClusterSetup, TestTenant, eventually, within};
use tokio::task::{JoinSet, block_in_place};

use super::{CHAT, number_becomes};

const NODES: usize = 3;
const STREAMS: usize = 100;
/// A stop needs longer than its drain only for what it settles.
const SETTLED_MAX: Duration = Duration::from_secs(10);

/// A cluster whose nodes wait so long, a tenant with a budget, and its streams open at the first node.
async fn streaming(drain_max: Duration, scenario: Scenario) -> (Cluster, TestTenant, JoinSet<Transcript>) {
    let more = vec![("server", format!("drain_ms_max = {}", drain_max.as_millis()))];
    let cluster = ClusterSetup::new(NODES).serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = cluster.tenant("draining").await;
    tenant.set_monthly_budget(Money::from_usd("10").unwrap()).await;
    cluster.scenario(scenario);
    let opening: JoinSet<_> = (0..STREAMS)
        .map(|number| {
            let caller = tenant.service.clone();
            async move {
                let body = streamed_chat(&format!("stream {number}"));
                let mut stream = caller.stream(CHAT, &body).await.expect_open();
                stream.first_content().await;
                stream
            }
        })
        .collect();
    let streams = opening.join_all().await.into_iter().map(|stream| stream.collect()).collect();
    (cluster, tenant, streams)
}

/// Asks the first node to stop, sees to it that it takes nothing new while the others serve, and reads every stream's end.
async fn stop_first(cluster: &mut Cluster, tenant: &TestTenant, streams: JoinSet<Transcript>) -> Vec<Transcript> {
    let begun = Instant::now();
    cluster.nodes[0].ask_to_stop();
    eventually("the node takes nothing new", || async {
        let call = tenant.service.call(http::Method::GET, "/v1/models").header("connection", "close");
        match tokio::time::timeout(Duration::from_secs(1), call.try_send()).await {
            Ok(Ok(reply)) => (reply.status == 503).then_some(()),
            Ok(Err(_)) => Some(()),
            Err(_) => None,
        }
    })
    .await;
    let turned_away = begun.elapsed();
    assert!(cluster.nodes[0].is_running(), "it drains");
    for tenant in &cluster.everywhere(tenant)[1..] {
        tenant.service.get("/v1/models").await.expect(200);
    }
    let ends = within(Duration::from_secs(60), "every stream's end", streams.join_all()).await;
    let ended = begun.elapsed();
    block_in_place(|| cluster.nodes[0].ended());
    println!("turned away after {turned_away:?}, streams ended after {ended:?}, the process after {:?}", begun.elapsed());
    ends
}

/// Every attempt that the provider heard of has its row, and the node has left nothing behind.
async fn assert_settled(cluster: &Cluster, tenant: &TestTenant) -> Comparison {
    number_becomes(cluster, (NODES - 1) as i64, SETTLED_MAX, "SELECT count(*) FROM insula_control.nodes").await;
    number_becomes(cluster, 0, SETTLED_MAX, "SELECT count(*) FROM insula_control.begun_attempts").await;
    let leases = "SELECT count(*) FROM insula_control.budget_leases
        WHERE amount > 0 AND node NOT IN (SELECT id FROM insula_control.nodes)";
    number_becomes(cluster, 0, SETTLED_MAX, leases).await;
    let there = tenant.at(&cluster.nodes[1].anyone);
    let log = cluster.simulator().requests();
    let rows = attempts(&there.operator, &tenant.id).await;
    let compared = Comparison::of(&rows, &log);
    assert!(compared.is_sound(), "{compared:?}");
    let unfinished = log.iter().filter(|record| !record.finished).count();
    println!("{} attempts, {} unfinished upstream: {compared:?}", log.len(), unfinished);
    assert!(compared.estimated <= unfinished, "an answer that completed is estimated: {compared:?}");
    assert_eq!(rows.iter().map(|row| row.cost).sum::<Money>(), there.settled().await);
    let verified = there.operator.get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(verified["difference_usd"], "0.00", "{verified}");
    compared
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_by_themselves_where_there_is_time() {
    // Longer than it takes to open them all.
    let scenario = Scenario { chunks: 60, gap_ms: 100, ..Scenario::default() };
    let (mut cluster, tenant, streams) = streaming(Duration::from_secs(30), scenario).await;
    for end in stop_first(&mut cluster, &tenant, streams).await {
        assert_eq!(end.expect_complete().finish_reason(), Some("stop"));
    }
    let compared = assert_settled(&cluster, &tenant).await;
    assert_eq!((compared.equal, compared.estimated), (STREAMS, 0), "{compared:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_an_error_at_the_bound() {
    let scenario = Scenario { chunks: 64, gap_ms: 1_000, ..Scenario::default() };
    let (mut cluster, tenant, streams) = streaming(Duration::from_secs(2), scenario).await;
    let ends = stop_first(&mut cluster, &tenant, streams).await;
    assert_eq!(ends.len(), STREAMS);
    for end in ends {
        assert_eq!(end.expect_error()["code"], "unavailable");
        assert!(!end.done);
    }
    let compared = assert_settled(&cluster, &tenant).await;
    assert_eq!((compared.equal, compared.estimated), (0, STREAMS), "{compared:?}");
}
