//! `/api/v1/tenants/{tenant}/limits` and of keys.

use insula_tests::Node;
use serde_json::json;

#[tokio::test]
async fn limits_are_replaced_as_a_whole() {
    let node = Node::start().await;
    let tenant = node.tenant("limits").await;
    let path = tenant.path("/limits");
    tenant.set_limits(json!({"requests_per_minute": 10, "concurrency": 2})).await;
    let shown = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!((&shown["requests_per_minute"], &shown["concurrency"]), (&json!(10), &json!(2)));
    tenant.set_limits(json!({"tokens_per_minute": 5})).await;
    let shown = tenant.operator.get(&path).await.expect(200).json();
    assert_eq!(shown["tokens_per_minute"], 5);
    assert!(shown.get("concurrency").is_none_or(serde_json::Value::is_null), "{shown}");
}

#[tokio::test]
async fn a_tenant_sees_its_limits_and_cannot_raise_them() {
    let node = Node::start().await;
    let tenant = node.tenant("rights").await;
    tenant.admin.get(&tenant.path("/limits")).await.expect(200);
    tenant.admin.put(&tenant.path("/limits"), &json!({})).await.problem(403, "forbidden");
    tenant.service.get(&tenant.path("/limits")).await.problem(403, "forbidden");
    let path = tenant.path(&format!("/keys/{}/limits", tenant.service_key));
    tenant.admin.put(&path, &json!({"requests_per_minute": 1})).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let cases = [
        ("requests_per_minute", json!({"requests_per_minute": 0})),
        ("requests_per_minute", json!({"requests_per_minute": -1})),
        ("tokens_per_minute", json!({"tokens_per_minute": 1.5})),
        ("concurrency", json!({"concurrency": "2"})),
        ("concurrency", json!({"concurrency": 99_999_999_999_u64})),
        ("surprise", json!({"surprise": 1})),
    ];
    for (field, body) in cases {
        let reply = tenant.operator.put(&tenant.path("/limits"), &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
}
