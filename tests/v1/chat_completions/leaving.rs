//! Clients that leave: what was used is settled all the same, and nothing stays held.

use std::time::Duration;

use insula_model::Money;
use insula_simulator::Scenario;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Prices, TestTenant, amounts, eventually, usd};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// A tenant with a budget and a single seat.
async fn tenant_with_one_seat(node: &Node, slug: &str) -> TestTenant {
    let tenant = node.tenant(slug).await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    tenant.set_limits(json!({"concurrency": 1})).await;
    tenant
}

/// Nothing is held any more: no money, and the seat is free again.
async fn nothing_is_held(node: &Node, tenant: &TestTenant) {
    tenant.settled().await;
    node.scenario(Scenario::default());
    eventually("the seat is free again", || async { (tenant.chat("next").await.status == 200).then_some(()) }).await;
}

/// The attempts of the request `id`, once it is over.
async fn only_attempt(tenant: &TestTenant, id: &str) -> serde_json::Value {
    let mut trace = tenant.request(id).await;
    let attempts = trace["attempts"].as_array_mut().unwrap();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

#[tokio::test]
async fn leaving_in_mid_stream_settles_what_was_used() {
    let node = Node::start().await;
    let tenant = tenant_with_one_seat(&node, "mid").await;
    // Too long to be worth draining: the provider is left and the use is estimated.
    node.scenario(Scenario { chunks: 64, gap_ms: 1_000, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("leaving")).await.expect_open();
    let id = stream.request_id();
    stream.first_content().await;
    drop(stream);
    let settled = tenant.settled().await;
    let attempt = only_attempt(&tenant, &id).await;
    assert_eq!(attempt["estimated"], true, "{attempt}");
    assert_eq!(usd(&attempt["cost_usd"]), settled);
    assert!(settled > Money::ZERO);
    let log = node.simulator().requests();
    assert_eq!(log.len(), 1);
    nothing_is_held(&node, &tenant).await;
}

#[tokio::test]
async fn leaving_near_the_end_drains_and_settles_exactly() {
    let node = Node::start().await;
    let tenant = tenant_with_one_seat(&node, "near").await;
    node.scenario(Scenario { chunks: 4, gap_ms: 100, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("nearly")).await.expect_open();
    let id = stream.request_id();
    stream.first_content().await;
    drop(stream);
    let settled = tenant.settled().await;
    let attempt = only_attempt(&tenant, &id).await;
    let exact = amounts::chat_cost(Prices::small(), &["nearly"], 64);
    // Drained or not is the server's choice; wrong is not. An estimate is never below what was used.
    assert!(settled == exact || (attempt["estimated"] == true && settled >= exact), "{attempt}, exactly {exact}");
    nothing_is_held(&node, &tenant).await;
}

#[tokio::test]
async fn leaving_before_the_first_byte_leaves_nothing_behind() {
    let node = Node::start().await;
    for (slug, body) in [("plain", chat("gone")), ("stream", streamed_chat("gone"))] {
        let tenant = tenant_with_one_seat(&node, slug).await;
        node.simulator().reset();
        node.scenario(Scenario { latency_ms: 1_000, ..Scenario::default() });
        let call = tenant.service.call(http::Method::POST, CHAT).json(&body).try_stream();
        let gone = tokio::time::timeout(Duration::from_millis(200), call).await;
        assert!(gone.is_err(), "left before the answer began");
        eventually("the provider was asked", || async { (node.simulator().count() == 1).then_some(()) }).await;
        nothing_is_held(&node, &tenant).await;
        let usage = eventually("both requests are in the books", || async {
            let usage = tenant.usage().await;
            (usage["attempts"] == 2).then_some(usage)
        })
        .await;
        assert!(usd(&usage["cost_usd"]) >= amounts::chat_cost(Prices::small(), &["next"], 64), "{usage}");
    }
}

#[tokio::test]
async fn the_provider_is_left_too_when_draining_is_not_worth_it() {
    let node = Node::start().await;
    let tenant = tenant_with_one_seat(&node, "closed").await;
    node.scenario(Scenario { chunks: 64, gap_ms: 1_000, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("bye")).await.expect_open();
    stream.first_content().await;
    drop(stream);
    tenant.settled().await;
    // Had it been drained to the end, this would take a minute.
    assert!(!node.simulator().requests()[0].finished);
}
