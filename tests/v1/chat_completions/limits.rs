//! Requests and tokens per minute, and concurrency, of tenants and keys.

use insula_simulator::Scenario;
use insula_tests::documents::publish;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Reply, eventually};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// A refusal by a limit: when to come back is said, and SDKs may retry.
#[track_caller]
fn assert_limited(reply: &Reply) {
    reply.openai_error(429, "rate_limit_exceeded");
    let wait: u64 = reply.header("retry-after").parse().expect("retry-after in seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_ne!(reply.header("x-should-retry"), "false");
}

#[tokio::test]
async fn requests_per_minute() {
    let node = Node::start().await;
    let tenant = node.tenant("rpm").await;
    tenant.set_limits(json!({"requests_per_minute": 3})).await;
    for left in [2, 1, 0] {
        let reply = tenant.chat("hi").await.expect(200);
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "3");
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), left.to_string());
        assert!(!reply.header("x-ratelimit-reset-requests").is_empty());
        assert!(
            !reply.header("ratelimit").is_empty() || !reply.header("ratelimit-remaining").is_empty(),
            "{:?}",
            reply.headers
        );
    }
    let reply = tenant.chat("hi").await;
    assert_limited(&reply);
    assert_eq!(node.simulator().count(), 3);
    // Another tenant does not notice.
    node.tenant("other").await.chat("hi").await.expect(200);
}

#[tokio::test]
async fn tokens_per_minute() {
    let node = Node::start().await;
    let tenant = node.tenant("tpm").await;
    tenant.set_limits(json!({"tokens_per_minute": 1_000})).await;
    let mut body = chat("hi");
    body["max_tokens"] = json!(400);
    let mut served = 0;
    let refused = loop {
        let reply = tenant.service.post(CHAT, &body).await;
        if reply.status != 200 {
            break reply;
        }
        assert_eq!(reply.header("x-ratelimit-limit-tokens"), "1000");
        served += 1;
    };
    assert_limited(&refused);
    assert!((1..=15).contains(&served), "{served} served");
}

#[tokio::test]
async fn a_request_of_more_than_a_minutes_tokens_takes_the_whole_minute() {
    let node = Node::start().await;
    let tenant = node.tenant("whole").await;
    tenant.set_limits(json!({"tokens_per_minute": 100})).await;
    let mut body = chat("hi");
    body["max_tokens"] = json!(10_000);
    tenant.service.post(CHAT, &body).await.expect(200);
    let reply = tenant.service.post(CHAT, &body).await;
    assert_limited(&reply);
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!(wait > 55, "{wait}");
}

#[tokio::test]
async fn what_is_put_before_a_question_counts_as_its_tokens() {
    const LIMIT: u64 = 2_000;
    let node = Node::start().await;
    let tenant = node.tenant("put-before").await;
    publish(&tenant, "lease.md", &"The deposit of the lease is returned. ".repeat(40)).await;
    tenant.set_limits(json!({"tokens_per_minute": LIMIT})).await;
    let mut body = chat("the deposit");
    (body["insula"], body["max_tokens"]) = (json!({"retrieval": {"limit": 1}}), json!(1));
    let mut sent = 0;
    let refused = loop {
        let reply = tenant.service.post(CHAT, &body).await;
        if reply.status != 200 {
            break reply;
        }
        let used = reply.json()["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(used > 500, "{used}");
        sent += used;
        assert!(sent <= LIMIT + LIMIT / 10, "{sent} tokens in a minute");
    };
    assert_limited(&refused);
    assert!(sent > 0);
    // What goes on from a long conversation counts all of it.
    let other = node.tenant("goes-on").await;
    let long = json!({"model": "sim-small", "input": "word ".repeat(1_200), "max_output_tokens": 16});
    let first = other.service.post("/v1/responses", &long).await.expect(200).json();
    other.set_limits(json!({"tokens_per_minute": LIMIT})).await;
    let on = json!({"model": "sim-small", "input": "on", "previous_response_id": first["id"], "max_output_tokens": 16});
    other.service.post("/v1/responses", &on).await.expect(200);
    assert_limited(&other.service.post("/v1/responses", &on).await);
}

#[tokio::test]
async fn what_is_put_before_a_question_may_be_more_than_a_minutes_tokens() {
    let node = Node::start().await;
    let tenant = node.tenant("much-before").await;
    publish(&tenant, "lease.md", &"The deposit of the lease is returned. ".repeat(40)).await;
    tenant.set_limits(json!({"tokens_per_minute": 100})).await;
    let mut body = chat("the deposit");
    (body["insula"], body["max_tokens"]) = (json!({"retrieval": true}), json!(1));
    tenant.service.post(CHAT, &body).await.expect(200);
    let reply = tenant.service.post(CHAT, &body).await;
    assert_limited(&reply);
    assert!(reply.header("retry-after").parse::<u64>().unwrap() > 5);
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test]
async fn an_open_stream_is_a_held_seat() {
    let node = Node::start().await;
    let tenant = node.tenant("seats").await;
    tenant.set_limits(json!({"concurrency": 2})).await;
    node.scenario(Scenario { chunks: 60, gap_ms: 500, ..Scenario::default() });
    let mut first = tenant.service.stream(CHAT, &streamed_chat("one")).await.expect_open();
    let mut second = tenant.service.stream(CHAT, &streamed_chat("two")).await.expect_open();
    first.first_content().await;
    second.first_content().await;
    assert_limited(&tenant.chat("three").await);
    assert_eq!(node.simulator().count(), 2);
    drop(first);
    node.scenario(Scenario::default());
    eventually("the seat is free again", || async { (tenant.chat("three").await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_key_has_limits_of_its_own() {
    let node = Node::start().await;
    let tenant = node.tenant("keys").await;
    let (id, caller) = tenant.key("service").await;
    tenant.operator.put(&tenant.path(&format!("/keys/{id}/limits")), &json!({"requests_per_minute": 1})).await.expect(200);
    caller.post(CHAT, &chat("hi")).await.expect(200);
    assert_limited(&caller.post(CHAT, &chat("hi")).await);
    tenant.chat("the tenant's other key goes on").await.expect(200);
}

#[tokio::test]
async fn the_tighter_of_two_limits_counts_and_neither_is_charged_alone() {
    let node = Node::start().await;
    let tenant = node.tenant("both").await;
    let (id, caller) = tenant.key("service").await;
    tenant.set_limits(json!({"requests_per_minute": 4})).await;
    tenant.operator.put(&tenant.path(&format!("/keys/{id}/limits")), &json!({"requests_per_minute": 1})).await.expect(200);
    caller.post(CHAT, &chat("hi")).await.expect(200);
    for _ in 0..5 {
        assert_limited(&caller.post(CHAT, &chat("hi")).await);
    }
    // The refusals by the key's limit took nothing from the tenant's.
    for _ in 0..3 {
        tenant.chat("hi").await.expect(200);
    }
    assert_limited(&tenant.chat("hi").await);
}

#[tokio::test]
async fn limits_change_at_once() {
    let node = Node::start().await;
    let tenant = node.tenant("change").await;
    tenant.set_limits(json!({"requests_per_minute": 1})).await;
    tenant.chat("hi").await.expect(200);
    assert_limited(&tenant.chat("hi").await);
    // What is used of the old limit counts as the same share of the new one, which flows back faster.
    tenant.set_limits(json!({"requests_per_minute": 1_000})).await;
    eventually("the new limit is in force", || async { (tenant.chat("hi").await.status == 200).then_some(()) }).await;
    tenant.set_limits(json!({})).await;
    let reply = tenant.chat("hi").await.expect(200);
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "", "no limit, no header");
}
