//! `/api/v1/plans`, `/api/v1/segments` and `/api/v1/tenants/{tenant}/effective`: what a tenant inherits holds at once.

use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// Replaces a plan or segment.
async fn put(node: &Node, path: &str, body: Value) {
    node.operator().put(&format!("/api/v1/{path}"), &body).await.expect(200);
}

async fn patch(tenant: &TestTenant, body: Value) {
    tenant.operator.patch(&tenant.path(""), &body).await.expect(200);
}

fn monthly(limit: &str) -> Value {
    json!({"budgets": [{"window": "month", "limit_usd": limit}]})
}

#[tokio::test]
async fn a_plan_refuses_and_an_upgrade_serves_at_once() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("upgraded").await, node.tenant("other").await);
    put(&node, "plans/free", monthly("0")).await;
    put(&node, "plans/pro", monthly("5")).await;
    for tenant in [&tenant, &other] {
        patch(tenant, json!({"plan": "free"})).await;
        for body in [chat("hi"), streamed_chat("hi")] {
            let error = tenant.service.post(CHAT, &body).await.openai_error(429, "budget_exceeded");
            assert_eq!((&error["level"], &error["window"]), (&json!("plan"), &json!("month")), "{error}");
        }
    }
    patch(&tenant, json!({"plan": "pro"})).await;
    tenant.chat("served").await.expect(200);
    tenant.settled().await;
    other.chat("not yet").await.openai_error(429, "budget_exceeded");
    // The plan itself may change as well, and a segment comes before it.
    put(&node, "plans/free", monthly("5")).await;
    other.chat("served").await.expect(200);
    put(&node, "segments/trial", monthly("0")).await;
    patch(&other, json!({"segment": "trial"})).await;
    let error = other.chat("trial").await.openai_error(429, "budget_exceeded");
    assert_eq!(error["level"], "segment");
    other.set_budgets(json!([{"window": "month", "limit_usd": "5"}])).await;
    other.chat("its own").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_inherited_outlives_a_crash() {
    let mut node = Node::start().await;
    let tenant = node.tenant("crash").await;
    put(&node, "plans/free", json!({"limits": {"concurrency": 3}, "budgets": [{"window": "day", "limit_usd": "0"}]})).await;
    patch(&tenant, json!({"plan": "free"})).await;
    let before = tenant.budgets().await;
    node.kill();
    node.start_again().await;
    let operator = node.operator();
    let shown = list(operator.get(&tenant.path("/budgets")).await);
    assert_eq!((shown.len(), &shown[0]["id"], &shown[0]["level"]), (1, &before[0]["id"], &json!("plan")));
    let effective = operator.get(&tenant.path("/effective")).await.expect(200).json();
    assert_eq!(effective["limits"]["concurrency"], json!({"value": 3, "origin": "plan"}));
}

#[tokio::test]
async fn limits_hold_as_the_plan_says() {
    let node = Node::start().await;
    let tenant = node.tenant("limited").await;
    put(&node, "plans/slow", json!({"limits": {"requests_per_minute": 1}})).await;
    patch(&tenant, json!({"plan": "slow"})).await;
    tenant.chat("first").await.expect(200);
    tenant.chat("second").await.openai_error(429, "rate_limit_exceeded");
    put(&node, "plans/slow", json!({})).await;
    tenant.chat("third").await.expect(200);
    tenant.set_limits(json!({"requests_per_minute": 1})).await;
    assert_eq!(tenant.admin.get(&tenant.path("/limits")).await.expect(200).json(), json!({"requests_per_minute": 1}));
}

#[tokio::test]
async fn models_that_a_plan_leaves_out_do_not_exist() {
    let node = Node::start().await;
    let tenant = node.tenant("models").await;
    put(&node, "plans/small", json!({"models": ["sim-small"]})).await;
    patch(&tenant, json!({"plan": "small"})).await;
    let names = || async {
        let models = list(tenant.service.get("/v1/models").await);
        models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["sim-small"]);
    tenant.chat("its own").await.expect(200);
    let refused = async |model: &str| {
        let mut body = chat("hi");
        body["model"] = json!(model);
        let error = tenant.service.post(CHAT, &body).await.openai_error(404, "model_not_found");
        error["message"].as_str().unwrap().replace(model, "{model}")
    };
    let hidden = refused("sim-large").await;
    for unknown in ["nonesuch", "simulator/nonesuch", "simulator/sim-large"] {
        assert_eq!(refused(unknown).await, hidden, "what is hidden is like what is not");
    }
    tenant.service.get("/v1/models/sim-large").await.openai_error(404, "model_not_found");
    let embed = json!({"model": "sim-embed", "input": "hi"});
    tenant.service.post("/v1/embeddings", &embed).await.openai_error(404, "model_not_found");
    // A list of its own counts whole.
    patch(&tenant, json!({"models": ["sim-large", "sim-embed"]})).await;
    assert_eq!(names().await.len(), 2);
    tenant.service.post("/v1/embeddings", &embed).await.expect(200);
    tenant.chat("no longer").await.openai_error(404, "model_not_found");
}

#[tokio::test]
async fn rights_and_the_unknown() {
    let node = Node::start().await;
    let tenant = node.tenant("rights").await;
    tenant.operator.patch(&tenant.path(""), &json!({"plan": "gold"})).await.problem(400, "invalid_request");
    for body in [json!({"plan": "gold"}), json!({"segment": null}), json!({"models": null})] {
        tenant.admin.patch(&tenant.path(""), &body).await.problem(403, "forbidden");
    }
    tenant.admin.get("/api/v1/plans").await.problem(403, "forbidden");
    tenant.admin.get(&tenant.path("/effective")).await.expect(200);
    tenant.service.get(&tenant.path("/effective")).await.problem(403, "forbidden");
}
