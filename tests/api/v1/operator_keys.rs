//! `/api/v1/operator-keys`.

use insula_tests::Node;
use insula_tests::tenant::list;
use serde_json::json;

const KEYS: &str = "/api/v1/operator-keys";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_key_opens_the_platform_until_it_is_revoked() {
    let mut node = Node::start().await;
    let made = node.operator().post(KEYS, &json!({"name": "ann"})).await.expect(201).json();
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("ins_op_"), "{made}");
    let ann = node.anyone.with(&key);
    ann.get("/api/v1/tenants").await.expect(200);
    let listed = ann.get(KEYS).await.expect(200);
    assert!(!listed.text().contains(key.rsplit('_').next().unwrap()), "the secret is shown once");
    assert!(list(listed).iter().any(|row| row["id"] == made["id"]));

    let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    let reply = node.operator().delete(&path).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    ann.get("/api/v1/tenants").await.problem(401, "invalid_api_key");
    node.kill();
    node.start_again().await;
    node.anyone.with(&key).get("/api/v1/tenants").await.problem(401, "invalid_api_key");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    for (field, body) in [("name", json!({})), ("name", json!({"name": ""})), ("role", json!({"name": "n", "role": "x"}))] {
        let reply = node.operator().post(KEYS, &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
    node.operator().delete(&format!("{KEYS}/key_00000000000000000000000000")).await.problem(404, "not_found");
}
