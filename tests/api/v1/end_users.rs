//! `/api/v1/tenants/{tenant}/end-users`: whom a tenant's product serves, and what each may spend.

use insula_model::Money;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, list};
use insula_tests::{Node, Prices, TestTenant, eventually, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn chat_for(user: &str) -> Value {
    let mut body = chat("hi");
    body["user"] = json!(user);
    body["max_tokens"] = json!(64);
    body
}

async fn set(tenant: &TestTenant, user: &str, budgets: Value) -> Vec<Value> {
    list(tenant.admin.put(&tenant.path(&format!("/end-users/{user}/budgets")), &budgets).await)
}

async fn budgets(tenant: &TestTenant, user: &str) -> Vec<Value> {
    list(tenant.admin.get(&tenant.path(&format!("/end-users/{user}/budgets"))).await)
}

#[tokio::test]
async fn an_end_user_has_a_budget_of_its_own() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("users").await, node.tenant("others").await);
    let cost = chat_cost(Prices::small(), &["hi"], 64);
    tenant.service.post(CHAT, &chat_for("ada@example.com")).await.expect(200);
    // What was spent before counts.
    let order = json!([{"window": "day", "limit_usd": times(cost, 2).to_string(), "alert_at": [0.5]}]);
    let shown = set(&tenant, "ada%40example.com", order.clone()).await;
    assert_eq!((&shown[0]["level"], &shown[0]["subject"]), (&json!("end_user"), &json!("ada@example.com")));
    assert_eq!(usd(&shown[0]["used_usd"]), cost);

    let refused = tenant.service.post(CHAT, &chat_for("ada@example.com")).await;
    let error = refused.openai_error(429, "budget_exceeded");
    assert_eq!((&error["level"], &error["window"]), (&json!("end_user"), &json!("day")), "{error}");
    // Nobody else is held to it: another end user, a call for nobody, the same name at another tenant.
    tenant.service.post(CHAT, &chat_for("bob")).await.expect(200);
    tenant.chat("hi").await.expect(200);
    other.service.post(CHAT, &chat_for("ada@example.com")).await.expect(200);
    assert!(budgets(&other, "ada%40example.com").await.is_empty());

    set(&tenant, "ada%40example.com", json!([{"window": "day", "limit_usd": "1"}])).await;
    tenant.service.post(CHAT, &chat_for("ada@example.com")).await.expect(200);
    assert_eq!(usd(&budgets(&tenant, "ada%40example.com").await[0]["used_usd"]), times(cost, 2));
    set(&tenant, "ada%40example.com", json!([])).await;
    tenant.service.post(CHAT, &chat_for("ada@example.com")).await.expect(200);
}

#[tokio::test]
async fn the_tokens_end_user_counts_before_the_bodys() {
    let node = Node::start().await;
    let tenant = node.tenant("tokens").await;
    set(&tenant, "ada", json!([{"window": "month", "limit_usd": "0"}])).await;
    let token = tenant.admin.post(&tenant.path("/tokens"), &json!({"end_user": "ada", "ttl_seconds": 600})).await;
    let ada = tenant.service.with(token.expect(201).json()["token"].as_str().unwrap());
    for body in [chat("hi"), chat_for("bob")] {
        let error = ada.post(CHAT, &body).await.openai_error(429, "budget_exceeded");
        assert_eq!(error["level"], "end_user");
    }
    let embed = json!({"model": "sim-embed", "input": "hi", "user": "ada"});
    tenant.service.post("/v1/embeddings", &embed).await.openai_error(429, "budget_exceeded");
    tenant.service.post(CHAT, &chat_for("bob")).await.expect(200);
}

#[tokio::test]
async fn usage_and_requests_name_the_end_user() {
    let node = Node::start().await;
    let tenant = node.tenant("names").await;
    let mut last = String::new();
    for user in ["ada", "bob", "ada"] {
        last = tenant.service.post(CHAT, &chat_for(user)).await.expect(200).request_id().to_owned();
    }
    tenant.chat("for nobody").await.expect(200);
    let rows = eventually("names are known", || async {
        let rows = tenant.usage_by("end_user").await;
        rows.iter().any(|row| row["group"] == "ada").then_some(rows)
    })
    .await;
    let cost = chat_cost(Prices::small(), &["hi"], 64);
    let shown: Vec<_> = rows.iter().map(|row| (row["group"].as_str(), row["requests"].as_u64())).collect();
    assert_eq!(shown, [(None, Some(1)), (Some("ada"), Some(2)), (Some("bob"), Some(1))]);
    assert_eq!(usd(&rows[1]["cost_usd"]), times(cost, 2));
    let detail = tenant.request(&last).await;
    assert_eq!(detail["end_user"], "ada");

    let listed = list(tenant.admin.get(&tenant.path("/end-users")).await);
    let mut names: Vec<_> = listed.iter().filter_map(|user| user["id"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "bob"]);
    let first = tenant.admin.get(&tenant.path("/end-users?limit=1")).await.expect(200).json();
    let next = format!("/end-users?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = tenant.admin.get(&tenant.path(&next)).await.expect(200).json();
    assert_eq!(second["next_cursor"], Value::Null);
    assert_ne!(first["data"][0]["id"], second["data"][0]["id"]);
    // Over all tenants only what stands for a name.
    let all = list(node.operator().get("/api/v1/usage?group_by=end_user").await);
    assert!(all.iter().all(|row| row["group"].as_str().is_none_or(|group| group.starts_with("eus_"))), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_end_user_spent_outlives_a_crash() {
    let mut node = Node::start().await;
    let tenant = node.tenant("crash").await;
    let cost = chat_cost(Prices::small(), &["hi"], 64);
    tenant.service.post(CHAT, &chat_for("ada")).await.expect(200);
    set(&tenant, "ada", json!([{"window": "month", "limit_usd": times(cost, 2).to_string()}])).await;
    node.kill();
    node.start_again().await;
    let tenant = tenant.at(&node.operator());
    let shown = budgets(&tenant, "ada").await;
    assert_eq!((usd(&shown[0]["used_usd"]), usd(&shown[0]["reserved_usd"])), (cost, Money::ZERO));
    tenant.service.post(CHAT, &chat_for("ada")).await.openai_error(429, "budget_exceeded");
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    for name in ["a%0Ab", &"x".repeat(201)] {
        let reply = tenant.admin.get(&tenant.path(&format!("/end-users/{name}/budgets"))).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains("end_user"), "{}", reply.text());
    }
}
