//! `/api/v1/tenants/{tenant}/usage`.

use insula_model::Money;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, list};
use insula_tests::{Node, Prices, usd};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn usage_is_shown_by_key_model_operation_and_day() {
    let node = Node::start().await;
    let tenant = node.tenant("usage").await;
    let (other_id, other) = tenant.key("service").await;
    for _ in 0..2 {
        tenant.chat("usage").await.expect(200);
    }
    let mut large = chat("usage");
    large["model"] = json!("sim-large");
    other.post(CHAT, &large).await.expect(200);
    tenant.service.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "usage"})).await.expect(200);

    let small = chat_cost(Prices::small(), &["usage"], 64);
    let by = async |group: &str, name: &str| {
        let rows = tenant.usage_by(group).await;
        rows.into_iter().find(|row| row["group"] == name).unwrap_or_else(|| panic!("no {name} by {group}"))
    };
    let row = by("model", "sim-small").await;
    assert_eq!((row["requests"].as_u64(), usd(&row["cost_usd"])), (Some(2), times(small, 2)));
    let row = by("key", &other_id).await;
    assert_eq!((row["attempts"].as_u64(), usd(&row["cost_usd"])), (Some(1), times(small, 10)));
    assert_eq!(by("operation", "embeddings").await["requests"], 1);
    assert_eq!(by("operation", "chat").await["requests"], 3);
    let days = tenant.usage_by("day").await;
    assert_eq!(days.len(), 1);
    let total = tenant.usage().await;
    let sum: Money = tenant.usage_by("model").await.iter().map(|row| usd(&row["cost_usd"])).sum();
    assert_eq!(usd(&total["cost_usd"]), sum);
    assert_eq!(total["requests"], 4);
    for class in ["input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning"] {
        assert!(total["tokens"][class].is_u64(), "no `{class}`: {total}");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_usage_and_the_operator_everybodys() {
    let node = Node::start().await;
    let (one, two) = (node.tenant("one").await, node.tenant("two").await);
    one.chat("hi").await.expect(200);
    two.chat("hi").await.expect(200);
    assert_eq!(list(one.admin.get(&one.path("/usage")).await)[0]["requests"], 1);
    let all = list(node.operator().get("/api/v1/usage?group_by=tenant").await);
    assert_eq!(all.len(), 2, "{all:?}");
    one.admin.get("/api/v1/usage").await.problem(403, "forbidden");
    one.service.get(&one.path("/usage")).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_span_can_be_asked_for() {
    let node = Node::start().await;
    let tenant = node.tenant("span").await;
    tenant.chat("hi").await.expect(200);
    let ask = async |query: &str| tenant.admin.get(&tenant.path(&format!("/usage?{query}"))).await;
    assert!(list(ask("from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z").await).is_empty());
    for wrong in ["from=yesterday", "from=2020-02-01T00:00:00Z&to=2020-01-01T00:00:00Z", "group_by=weather", "surprise=1"] {
        ask(wrong).await.problem(400, "invalid_request");
    }
}
