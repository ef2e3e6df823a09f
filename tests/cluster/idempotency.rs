//! An `Idempotency-Key` means one execution, wherever it is asked.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::http::Call;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Caller, Cluster, Reply, TestTenant, eventually};
use serde_json::Value;
use tokio::task::{JoinSet, block_in_place};

use super::CHAT;

const NODES: usize = 3;
const ROUNDS: usize = 15;

fn keyed(caller: &Caller, key: &str, body: &Value) -> Call {
    caller.call(http::Method::POST, CHAT).header("idempotency-key", key).json(body)
}

/// The same at every node at the same time.
async fn ask_all(everywhere: &[TestTenant], key: &str, body: &Value) -> Vec<Reply> {
    let asking: JoinSet<Reply> = everywhere.iter().map(|tenant| keyed(&tenant.service, key, body).send()).collect();
    asking.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_executed_once_and_answered_alike_by_all() {
    let cluster = Cluster::start(NODES).await;
    let tenant = cluster.tenant("twins").await;
    let everywhere = cluster.everywhere(&tenant);
    let begun = Instant::now();
    for round in 0..ROUNDS {
        // Some are over before their twins have come, some are not.
        cluster.scenario(Scenario { latency_ms: [0, 20, 150][round % 3], ..Scenario::default() });
        let (key, text) = (format!("round-{round}"), format!("same {round}"));
        let body = if round % 2 == 0 { chat(&text) } else { streamed_chat(&text) };
        let replies = ask_all(&everywhere, &key, &body).await;
        for reply in &replies {
            assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
            assert_eq!(reply.body, replies[0].body, "round {round}");
            assert_eq!(reply.header("content-type"), replies[0].header("content-type"));
        }
        assert_eq!(cluster.simulator().count(), round as u64 + 1, "round {round}: asked upstream");
        let replayed = replies.iter().filter(|reply| reply.header("idempotent-replayed") == "true").count();
        assert_eq!(replayed, NODES - 1, "round {round}");
        for tenant in &everywhere {
            let later = keyed(&tenant.service, &key, &body).send().await.expect(200);
            assert_eq!((later.body, later.headers.get("idempotent-replayed").is_some()), (replies[0].body.clone(), true));
            keyed(&tenant.service, &key, &chat("another")).send().await.openai_error(422, "idempotency_mismatch");
        }
    }
    println!("{ROUNDS} rounds on {NODES} nodes in {:?}, {} executed", begun.elapsed(), cluster.simulator().count());
    assert_eq!(tenant.usage().await["attempts"], ROUNDS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_outcome_is_unknown_to_all_once_its_node_was_killed() {
    let mut cluster = Cluster::start(NODES).await;
    let tenant = cluster.tenant("killed").await;
    let everywhere = cluster.everywhere(&tenant);
    cluster.scenario(Scenario { latency_ms: 120_000, ..Scenario::default() });
    let first = tokio::spawn(keyed(&tenant.service, "k", &chat("lost")).try_send());
    eventually("the provider was asked", || async { (cluster.simulator().count() == 1).then_some(()) }).await;
    // It waits for its twin, and learns what becomes of it.
    let twin = tokio::spawn(keyed(&everywhere[2].service, "k", &chat("lost")).send());
    block_in_place(|| cluster.nodes[0].kill());
    let killed = Instant::now();
    assert!(first.await.unwrap().is_err(), "the connection broke");
    cluster.scenario(Scenario::default());
    let is_unknown =
        |reply: &Reply| reply.openai_error(409, "conflict")["message"].as_str().unwrap().contains("not executed again");
    let twin = twin.await.unwrap();
    assert!(is_unknown(&twin), "{}", twin.text());
    println!("unknown {:?} after the kill", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(30));
    for tenant in &everywhere[1..] {
        let reply = keyed(&tenant.service, "k", &chat("lost")).send().await;
        assert!(is_unknown(&reply), "{}", reply.text());
        keyed(&tenant.service, "k", &chat("other")).send().await.openai_error(422, "idempotency_mismatch");
    }
    assert_eq!(cluster.simulator().count(), 1, "never executed again");
    cluster.nodes[0].start_again().await;
    let back = tenant.service.at(&cluster.nodes[0].anyone);
    assert!(is_unknown(&keyed(&back, "k", &chat("lost")).send().await));
    let usage = everywhere[1].usage().await;
    assert_eq!(usage["attempts"], 1, "{usage}");
}
