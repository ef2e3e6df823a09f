//! `/api/v1/tenants/{tenant}/budgets`, of keys, and `/api/v1/platform/budgets`.

use insula_tests::Node;
use insula_tests::tenant::list;
use serde_json::json;

#[tokio::test]
async fn budgets_are_replaced_as_a_whole_and_shown_with_what_is_used() {
    let node = Node::start().await;
    let tenant = node.tenant("budgets").await;
    assert!(tenant.budgets().await.is_empty());
    let both = json!([
        {"window": "month", "limit_usd": "10.00", "mode": "hard", "alert_at": [0.8]},
        {"window": "day", "limit_tokens": 5000, "mode": "soft"}
    ]);
    tenant.set_budgets(both).await;
    let shown = tenant.budgets().await;
    assert_eq!(shown.len(), 2);
    let month = shown.iter().find(|budget| budget["window"] == "month").unwrap();
    assert!(month["id"].as_str().unwrap().starts_with("bud_"));
    assert_eq!((&month["level"], &month["mode"], &month["limit_usd"]), (&json!("tenant"), &json!("hard"), &json!("10.00")));
    assert_eq!((&month["used_usd"], &month["reserved_usd"]), (&json!("0.00"), &json!("0.00")));
    assert_eq!(month["subject"], tenant.id);
    assert!(month["resets_at"].as_str().unwrap().ends_with("-01T00:00:00Z"), "{month}");
    let day = shown.iter().find(|budget| budget["window"] == "day").unwrap();
    assert_eq!(day["limit_tokens"], 5000);
    assert!(day.get("limit_usd").is_none_or(serde_json::Value::is_null), "{day}");

    // The same budget, changed, keeps its id.
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "20"}])).await;
    let changed = tenant.budgets().await;
    assert_eq!((changed.len(), &changed[0]["id"], &changed[0]["limit_usd"]), (1, &month["id"], &json!("20.00")));
    tenant.set_budgets(json!([])).await;
    assert!(tenant.budgets().await.is_empty());
}

#[tokio::test]
async fn a_tenant_sees_its_budgets_and_cannot_raise_them() {
    let node = Node::start().await;
    let tenant = node.tenant("rights").await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "1"}])).await;
    assert_eq!(list(tenant.admin.get(&tenant.path("/budgets")).await).len(), 1);
    tenant.admin.put(&tenant.path("/budgets"), &json!([])).await.problem(403, "forbidden");
    tenant.service.get(&tenant.path("/budgets")).await.problem(403, "forbidden");
    tenant.admin.put("/api/v1/platform/budgets", &json!([])).await.problem(403, "forbidden");
    tenant.admin.get("/api/v1/platform/budgets").await.problem(403, "forbidden");
    assert_eq!(tenant.budgets().await[0]["limit_usd"], "1.00");
    // A key of its own it may keep short.
    let path = tenant.path(&format!("/keys/{}/budgets", tenant.service_key));
    tenant.admin.put(&path, &json!([{"window": "day", "limit_usd": "0"}])).await.expect(200);
    assert_eq!(tenant.chat("hi").await.status, 429);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let cases = [
        ("window", json!([{"limit_usd": "1"}])),
        ("window", json!([{"window": "year", "limit_usd": "1"}])),
        ("limit", json!([{"window": "day"}])),
        ("limit", json!([{"window": "day", "limit_usd": "1", "limit_tokens": 1}])),
        ("limit_usd", json!([{"window": "day", "limit_usd": "-1"}])),
        ("limit_usd", json!([{"window": "day", "limit_usd": "1e3"}])),
        ("limit_usd", json!([{"window": "day", "limit_usd": "ten"}])),
        ("limit_usd", json!([{"window": "day", "limit_usd": 1.5}])),
        ("limit_usd", json!([{"window": "day", "limit_usd": "99999999999999999999"}])),
        ("limit_tokens", json!([{"window": "day", "limit_tokens": -1}])),
        ("limit_tokens", json!([{"window": "day", "limit_tokens": 1.5}])),
        ("mode", json!([{"window": "day", "limit_usd": "1", "mode": "firm"}])),
        ("alert_at", json!([{"window": "day", "limit_usd": "1", "alert_at": [1.5]}])),
        ("surprise", json!([{"window": "day", "limit_usd": "1", "surprise": 1}])),
        ("window", json!([{"window": "day", "limit_usd": "1"}, {"window": "day", "limit_usd": "2"}])),
    ];
    for (field, body) in cases {
        let reply = tenant.operator.put(&tenant.path("/budgets"), &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
    assert!(tenant.budgets().await.is_empty(), "a refused list changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_and_what_was_used_outlive_a_crash() {
    let mut node = Node::start().await;
    let tenant = node.tenant("crash").await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "1"}])).await;
    tenant.chat("spent before").await.expect(200);
    let settled = tenant.settled().await;
    node.kill();
    node.start_again().await;
    let shown = list(node.operator().get(&tenant.path("/budgets")).await);
    assert_eq!((shown.len(), insula_tests::usd(&shown[0]["used_usd"])), (1, settled));
    assert_eq!(shown[0]["reserved_usd"], "0.00");
}
