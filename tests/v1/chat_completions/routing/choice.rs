use insula_tests::config::ServeConfig;
use insula_tests::tenant::{chat, list};
use serde_json::{Value, json};

use super::{CHAT, Two};

/// A model that one tenant alone may see, and one that cannot call tools.
const PRICES: &str = r#"
[[models]]
provider = "other"
name = "sim-tuned"
upstream_model = "sim-small"
operations = ["chat"]
output_tokens_max = 16384
capabilities = []
tags = ["fine-tuned"]
tenants = ["tuned"]
[[models.prices]]
effective_from = 2020-01-01
input = "0.50"
output = "1.00"
source = "the tests"
checked = 2020-01-01
"#;

async fn two() -> Two {
    Two::with(ServeConfig { prices: PRICES.to_owned(), ..ServeConfig::default() }, &[], vec![]).await
}

fn asking(model: &str) -> Value {
    let mut body = chat("hi");
    body["model"] = json!(model);
    body
}

fn ranked(route: &Value) -> Vec<String> {
    let mut candidates: Vec<_> = route["candidates"].as_array().unwrap().iter().filter(|one| one["rank"].is_u64()).collect();
    candidates.sort_by_key(|one| one["rank"].as_u64());
    candidates.iter().map(|one| format!("{}/{}", one["provider"].as_str().unwrap(), one["model"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_model_of_one_tenant_does_not_exist_for_others() {
    let two = two().await;
    let (tuned, stranger) = (two.node.tenant("tuned").await, two.node.tenant("stranger").await);
    tuned.service.post(CHAT, &asking("sim-tuned")).await.expect(200);
    let refused = async |model: &str| {
        let error = stranger.service.post(CHAT, &asking(model)).await.openai_error(404, "model_not_found");
        error["message"].as_str().unwrap().replace(model, "{model}")
    };
    assert_eq!(refused("sim-tuned").await, refused("nonesuch").await);
    let names = async |caller: &insula_tests::Caller, path: &str, field: &str| {
        let models = list(caller.get(path).await);
        models.iter().map(|model| model[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (path, field) in [("/v1/models", "id"), ("/api/v1/models", "name")] {
        assert!(names(&tuned.admin, path, field).await.contains(&"sim-tuned".to_owned()));
        assert!(!names(&stranger.admin, path, field).await.contains(&"sim-tuned".to_owned()));
    }
    stranger.service.get("/v1/models/sim-tuned").await.openai_error(404, "model_not_found");
    // The operator sees it, and why the stranger does not.
    let catalogue = list(two.node.operator().get("/api/v1/models").await);
    assert!(catalogue.iter().any(|model| model["tenants"] == json!(["tuned"]) && model["tags"] == json!(["fine-tuned"])));
    let question = json!({"tenant": "stranger", "request": asking("sim-tuned")});
    let told = two.node.operator().post("/api/v1/route:explain", &question).await.expect(200).json();
    assert_eq!(told["route"]["candidates"][0]["reason"], "hidden");
    assert_eq!(told["refusal"]["code"], "model_not_found");
    let told = stranger.admin.post("/api/v1/route:explain", &json!({"request": asking("sim-tuned")})).await.expect(200).json();
    assert_eq!(told["route"]["candidates"], json!([]));
    // Another tenant's name is like one that never was.
    let of = |tenant: &str| json!({"tenant": tenant, "request": asking("sim-small")});
    for name in ["tuned", "nobody", "?"] {
        stranger.admin.post("/api/v1/route:explain", &of(name)).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn strategies_decide_and_explain() {
    let two = two().await;
    let tenant = two.node.tenant("tuned").await;
    let explained = async |routing: Value, body: Value| {
        tenant.admin.put(&tenant.path("/routing"), &routing).await.expect(200);
        tenant.admin.post("/api/v1/route:explain", &json!({"request": body})).await.expect(200).json()
    };
    let route = async |routing: Value| ranked(&explained(routing, asking("sim-small")).await["route"]);
    assert_eq!(route(json!({})).await, ["sim/sim-small", "other/sim-small"]);
    assert_eq!(route(json!({"strategy": "preferred", "prefer": ["other"]})).await, ["other/sim-small", "sim/sim-small"]);
    assert_eq!(route(json!({"strategy": "pinned", "prefer": ["other"]})).await, ["other/sim-small"]);
    assert_eq!(route(json!({"strategy": "weighted", "weights": {"other": 1}})).await, ["other/sim-small", "sim/sim-small"]);
    assert_eq!(route(json!({"strategy": "least_loaded"})).await.len(), 2);
    let tuned = json!({"strategy": "cheapest", "fallbacks": {"sim-small": ["sim-tuned"]}});
    assert_eq!(route(tuned.clone()).await, ["other/sim-tuned", "sim/sim-small", "other/sim-small"]);
    // What cannot call tools is left out where tools are offered.
    let mut body = asking("sim-small");
    body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let told = explained(tuned, body.clone()).await;
    assert_eq!(told["route"]["candidates"][2]["reason"], "tools", "{told}");
    assert_eq!(two.counts(), (0, 0), "nothing was sent");
    let mut alone = body;
    alone["model"] = json!("sim-tuned");
    let error = tenant.service.post(CHAT, &alone).await.openai_error(422, "no_route");
    assert!(error["message"].as_str().unwrap().contains("(tools)"), "{error}");
}

#[tokio::test]
async fn auto_goes_by_the_matrix() {
    let two = two().await;
    let tenant = two.node.tenant("matrix").await;
    tenant.service.post(CHAT, &asking("auto")).await.openai_error(404, "model_not_found");
    let routing = json!({"matrix": {"simple": "sim-small", "complex": "sim-large"}});
    two.node.operator().put("/api/v1/plans/smart", &json!({"routing": routing})).await.expect(200);
    tenant.operator.patch(&tenant.path(""), &json!({"plan": "smart"})).await.expect(200);
    let effective = tenant.admin.get(&tenant.path("/effective")).await.expect(200).json();
    assert_eq!(effective["routing"]["matrix"]["origin"], "plan");
    assert_eq!(effective["routing"]["attempts_max"], json!({"value": 3, "origin": "default"}));
    let asked = async |complexity: Option<&str>| {
        let mut call = tenant.service.call(http::Method::POST, CHAT).json(&asking("auto"));
        if let Some(complexity) = complexity {
            call = call.header("x-insula-complexity", complexity);
        }
        call.send().await
    };
    for (complexity, model) in [(None, "sim-small"), (Some("complex"), "sim-large"), (Some("simple"), "sim-small")] {
        let reply = asked(complexity).await.expect(200);
        let trace = tenant.request(reply.request_id()).await;
        assert_eq!((&trace["model"], &trace["attempts"][0]["model"]), (&json!("auto"), &json!(model)));
        assert_eq!(trace["route"]["model"], model);
    }
    asked(Some("hard")).await.openai_error(400, "invalid_request");
}
