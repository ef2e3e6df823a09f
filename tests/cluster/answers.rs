//! Answers that nodes share: found by all, sealed, and missed by nobody.

use http::Method;
use insula_simulator::Scenario;
use insula_tests::cluster::ClusterSetup;
use insula_tests::tenant::chat;
use insula_tests::{Cluster, Reply, TestTenant, eventually};
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use super::CHAT;

const CANARY: &str = "CANARY-quince";

async fn told(tenant: &TestTenant, text: &str) -> String {
    tenant.chat(text).await.expect(200).header("x-insula-cache").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_kept_another_finds_and_redis_cannot_read() {
    let cluster = ClusterSetup::new(2).own_redis().start().await;
    let (tenant, other) = (cluster.tenant("shared").await, cluster.tenant("other").await);
    for tenant in [&tenant, &other] {
        tenant.enable_cache().await;
    }
    let everywhere = cluster.everywhere(&tenant);
    assert_eq!(told(&everywhere[0], CANARY).await, "miss");
    let found = || cluster.redis_holds("insula:answer:*");
    let kept = eventually("it is kept for all", || async { Some(found()).filter(|kept| !kept.is_empty()) }).await;
    assert_eq!(told(&everywhere[1], CANARY).await, "hit");
    assert_eq!(cluster.simulator().count(), 1);
    for (key, value) in kept.iter().chain(&cluster.redis_holds("*")) {
        let text = format!("{key} {}", String::from_utf8_lossy(value));
        for secret in [CANARY, "choices", "sim-small", tenant.id.as_str()] {
            assert!(!text.contains(secret), "{secret} in {key}");
        }
    }
    assert_eq!(told(&cluster.everywhere(&other)[1], CANARY).await, "miss", "another tenant finds nothing");
    // What was kept before a suspension is not given after it, at no node.
    tenant.operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200);
    tenant.operator.post(&tenant.path("/resume"), &json!({})).await.expect(200);
    assert_eq!(told(&everywhere[1], CANARY).await, "miss");
    let usage = eventually("the other node has counted", || async {
        Some(tenant.usage().await).filter(|usage| usage["cache_hits"] == 1)
    });
    assert_eq!(usage.await["attempts"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_asks_once_at_most() {
    let cluster = Cluster::start(2).await;
    let tenant = cluster.tenant("crowd").await;
    tenant.enable_cache().await;
    cluster.scenario(Scenario { latency_ms: 300, ..Scenario::default() });
    let everywhere = cluster.everywhere(&tenant);
    let call = |n: usize| everywhere[n % 2].service.call(Method::POST, CHAT).json(&chat("crowd")).send();
    let replies: JoinSet<Reply> = (0..64).map(call).collect();
    assert!(replies.join_all().await.iter().all(|reply| reply.status == 200));
    let asked = cluster.simulator().count();
    assert!((1..=2).contains(&asked), "{asked} upstream calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_away_is_a_miss() {
    let mut cluster = ClusterSetup::new(2).own_redis().start().await;
    let tenant = cluster.tenant("away").await;
    tenant.enable_cache().await;
    let everywhere = cluster.everywhere(&tenant);
    assert_eq!(told(&everywhere[0], "before").await, "miss");
    block_in_place(|| cluster.redis().kill().unwrap());
    assert_eq!(told(&everywhere[0], "before").await, "hit", "from its own memory");
    assert_eq!(told(&everywhere[1], "before").await, "miss");
    assert_eq!(told(&everywhere[1], "before").await, "hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_idempotency_key_has_one_answer_on_all_nodes() {
    let cluster = Cluster::start(2).await;
    let tenant = cluster.tenant("keyed").await;
    tenant.enable_cache().await;
    let everywhere = cluster.everywhere(&tenant);
    let ask = async |n: usize, key: &str| {
        let call = everywhere[n].service.call(Method::POST, CHAT).header("idempotency-key", key).json(&chat("keyed"));
        call.send().await.expect(200)
    };
    let first = ask(0, "one").await;
    let hit = ask(0, "two").await;
    assert_eq!((hit.header("x-insula-cache"), &hit.body), ("hit", &first.body));
    for n in 0..2 {
        let replay = ask(n, "two").await;
        assert_eq!((replay.header("idempotent-replayed"), &replay.body), ("true", &hit.body));
    }
    assert_eq!(cluster.simulator().count(), 1);
}
