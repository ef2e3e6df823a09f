//! A limit is one limit, however many nodes count.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::tenant::chat;
use insula_tests::{Caller, Cluster, ClusterSetup, TestTenant};
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use super::{CHAT, all_have_met};

const NODES: usize = 3;
/// That many ask each node at once.
const CALLERS_PER_NODE: usize = 8;
const PER_MINUTE: u32 = 600;
const HAMMERED: Duration = Duration::from_secs(10);
/// Between a refusal and the next try: what is measured is the limit, not the machine.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until `until`; when each of the calls that were let through was sent.
async fn hammer(caller: Caller, until: Instant) -> Vec<Instant> {
    let mut allowed = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        let reply = caller.post(CHAT, &chat("hi")).await;
        if reply.status == 200 {
            allowed.push(sent);
        } else {
            reply.openai_error(429, "rate_limit_exceeded");
            tokio::time::sleep(PAUSE).await;
        }
    }
    allowed
}

/// Hammers all nodes: a set of tasks for each.
fn hammer_all(cluster: &Cluster, tenant: &TestTenant, lasts: Duration) -> Vec<JoinSet<Vec<Instant>>> {
    let until = Instant::now() + lasts;
    let hammer_one = |tenant: TestTenant| (0..CALLERS_PER_NODE).map(|_| hammer(tenant.service.clone(), until)).collect();
    cluster.everywhere(tenant).into_iter().map(hammer_one).collect()
}

/// When calls were let through, node by node.
async fn allowed(hammering: Vec<JoinSet<Vec<Instant>>>) -> Vec<Vec<Instant>> {
    let mut by_node = Vec::new();
    for node in hammering {
        by_node.push(node.join_all().await.concat());
    }
    by_node
}

async fn limited(cluster: &Cluster) -> TestTenant {
    cluster.scenario(Scenario { output_tokens: 1, ..Scenario::default() });
    let tenant = cluster.tenant("paced").await;
    tenant.set_limits(json!({"requests_per_minute": PER_MINUTE})).await;
    tenant
}

/// A burst, and what flows back meanwhile.
fn expected(per_minute: u32, elapsed: Duration) -> f64 {
    f64::from(per_minute) * (1.0 + elapsed.as_secs_f64() / 60.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_let_through_what_one_would() {
    let cluster = Cluster::start(NODES).await;
    let tenant = limited(&cluster).await;
    let begun = Instant::now();
    let by_node = allowed(hammer_all(&cluster, &tenant, HAMMERED)).await;
    let expected = expected(PER_MINUTE, begun.elapsed());
    let counts: Vec<usize> = by_node.iter().map(Vec::len).collect();
    let total = counts.iter().sum::<usize>() as f64;
    println!("{total} let through in {:?} ({counts:?} by node), expected {expected:.0}", begun.elapsed());
    assert!((total - expected).abs() <= expected * 0.05, "{total} where {expected:.0} are allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_node_gives_out_its_share() {
    let mut cluster = ClusterSetup::new(NODES).own_redis().start().await;
    let tenant = limited(&cluster).await;
    all_have_met(&cluster).await;
    block_in_place(|| cluster.redis().kill()).unwrap();
    let begun = Instant::now();
    let by_node = allowed(hammer_all(&cluster, &tenant, HAMMERED)).await;
    let share = expected(PER_MINUTE.div_ceil(NODES as u32), begun.elapsed()) + 1.0;
    let counts: Vec<usize> = by_node.iter().map(Vec::len).collect();
    println!("without Redis: {counts:?} let through by node in {:?}, a share is {share:.0}", begun.elapsed());
    assert!(counts.iter().all(|count| *count as f64 <= share), "{counts:?} where a share is {share:.0}");
    assert!(counts.iter().all(|count| *count as f64 >= share * 0.9), "{counts:?}: a share is given out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_redis_opens_no_new_minute() {
    let mut cluster = ClusterSetup::new(NODES).own_redis().start().await;
    let tenant = limited(&cluster).await;
    all_have_met(&cluster).await;
    let begun = Instant::now();
    let hammering = hammer_all(&cluster, &tenant, HAMMERED);
    tokio::time::sleep(HAMMERED / 2).await;
    block_in_place(|| cluster.redis().kill()).unwrap();
    let killed = Instant::now();
    let by_node = allowed(hammering).await;
    let after: Vec<usize> = by_node.iter().map(|node| node.iter().filter(|sent| **sent > killed).count()).collect();
    let total = by_node.iter().map(Vec::len).sum::<usize>() as f64;
    let expected = expected(PER_MINUTE, begun.elapsed());
    println!("Redis killed in the middle: {total} let through, expected {expected:.0}; {after:?} by node after the kill");
    let share = f64::from(PER_MINUTE.div_ceil(NODES as u32));
    assert!(after.iter().all(|count| *count as f64 <= share), "{after:?} where a share is {share}");
    assert!(total <= expected * 1.05, "{total} where {expected:.0} are allowed");
}
