//! `/api/v1/tenants/{tenant}/keys`.

use insula_tests::Node;
use insula_tests::tenant::{chat, list};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_key_is_shown_once() {
    let node = Node::start().await;
    let tenant = node.tenant("keys").await;
    let body = json!({"name": "ci", "role": "service", "tags": {"team": "blue"}});
    let created = tenant.admin.post(&tenant.path("/keys"), &body).await.expect(201).json();
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("ins_live_"), "{key}");
    assert!(key.starts_with(created["prefix"].as_str().unwrap()));
    assert!(created["id"].as_str().unwrap().starts_with("key_"));
    node.anyone.with(key).post(CHAT, &chat("hi")).await.expect(200);

    let secret = key.rsplit('_').next().unwrap();
    let path = tenant.path(&format!("/keys/{}", created["id"].as_str().unwrap()));
    for shown in
        [tenant.admin.get(&path).await, tenant.operator.get(&path).await, tenant.admin.get(&tenant.path("/keys")).await]
    {
        assert!(!shown.expect(200).text().contains(secret));
    }
    let shown = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!((&shown["name"], &shown["role"], &shown["tags"]), (&body["name"], &body["role"], &body["tags"]));
}

#[tokio::test]
async fn the_default_role_is_service() {
    let node = Node::start().await;
    let tenant = node.tenant("role").await;
    let created = tenant.admin.post(&tenant.path("/keys"), &json!({"name": "plain"})).await.expect(201).json();
    let caller = node.anyone.with(created["key"].as_str().unwrap());
    caller.post(CHAT, &chat("hi")).await.expect(200);
    caller.get(&tenant.path("/keys")).await.problem(403, "forbidden");
    caller.post(&tenant.path("/keys"), &json!({"name": "more"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let cases = [
        ("name", json!({})),
        ("name", json!({"name": ""})),
        ("role", json!({"name": "n", "role": "root"})),
        ("role", json!({"name": "n", "role": "operator"})),
        ("expires_at", json!({"name": "n", "expires_at": "tomorrow"})),
        ("expires_at", json!({"name": "n", "expires_at": "2020-01-01T00:00:00Z"})),
        ("tenant", json!({"name": "n", "tenant": "ten_00000000000000000000000000"})),
        ("key", json!({"name": "n", "key": "ins_live_mine"})),
    ];
    for (field, body) in cases {
        let reply = tenant.admin.post(&tenant.path("/keys"), &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_revoked_key_stays_on_the_list_and_cannot_be_rotated() {
    let node = Node::start().await;
    let tenant = node.tenant("revoked").await;
    let (id, _) = tenant.key("service").await;
    let path = tenant.path(&format!("/keys/{id}"));
    for _ in 0..2 {
        let reply = tenant.admin.delete(&path).await;
        assert!((200..300).contains(&reply.status), "{}", reply.text());
    }
    let row = list(tenant.admin.get(&tenant.path("/keys")).await).into_iter().find(|row| row["id"] == id.as_str()).unwrap();
    assert!(row["revoked_at"].is_string(), "{row}");
    tenant.admin.post(&format!("{path}/rotate"), &json!({})).await.problem(409, "conflict");
}

#[tokio::test]
async fn rotation_keeps_what_was_set_for_the_key() {
    let node = Node::start().await;
    let tenant = node.tenant("rotate").await;
    let (id, _) = tenant.key("service").await;
    let path = tenant.path(&format!("/keys/{id}"));
    tenant.operator.put(&format!("{path}/limits"), &json!({"requests_per_minute": 77})).await.expect(200);
    tenant.operator.put(&format!("{path}/budgets"), &json!([{"window": "day", "limit_usd": "7"}])).await.expect(200);
    let rotated = tenant.admin.post(&format!("{path}/rotate"), &json!({})).await.expect(201).json();
    let path = tenant.path(&format!("/keys/{}", rotated["id"].as_str().unwrap()));
    assert_eq!(tenant.admin.get(&format!("{path}/limits")).await.expect(200).json()["requests_per_minute"], 77);
    assert_eq!(list(tenant.admin.get(&format!("{path}/budgets")).await)[0]["limit_usd"], "7.00");
    for wrong in [json!({"overlap_seconds": -1}), json!({"overlap_seconds": 1e12}), json!({"surprise": 1})] {
        tenant.admin.post(&format!("{path}/rotate"), &wrong).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_last_admin_key_may_be_revoked_and_the_operator_makes_another() {
    let node = Node::start().await;
    let tenant = node.tenant("last").await;
    tenant.admin.delete(&tenant.path(&format!("/keys/{}", tenant.admin_key))).await;
    assert_eq!(tenant.admin.get(&tenant.path("/keys")).await.status, 401);
    let (_, admin) = tenant.key("admin").await;
    assert_eq!(list(admin.get(&tenant.path("/keys")).await).len(), 3);
}
