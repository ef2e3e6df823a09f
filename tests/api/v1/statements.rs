//! `/api/v1/tenants/{tenant}/statements`.

use std::collections::HashMap;

use insula_model::{Money, TokenCounts};
use insula_simulator::{Fault, FaultKind, RequestRecord, Scenario};
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Node, Prices, TestTenant, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// Chats of two models, streams, embeddings, and every way in which a provider fails.
async fn spend(node: &Node, tenant: &TestTenant) {
    let (_, other) = tenant.key("service").await;
    for kind in
        [None, Some(FaultKind::RateLimit), Some(FaultKind::ServerError), Some(FaultKind::Reset), Some(FaultKind::MissingUsage)]
    {
        let faults = kind.map(|kind| Fault::new(kind, 1.0)).into_iter().collect();
        node.scenario(Scenario { faults, cached_tokens: 3, reasoning_tokens: 5, ..Scenario::default() });
        tenant.service.post(CHAT, &chat("plain")).await;
        tenant.service.stream(CHAT, &streamed_chat("stream")).await.into_reply().await;
        let mut large = chat("large");
        large["model"] = json!("sim-large");
        other.post(CHAT, &large).await;
        other.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "embedded"})).await;
    }
}

/// All attempts behind a link of a statement, page by page.
async fn drilled(tenant: &TestTenant, link: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tenant.admin.get(&format!("{link}&limit=3{cursor}")).await.expect(200);
        let next = page.json()["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
        found.extend(list(page));
        match next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
}

fn total<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Money {
    rows.into_iter().map(|row| usd(&row["amount_usd"])).sum()
}

/// What the provider would bill for a request.
fn billed(record: &RequestRecord, model: &str) -> Money {
    let Some(usage) = &record.usage else { return Money::ZERO };
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let price = match model {
        "sim-small" => Prices::small(),
        "sim-large" => Prices::large(),
        _ => Prices::embed(),
    };
    let tokens = TokenCounts { input: count("prompt_tokens"), output: count("completion_tokens"), ..TokenCounts::default() };
    price.cost(&tokens).unwrap()
}

async fn agrees_with_usage_and_provider(node: &Node) {
    let tenant = node.tenant("statement").await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "100"}])).await;
    spend(node, &tenant).await;
    let settled = tenant.settled().await;
    let months = list(tenant.admin.get(&tenant.path("/statements")).await);
    assert_eq!((months.len(), &months[0]["state"]), (1, &json!("open")));
    let statement = tenant.admin.get(months[0]["statement"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(usd(&statement["amount_usd"]), settled);
    assert_eq!(usd(&statement["closing_usd"]), settled);
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), settled);
    for class in ["input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning"] {
        assert_eq!(statement["tokens"][class], tenant.usage().await["tokens"][class], "{class}");
    }

    let mut attempts = Vec::new();
    for line in statement["charges"].as_array().unwrap() {
        let behind = drilled(&tenant, line["drill"].as_str().unwrap()).await;
        assert_eq!((json!(behind.len()), total(&behind)), (line["attempts"].clone(), usd(&line["amount_usd"])), "{line}");
        assert!(behind.iter().all(|attempt| attempt["price_row"] == line["price_row"]), "{line}");
        attempts.extend(behind);
    }
    assert_eq!(total(&attempts), settled);
    for view in ["by_model", "by_operation", "by_key"] {
        assert_eq!(total(statement[view].as_array().unwrap()), settled, "{view}");
    }

    let log = node.simulator().requests();
    let by_id: HashMap<&str, &RequestRecord> =
        log.iter().map(|record| (record.attempt_id.as_deref().unwrap(), record)).collect();
    assert_eq!((by_id.len(), attempts.len()), (log.len(), log.len()), "each attempt once");
    for attempt in &attempts {
        let record = by_id[attempt["id"].as_str().unwrap()];
        let (amount, billed) = (usd(&attempt["amount_usd"]), billed(record, attempt["model"].as_str().unwrap()));
        match attempt["estimated"] == true {
            true => assert!(amount >= billed, "{attempt} against {record:?}"),
            false => assert_eq!(amount, billed, "{attempt} against {record:?}"),
        }
    }
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(proof["difference_usd"], "0.00", "{proof}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_agrees_with_usage_and_provider() {
    agrees_with_usage_and_provider(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_a_cluster_agrees_too() {
    agrees_with_usage_and_provider(&Node::clustered().await).await;
}

#[tokio::test]
async fn a_request_tells_its_cost_and_prices() {
    let node = Node::start().await;
    let tenant = node.tenant("cost").await;
    let id = tenant.chat("what it cost").await.expect(200).request_id().to_owned();
    let request = tenant.request(&id).await;
    let attempt = &request["attempts"][0];
    assert_eq!(
        (&request["cost"]["total_usd"], &request["cost"]["by_cause"]["base"]),
        (&attempt["cost_usd"], &attempt["cost_usd"])
    );
    assert_eq!(request["cost"]["by_cause"].as_object().unwrap().len(), 6);
    assert!(request["cost"]["queue_ms"].is_u64());
    assert_eq!((&attempt["rates"]["input_usd"], &attempt["rates"]["output_usd"]), (&json!("1.00"), &json!("2.00")));
}
