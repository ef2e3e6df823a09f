//! What the answer cache keeps, for whom, for how long, and what a caller can say about it.

use http::Method;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::http::Call;
use insula_tests::tenant::chat;
use insula_tests::{Node, Reply, TestTenant, eventually};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

async fn cached(node: &Node, slug: &str) -> TestTenant {
    let tenant = node.tenant(slug).await;
    tenant.enable_cache().await;
    tenant
}

fn asking(tenant: &TestTenant, control: &str, text: &str) -> Call {
    tenant.service.call(Method::POST, CHAT).header("cache-control", control).json(&chat(text))
}

fn told(reply: Reply) -> String {
    reply.expect(200).header("x-insula-cache").to_owned()
}

#[tokio::test]
async fn a_caller_says_what_it_wants() {
    let node = Node::start().await;
    let tenant = cached(&node, "control").await;
    let ask = async |control: &str| asking(&tenant, control, "control").send().await;
    ask("only-if-cached").await.openai_error(504, "not_cached");
    assert_eq!(told(ask("no-store").await), "bypass");
    ask("only-if-cached").await.openai_error(504, "not_cached");
    assert_eq!(node.simulator().count(), 1);
    assert_eq!(told(ask("max-age=60").await), "miss");
    assert_eq!(told(ask("max-age=60, only-if-cached").await), "hit");
    assert_eq!(told(ask("no-store").await), "bypass", "nor is it read");
    assert_eq!(told(ask("max-age=0").await), "miss", "none is so young");
    assert_eq!(told(ask("no-cache").await), "miss");
    assert_eq!(told(ask("").await), "hit");
    ask("no-cache, only-if-cached").await.openai_error(504, "not_cached");
    let refused = ask("max-age=0, only-if-cached").await;
    refused.openai_error(504, "not_cached");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(tenant.usage().await["attempts"], 5);
    let other = node.tenant("without").await;
    asking(&other, "only-if-cached", "control").send().await.openai_error(504, "not_cached");
}

#[tokio::test]
async fn no_cache_replaces_what_is_kept() {
    let node = Node::start().await;
    let tenant = cached(&node, "fresh").await;
    let first = asking(&tenant, "", "fresh").send().await.expect(200);
    node.scenario(Scenario { output_tokens: 7, ..Scenario::default() });
    let second = asking(&tenant, "no-cache", "fresh").send().await.expect(200);
    assert_ne!(first.body, second.body);
    assert_eq!(asking(&tenant, "", "fresh").send().await.body, second.body);
}

#[tokio::test]
async fn an_answer_is_given_for_its_time() {
    let node = Node::start().await;
    let tenant = node.tenant("time").await;
    tenant.admin.put(&tenant.path("/cache"), &json!({"enabled": true, "ttl_seconds": 1})).await.expect(200);
    assert_eq!(told(tenant.chat("time").await), "miss");
    eventually("it is too old", || async { (told(tenant.chat("time").await) == "miss").then_some(()) }).await;
}

#[tokio::test]
async fn the_order_of_fields_does_not_matter_and_values_do() {
    let node = Node::start().await;
    let tenant = cached(&node, "order").await;
    let ask = async |body: &'static str| {
        told(tenant.service.call(Method::POST, CHAT).header("content-type", "application/json").body(body).send().await)
    };
    let first = r#"{"model":"sim-small","messages":[{"role":"user","content":"order"}],"temperature":0.5}"#;
    assert_eq!(ask(first).await, "miss");
    let same = r#"{ "temperature": 0.5, "messages": [ {"content": "\u006frder", "role": "user"} ], "model": "sim-small", "metadata": {"a": "b"} }"#;
    assert_eq!(ask(same).await, "hit");
    for other in [first.replace("0.5", "0.6"), first.replace("order", "other"), first.replace("sim-small", "sim-large")] {
        assert_eq!(ask(other.leak()).await, "miss");
    }
}

#[tokio::test]
async fn some_requests_are_never_kept() {
    let node = Node::start().await;
    let tenant = cached(&node, "never").await;
    let tools = json!([{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]);
    let (format, data) = (json!({"type": "json_object"}), "data:image/png;base64,iVBORw0KGgo=");
    let image = |url: &str| json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
    let cases: Vec<(&str, &str, Value)> = vec![
        ("bypass", "tools", tools),
        ("bypass", "n", json!(2)),
        ("bypass", "store", json!(true)),
        (
            "bypass",
            "messages",
            json!([{"role": "user", "content": "q"}, {"role": "tool", "tool_call_id": "c", "content": "5"}]),
        ),
        ("bypass", "messages", image("https://example.com/now.png")),
        ("hit", "messages", image(data)),
        ("hit", "response_format", format),
        ("hit", "temperature", json!(1.5)),
    ];
    for (wanted, field, value) in cases {
        let mut body = chat("never");
        body[field] = value;
        let first = tenant.service.post(CHAT, &body).await.expect(200);
        let second = tenant.service.post(CHAT, &body).await.expect(200);
        assert_eq!(second.header("x-insula-cache"), wanted, "{body}");
        let first_wanted = if wanted == "hit" { "miss" } else { wanted };
        assert_eq!(first.header("x-insula-cache"), first_wanted, "{body}");
    }
}

#[tokio::test]
async fn answers_that_came_to_no_good_end_are_not_kept() {
    let node = Node::start().await;
    let tenant = cached(&node, "ends").await;
    for kind in [FaultKind::MissingUsage, FaultKind::CutOff] {
        node.scenario(Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() });
        let text = format!("{kind:?}");
        assert_eq!(told(tenant.chat(&text).await), "miss");
        node.scenario(Scenario::default());
        assert_eq!(told(tenant.chat(&text).await), "miss", "{text}");
    }
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 1.0)], ..Scenario::default() });
    tenant.chat("failed").await.openai_error(502, "provider_failed");
    node.scenario(Scenario::default());
    assert_eq!(told(tenant.chat("failed").await), "miss");
    let mut capped = chat("capped");
    capped["max_tokens"] = json!(3);
    assert_eq!(told(tenant.service.post(CHAT, &capped).await), "miss");
    assert_eq!(told(tenant.service.post(CHAT, &capped).await), "hit", "as long as it was asked to be");
}

#[tokio::test]
async fn an_end_user_has_answers_of_its_own_unless_they_are_shared() {
    let node = Node::start().await;
    let tenant = cached(&node, "users").await;
    let ask = async |user: Option<&str>| {
        let mut body = chat("who am I");
        if let Some(user) = user {
            body["user"] = json!(user);
        }
        told(tenant.service.post(CHAT, &body).await)
    };
    for user in [Some("ada"), Some("bob"), None] {
        assert_eq!(ask(user).await, "miss", "{user:?}");
        assert_eq!(ask(user).await, "hit", "{user:?}");
    }
    tenant.admin.put(&tenant.path("/cache"), &json!({"enabled": true, "per_end_user": false})).await.expect(200);
    assert_eq!(ask(Some("ada")).await, "miss", "what was kept for one is not shared afterwards");
    assert_eq!(ask(Some("bob")).await, "hit");
    tenant.enable_cache().await;
    assert_eq!(ask(None).await, "miss");
}

#[tokio::test]
async fn a_model_that_was_taken_away_answers_no_more() {
    let node = Node::start().await;
    let tenant = cached(&node, "models").await;
    assert_eq!(told(tenant.chat("model").await), "miss");
    let path = "/api/v1/plans/large";
    node.operator().put(path, &json!({"prices": [], "models": ["sim-large"]})).await.expect(200);
    node.operator().patch(&tenant.path(""), &json!({"plan": "large"})).await.expect(200);
    tenant.chat("model").await.openai_error(404, "model_not_found");
}

#[tokio::test]
async fn an_idempotency_key_wins() {
    let node = Node::start().await;
    let tenant = cached(&node, "keyed").await;
    let ask = async |key: &str| {
        tenant.service.call(Method::POST, CHAT).header("idempotency-key", key).json(&chat("keyed")).send().await.expect(200)
    };
    let first = ask("one").await;
    assert_eq!((first.header("x-insula-cache"), first.header("idempotent-replayed")), ("miss", ""));
    let replay = ask("one").await;
    assert_eq!((replay.header("x-insula-cache"), replay.header("idempotent-replayed")), ("", "true"));
    let hit = ask("two").await;
    assert_eq!((hit.header("x-insula-cache"), hit.header("idempotent-replayed")), ("hit", ""));
    // What was a hit is replayed like any first answer, even when the cache has something else by now.
    node.scenario(Scenario { output_tokens: 7, ..Scenario::default() });
    asking(&tenant, "no-cache", "keyed").send().await.expect(200);
    let replay = ask("two").await;
    assert_eq!((replay.header("idempotent-replayed"), &replay.body), ("true", &hit.body));
    assert_eq!(node.simulator().count(), 2);
    assert_eq!(tenant.usage().await["cache_hits"], 1, "a replay is no hit");
}
