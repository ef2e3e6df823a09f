//! The answer cache: the very same request is answered again, for nothing.

use std::time::Duration;

use http::Method;
use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Caller, Node, Reply, TestTenant, eventually, usd};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";

async fn cached(node: &Node, slug: &str) -> TestTenant {
    let tenant = node.tenant(slug).await;
    tenant.enable_cache().await;
    tenant
}

async fn asked_at_once(caller: &Caller, body: &Value, count: usize) -> Vec<Reply> {
    let asking: JoinSet<Reply> = (0..count).map(|_| caller.call(Method::POST, CHAT).json(body).send()).collect();
    asking.join_all().await
}

#[tokio::test]
async fn a_repeat_is_a_hit_and_costs_nothing() {
    let node = Node::start().await;
    let tenant = cached(&node, "repeats").await;
    let first = tenant.chat("again").await.expect(200);
    assert_eq!((first.header("x-insula-cache"), first.header("age")), ("miss", ""));
    let cost = usd(&tenant.request(first.request_id()).await["cost_usd"]);
    for _ in 0..3 {
        let hit = tenant.chat("again").await.expect(200);
        assert_eq!((hit.header("x-insula-cache"), &hit.body), ("hit", &first.body));
        assert!(hit.header("age").parse::<u64>().is_ok(), "{:?}", hit.headers);
        assert_ne!(hit.request_id(), first.request_id());
        let traced = tenant.request(hit.request_id()).await;
        assert_eq!((usd(&traced["cost_usd"]), traced["attempts"].as_array().map(Vec::len)), (Money::ZERO, Some(0)));
        assert_eq!((&traced["cache"]["status"], usd(&traced["cache"]["saved_usd"])), (&json!("hit"), cost));
        let stages: Vec<_> = traced["stages"].as_array().unwrap().iter().map(|stage| stage["name"].clone()).collect();
        assert_eq!(stages, ["limits", "cache"]);
        assert_eq!(traced["stages"][1]["outcome"], "hit");
    }
    assert!(tenant.content(first.request_id()).await.contains("again"));
    assert_eq!(node.simulator().count(), 1);
    let usage = tenant.usage().await;
    assert_eq!((&usage["attempts"], &usage["cache_hits"]), (&json!(1), &json!(3)));
    assert_eq!((usd(&usage["cost_usd"]), usd(&usage["cache_saved_usd"])), (cost, cost + cost + cost));
    assert_eq!(tenant.usage_by("model").await[0]["cache_hits"], 3);
    assert!(tenant.usage_by("key").await[0].get("cache_hits").is_none(), "nobody counts them by key");
    let months = list(tenant.admin.get(&tenant.path("/statements")).await);
    let statement = tenant.admin.get(months[0]["statement"].as_str().unwrap()).await.expect(200).json();
    assert_eq!((&statement["cache"]["hits"], usd(&statement["amount_usd"])), (&json!(3), cost));
}

#[tokio::test]
async fn a_tenant_has_no_cache_unless_it_wants_one() {
    let node = Node::start().await;
    let tenant = node.tenant("plain").await;
    for _ in 0..2 {
        let reply = tenant.chat("again").await.expect(200);
        assert_eq!(reply.header("x-insula-cache"), "");
        assert_eq!(tenant.request(reply.request_id()).await["cache"], Value::Null);
    }
    assert_eq!(node.simulator().count(), 2);
}

#[tokio::test]
async fn a_hit_needs_no_money() {
    let node = Node::start().await;
    let tenant = cached(&node, "broke").await;
    tenant.chat("again").await.expect(200);
    tenant.set_monthly_budget(Money::ZERO).await;
    tenant.chat("again").await.expect(200);
    tenant.chat("another").await.openai_error(429, "budget_exceeded");
    tenant.set_limits(json!({"requests_per_minute": 1})).await;
    tenant.chat("again").await.expect(200);
    tenant.chat("again").await.openai_error(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn streams_and_embeddings_are_given_again() {
    let node = Node::start().await;
    let tenant = cached(&node, "forms").await;
    let stream = || async { tenant.service.stream(CHAT, &streamed_chat("again")).await.into_reply().await };
    let (first, second) = (stream().await, stream().await);
    assert_eq!((first.header("x-insula-cache"), second.header("x-insula-cache")), ("miss", "hit"));
    assert!(first.body == second.body && first.text().contains("[DONE]"));
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!(tenant.chat("again").await.header("x-insula-cache"), "miss", "a stream is no whole answer");
    let mut with_usage = streamed_chat("again");
    with_usage["stream_options"] = json!({"include_usage": true});
    assert_eq!(tenant.service.post(CHAT, &with_usage).await.header("x-insula-cache"), "miss");
    let input = json!({"model": "sim-embed", "input": ["again", "and again"]});
    let embedding = || tenant.service.post("/v1/embeddings", &input);
    let (first, second) = (embedding().await.expect(200), embedding().await.expect(200));
    assert_eq!((second.header("x-insula-cache"), &second.body), ("hit", &first.body));
    assert_eq!(node.simulator().count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_at_once_one_is_sent() {
    let node = Node::start().await;
    let tenant = cached(&node, "crowd").await;
    node.scenario(Scenario { latency_ms: 300, ..Scenario::default() });
    for (round, body) in [chat("crowd"), streamed_chat("crowd")].into_iter().enumerate() {
        let replies = asked_at_once(&tenant.service, &body, 64).await;
        assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
        let misses = replies.iter().filter(|reply| reply.header("x-insula-cache") == "miss").count();
        assert_eq!((misses, node.simulator().count()), (1, round as u64 + 1));
    }
    let usage = tenant.usage().await;
    assert_eq!((&usage["attempts"], &usage["cache_hits"]), (&json!(2), &json!(126)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_first_fails_one_takes_its_place() {
    // The first is not tried again: it is to fail.
    let more = vec![("routing", "attempts_max = 1".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = cached(&node, "failing").await;
    let fault = Fault::new(FaultKind::ServerError, 1.0);
    node.scenario(Scenario { latency_ms: 400, faults: vec![fault], ..Scenario::default() });
    let crowd = tokio::spawn({
        let caller = tenant.service.clone();
        async move { asked_at_once(&caller, &chat("failing"), 32).await }
    });
    eventually("the first is sent", || async { (node.simulator().count() == 1).then_some(()) }).await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let replies = crowd.await.unwrap();
    let failed = replies.iter().filter(|reply| reply.status != 200).count();
    assert_eq!((failed, node.simulator().count()), (1, 2), "the first, and who took its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_get_the_answer_of_a_first_that_left() {
    let node = Node::start().await;
    let tenant = cached(&node, "left").await;
    node.scenario(Scenario { chunks: 8, gap_ms: 150, ..Scenario::default() });
    let mut first = tenant.service.stream(CHAT, &streamed_chat("left")).await.expect_open();
    first.first_content().await;
    let second = tokio::spawn(tenant.service.call(Method::POST, CHAT).json(&streamed_chat("left")).send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    let second = second.await.unwrap().expect(200);
    assert_eq!(second.header("x-insula-cache"), "hit");
    assert!(second.text().contains("[DONE]"));
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_has_an_end() {
    let more = vec![("cache", "wait_ms_max = 200".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = cached(&node, "patience").await;
    node.scenario(Scenario { latency_ms: 1_500, ..Scenario::default() });
    let replies = asked_at_once(&tenant.service, &chat("slow"), 2).await;
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.header("x-insula-cache") == "miss"));
    assert_eq!(node.simulator().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_have_a_seat_each() {
    let node = Node::start().await;
    let tenant = cached(&node, "seats").await;
    tenant.set_limits(json!({"concurrency": 2})).await;
    node.scenario(Scenario { latency_ms: 500, ..Scenario::default() });
    let first = tokio::spawn(tenant.service.call(Method::POST, CHAT).json(&chat("seat")).send());
    eventually("the first is sent", || async { (node.simulator().count() == 1).then_some(()) }).await;
    let replies = asked_at_once(&tenant.service, &chat("seat"), 4).await;
    let refused = replies.iter().filter(|reply| reply.code() == "rate_limit_exceeded").count();
    assert_eq!(refused, 3, "one seat was left");
    first.await.unwrap().expect(200);
    assert_eq!(node.simulator().count(), 1);
}
