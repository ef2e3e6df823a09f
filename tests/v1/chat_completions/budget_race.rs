//! Two hundred at once against money for exactly fifty.

use insula_model::Money;
use insula_simulator::Scenario;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Prices, TestTenant, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const CALLERS: usize = 200;
const AFFORDABLE: u64 = 50;
/// Without `max_tokens` a reservation is far above the cost; still so many of the affordable must be served in the end.
const SERVED_MIN: u64 = 40;
const TEXT: &str = "race";
const OUTPUT_TOKENS: u64 = 64;

/// Sends them all at once; returns how many were served.
async fn race(node: &Node, tenant: &TestTenant, body: &Value) -> u64 {
    node.scenario(Scenario { latency_ms: 100, output_tokens: OUTPUT_TOKENS, ..Scenario::default() });
    let streamed = body["stream"] == true;
    let calls = (0..CALLERS).map(|_| {
        let (caller, body) = (tenant.service.clone(), body.clone());
        tokio::spawn(async move {
            let stream = caller.stream(CHAT, &body).await;
            if stream.status != 200 {
                let reply = stream.into_reply().await;
                reply.openai_error(429, &reply.code());
                return Err(reply.code());
            }
            match streamed {
                true => drop(stream.collect().await.expect_complete()),
                false => drop(stream.into_reply().await.json()),
            }
            Ok(())
        })
    });
    let mut served = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(()) => served += 1,
            Err(code) => assert!(code == "budget_exceeded" || code == "rate_limit_exceeded", "{code}"),
        }
    }
    served
}

/// Nothing above the budget, nothing held, nobody served for nothing, nobody asked upstream without being served.
async fn assert_exact(node: &Node, tenant: &TestTenant, served: u64, budget: Money) {
    let cost = chat_cost(Prices::small(), &[TEXT], OUTPUT_TOKENS);
    let settled = tenant.settled().await;
    assert!(settled <= budget, "overspent: {settled} of {budget}");
    assert_eq!(settled, times(cost, served));
    assert!(served <= AFFORDABLE, "{served} were served for the price of {AFFORDABLE}");
    assert_eq!(node.simulator().count(), served);
    let usage = tenant.usage().await;
    assert_eq!((usage["attempts"].as_u64(), usd(&usage["cost_usd"])), (Some(served), settled));
}

async fn assert_race(body: Value) {
    let node = Node::start().await;
    let tenant = node.tenant("race").await;
    let budget = times(chat_cost(Prices::small(), &[TEXT], OUTPUT_TOKENS), AFFORDABLE);
    tenant.set_monthly_budget(budget).await;
    let served = race(&node, &tenant, &body).await;
    println!("{served} of {CALLERS} served, {AFFORDABLE} affordable");
    assert_exact(&node, &tenant, served, budget).await;
    assert!(served >= SERVED_MIN, "only {served} of {AFFORDABLE} affordable were served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_max_tokens() {
    let mut body = chat(TEXT);
    body["max_tokens"] = json!(OUTPUT_TOKENS);
    assert_race(body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_max_tokens() {
    assert_race(chat(TEXT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming() {
    assert_race(streamed_chat(TEXT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_with_max_tokens() {
    let mut body = streamed_chat(TEXT);
    body["max_tokens"] = json!(OUTPUT_TOKENS);
    assert_race(body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_several_budgets_at_once() {
    let node = Node::start().await;
    let tenant = node.tenant("levels").await;
    let cost = chat_cost(Prices::small(), &[TEXT], OUTPUT_TOKENS);
    let budget = times(cost, AFFORDABLE);
    tenant
        .set_budgets(json!([
            {"window": "month", "limit_usd": times(cost, 2 * AFFORDABLE).to_string()},
            {"window": "day", "limit_usd": budget.to_string()},
            {"window": "hour", "limit_tokens": 1_000_000}
        ]))
        .await;
    let platform = json!([{"window": "month", "limit_usd": times(cost, 3 * AFFORDABLE).to_string()}]);
    node.operator().put("/api/v1/platform/budgets", &platform).await.expect(200);
    let path = tenant.path(&format!("/keys/{}/budgets", tenant.service_key));
    node.operator().put(&path, &json!([{"window": "month", "limit_usd": budget.to_string()}])).await.expect(200);
    let served = race(&node, &tenant, &chat(TEXT)).await;
    assert!(served >= SERVED_MIN, "{served}");
    for budget in tenant.budgets().await {
        assert_eq!(
            budget["reserved_usd"].as_str().map(|_| usd(&budget["reserved_usd"])).unwrap_or_default(),
            Money::ZERO,
            "{budget}"
        );
    }
    assert_exact(&node, &tenant, served, budget).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_race_without_touching_each_other() {
    let node = Node::start().await;
    let cost = chat_cost(Prices::small(), &[TEXT], OUTPUT_TOKENS);
    let (one, two) = (node.tenant("one").await, node.tenant("two").await);
    one.set_monthly_budget(times(cost, AFFORDABLE)).await;
    two.set_monthly_budget(times(cost, AFFORDABLE)).await;
    let body = chat(TEXT);
    let (first, second) = tokio::join!(race(&node, &one, &body), race(&node, &two, &body));
    for (tenant, served) in [(&one, first), (&two, second)] {
        assert_eq!(tenant.settled().await, times(cost, served));
        assert!((SERVED_MIN..=AFFORDABLE).contains(&served), "{served}");
    }
}
