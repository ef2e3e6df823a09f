//! `POST /api/v1/tenants/{tenant}/tokens`.

use insula_tests::Node;
use insula_tests::tenant::chat;
use serde_json::json;

#[tokio::test]
async fn a_token_is_short_lived_and_of_the_role_service() {
    let node = Node::start().await;
    let tenant = node.tenant("tokens").await;
    for issuer in [&tenant.admin, &tenant.operator] {
        let issued = issuer.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 60})).await.expect(201).json();
        assert!(insula_model::Timestamp::parse(issued["expires_at"].as_str().unwrap()).is_ok(), "{issued}");
        let token = node.anyone.with(issued["token"].as_str().unwrap());
        token.post("/v1/chat/completions", &chat("hi")).await.expect(200);
        token.get(&tenant.path("/usage")).await.problem(403, "forbidden");
        token.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 60})).await.problem(403, "forbidden");
    }
    tenant.service.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 60})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_token_is_bound_to_its_tenant() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("one").await, node.tenant("two").await);
    let issued = tenant.admin.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 60})).await.expect(201).json();
    let token = node.anyone.with(issued["token"].as_str().unwrap());
    token.get(&other.path("/usage")).await.problem(404, "not_found");
    // Changed in any place, it opens nothing.
    let text = issued["token"].as_str().unwrap();
    for at in [text.len() / 4, text.len() / 2, text.len() - 2] {
        let mut forged = text.to_owned();
        let other_letter = if &text[at..=at] == "A" { "B" } else { "A" };
        forged.replace_range(at..=at, other_letter);
        node.anyone.with(&forged).post("/v1/chat/completions", &chat("hi")).await.openai_error(401, "invalid_api_key");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let cases = [
        ("ttl_seconds", json!({})),
        ("ttl_seconds", json!({"ttl_seconds": 0})),
        ("ttl_seconds", json!({"ttl_seconds": -1})),
        ("ttl_seconds", json!({"ttl_seconds": 10_000_000})),
        ("ttl_seconds", json!({"ttl_seconds": "60"})),
        ("end_user", json!({"ttl_seconds": 60, "end_user": ""})),
        ("role", json!({"ttl_seconds": 60, "role": "admin"})),
    ];
    for (field, body) in cases {
        let reply = tenant.admin.post(&tenant.path("/tokens"), &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
}
