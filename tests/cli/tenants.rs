//! `insula tenant`, `key` and `token`.

use insula_tests::Node;
use insula_tests::tenant::chat;

use super::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_life() {
    let node = Node::start().await;
    let made =
        json(&node.insula(&["tenant", "create", "umbrella", "--name", "Umbrella", "--tag", "team=blue", "--json"]).await);
    assert_eq!((&made["slug"], &made["tags"]["team"]), (&serde_json::json!("umbrella"), &serde_json::json!("blue")));
    let listed = json(&node.insula(&["tenant", "list", "--json"]).await);
    assert!(listed["data"].as_array().unwrap().contains(&made), "{listed}");
    let table = node.insula(&["tenant", "list"]).await;
    assert!(table.stdout.contains("umbrella") && table.stdout.contains("acme"), "{table:?}");

    let renamed = json(&node.insula(&["tenant", "update", "umbrella", "--name", "Renamed", "--json"]).await);
    assert_eq!(renamed["name"], "Renamed");

    let key = node.insula(&["key", "create", "umbrella", "--name", "ci"]).await;
    assert_eq!(key.stdout.trim().lines().count(), 1, "the key alone, for $(...): {key:?}");
    let caller = node.anyone.with(key.stdout.trim());
    caller.post(CHAT, &chat("hi")).await.expect(200);

    assert_eq!(json(&node.insula(&["tenant", "suspend", "umbrella", "--json"]).await)["state"], "suspended");
    assert_eq!(caller.post(CHAT, &chat("hi")).await.status, 403);
    assert_eq!(json(&node.insula(&["tenant", "resume", "umbrella", "--json"]).await)["state"], "active");
    caller.post(CHAT, &chat("hi")).await.expect(200);

    let receipt = json(&node.insula(&["tenant", "delete", "umbrella", "--yes", "--json"]).await);
    assert_eq!(receipt["tenant"], made["id"]);
    assert_eq!(node.insula(&["tenant", "show", "umbrella"]).await.code, 3);
    assert_eq!(caller.post(CHAT, &chat("hi")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_life() {
    let node = Node::start().await;
    let made =
        json(&node.insula(&["key", "create", "acme", "--name", "ci", "--role", "admin", "--expires", "90d", "--json"]).await);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    node.anyone.with(key).get("/api/v1/tenants/acme").await.expect(200);
    let listed = node.insula(&["key", "list", "acme"]).await;
    assert!(listed.stdout.contains(id) && !listed.stdout.contains(key), "{listed:?}");

    let rotated = node.insula(&["key", "rotate", "acme", id, "--overlap", "1h"]).await;
    let new = rotated.stdout.trim();
    for key in [key, new] {
        node.anyone.with(key).get("/api/v1/tenants/acme").await.expect(200);
    }
    assert_eq!(node.insula(&["key", "revoke", "acme", id]).await.code, 0);
    assert_eq!(node.anyone.with(key).get("/api/v1/tenants/acme").await.status, 401);
    node.anyone.with(new).get("/api/v1/tenants/acme").await.expect(200);

    let token = node.insula(&["token", "create", "acme", "--ttl", "15m", "--end-user", "ann"]).await;
    node.anyone.with(token.stdout.trim()).post(CHAT, &chat("hi")).await.expect(200);
}
