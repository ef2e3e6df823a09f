//! `/api/v1/tenants/{tenant}/cache`, and what is inherited of it.

use insula_tests::Node;
use serde_json::{Value, json};

#[tokio::test]
async fn rules_are_replaced_as_a_whole_by_operator_and_admin() {
    let node = Node::start().await;
    let tenant = node.tenant("rules").await;
    let path = tenant.path("/cache");
    assert_eq!(tenant.admin.get(&path).await.expect(200).json(), json!({}));
    let rules = json!({"enabled": true, "ttl_seconds": 60, "per_end_user": false});
    assert_eq!(tenant.admin.put(&path, &rules).await.expect(200).json(), rules);
    assert_eq!(tenant.operator.get(&path).await.expect(200).json(), rules);
    assert_eq!(tenant.operator.put(&path, &json!({"enabled": false})).await.expect(200).json(), json!({"enabled": false}));
    tenant.service.get(&path).await.problem(403, "forbidden");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let cases = [
        ("ttl_seconds", json!({"ttl_seconds": 0})),
        ("ttl_seconds", json!({"ttl_seconds": 604_801})),
        ("enabled", json!({"enabled": "yes"})),
        ("size", json!({"size": 1})),
    ];
    for (field, body) in cases {
        let problem = tenant.admin.put(&tenant.path("/cache"), &body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
    let plan = json!({"prices": [], "cache": {"ttl_seconds": 0}});
    let problem = node.operator().put("/api/v1/plans/wrong", &plan).await.problem(400, "invalid_request");
    assert_eq!(problem["param"], "cache.ttl_seconds");
}

#[tokio::test]
async fn rules_are_inherited_one_by_one() {
    let node = Node::start().await;
    let tenant = node.tenant("heir").await;
    let operator = node.operator();
    operator.put("/api/v1/plans/pro", &json!({"prices": [], "cache": {"enabled": true, "ttl_seconds": 60}})).await.expect(200);
    operator.put("/api/v1/segments/shops", &json!({"cache": {"ttl_seconds": 90}})).await.expect(200);
    operator.patch(&tenant.path(""), &json!({"plan": "pro", "segment": "shops"})).await.expect(200);
    let effective = async || tenant.admin.get(&tenant.path("/effective")).await.expect(200).json()["cache"].clone();
    let rule = |value: Value, origin: &str| json!({"value": value, "origin": origin});
    let wanted = json!({
        "enabled": rule(json!(true), "plan"), "ttl_seconds": rule(json!(90), "segment"), "per_end_user": rule(json!(true), "default"),
    });
    assert_eq!(effective().await, wanted);
    tenant.chat("inherited").await.expect(200);
    assert_eq!(tenant.chat("inherited").await.header("x-insula-cache"), "hit");
    tenant.admin.put(&tenant.path("/cache"), &json!({"enabled": false})).await.expect(200);
    assert_eq!(effective().await["enabled"], rule(json!(false), "own"));
    assert_eq!(tenant.chat("inherited").await.header("x-insula-cache"), "");
}
