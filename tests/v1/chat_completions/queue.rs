//! The queue toward a provider: fair turns, bounds, pace, and what is told of it.

use std::time::{Duration, Instant};

use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{EventStream, Node, TestTenant, eventually};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// A node whose provider's entry says this too.
async fn node(provider: &[&str]) -> Node {
    let provider = provider.iter().map(|line| (*line).to_owned()).collect();
    Setup::default().serve(ServeConfig { provider, ..ServeConfig::default() }).start().await
}

/// An open stream that lasts until it is dropped.
async fn slow_stream(tenant: &TestTenant) -> EventStream {
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("slowly")).await.expect_open();
    stream.first_content().await;
    stream
}

/// A tenant that holds all seats that it may hold, and the streams by which it does.
async fn crowded(node: &Node, limits: Value) -> (TestTenant, Vec<EventStream>) {
    let tenant = node.tenant("crowded").await;
    tenant.set_limits(limits).await;
    node.scenario(Scenario { chunks: 64, gap_ms: 1_000, ..Scenario::default() });
    let streams = vec![slow_stream(&tenant).await, slow_stream(&tenant).await];
    node.scenario(Scenario::default());
    (tenant, streams)
}

/// The `queue` stage of a request.
async fn queue_stage(tenant: &TestTenant, request: &str) -> Value {
    let trace = tenant.request(request).await;
    let stages = trace["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == "queue").unwrap_or_else(|| panic!("no queue stage: {stages:?}")).clone()
}

#[tokio::test]
async fn slow_streams_of_one_tenant_leave_seats_to_others() {
    let node = node(&["concurrency_max = 4"]).await;
    let (tenant, streams) = crowded(&node, json!({"queue_wait_ms_max": 300})).await;
    let reply = tenant.chat("one more").await;
    reply.openai_error(429, "rate_limit_exceeded");
    assert!(reply.text().contains("queue_wait_ms_max"), "{}", reply.text());
    assert!(!reply.header("retry-after").is_empty());
    let other = node.tenant("other").await;
    for _ in 0..3 {
        let reply = other.chat("at once").await.expect(200);
        let stage = queue_stage(&other, reply.request_id()).await;
        assert_eq!((&stage["outcome"], &stage["reason"]), (&json!("ok"), &Value::Null), "{stage}");
    }
    drop(streams);
}

#[tokio::test]
async fn a_full_queue_says_so_and_a_turn_says_how_long_it_took() {
    let node = node(&["concurrency_max = 4"]).await;
    let (tenant, mut streams) = crowded(&node, json!({"queue_depth_max": 1})).await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "1", "mode": "hard"}])).await;
    let (sent, held) = (node.simulator().count(), tenant.budgets().await[0]["reserved_usd"].clone());
    let waiting = tokio::spawn({
        let tenant = tenant.clone();
        async move { tenant.chat("waits").await }
    });
    // Its money is held before it waits.
    eventually("it waits", || async { (tenant.budgets().await[0]["reserved_usd"] != held).then_some(()) }).await;
    let refused = eventually("the queue is full", || async {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("no room")).send();
        tokio::time::timeout(Duration::from_secs(2), call).await.ok()
    })
    .await;
    refused.openai_error(429, "rate_limit_exceeded");
    assert!(refused.text().contains("queue_depth_max"), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(node.simulator().count(), sent, "who waits is not sent");
    drop(streams.pop());
    let served = waiting.await.unwrap().expect(200);
    let stage = queue_stage(&tenant, served.request_id()).await;
    assert_eq!(stage["reason"], "position 1: share", "{stage}");
    assert!(stage["duration_us"].as_u64().unwrap() > 1_000, "{stage}");
}

#[tokio::test]
async fn who_leaves_the_queue_is_not_sent_and_holds_nothing() {
    let node = node(&["concurrency_max = 4"]).await;
    let (tenant, streams) = crowded(&node, json!({})).await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "1", "mode": "hard"}])).await;
    let (sent, held) = (node.simulator().count(), tenant.budgets().await[0]["reserved_usd"].clone());
    let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("leaves")).send();
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err(), "it waits");
    eventually("only the streams' money is held", || async {
        (tenant.budgets().await[0]["reserved_usd"] == held).then_some(())
    })
    .await;
    drop(streams);
    tenant.chat("the next").await.expect(200);
    assert_eq!(node.simulator().count(), sent + 1);
}

#[tokio::test]
async fn a_pace_spaces_a_burst() {
    let node = node(&["requests_per_second_max = 20"]).await;
    let tenants = [node.tenant("one").await, node.tenant("two").await];
    let begun = Instant::now();
    let calls: Vec<_> = (0..30)
        .map(|number| {
            let tenant = tenants[number % 2].clone();
            tokio::spawn(async move { tenant.chat("hi").await.expect(200) })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    // The first goes at once; a slow machine makes it longer, never shorter.
    assert!(begun.elapsed() >= Duration::from_millis(29 * 50 - 20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_provider_that_says_when_to_come_back_is_not_asked_before() {
    let node = Node::start().await;
    let tenant = node.tenant("patient").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::RateLimit, 1.0)], ..Scenario::default() });
    let reply = tenant.chat("too soon").await;
    reply.openai_error(429, "provider_rate_limited");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    let begun = Instant::now();
    node.scenario(Scenario::default());
    let reply = tenant.chat("in time").await.expect(200);
    assert!(begun.elapsed() + Duration::from_millis(100) >= Duration::from_secs(wait), "{:?} of {wait} s", begun.elapsed());
    assert_eq!(queue_stage(&tenant, reply.request_id()).await["reason"], "position 1: pace");
}
