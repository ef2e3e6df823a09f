//! Tenants that bring keys of their own for a provider.

use std::fs;

use insula_simulator::{FaultKind, RequestRecord, Scenario, Simulator};
use insula_tests::config::{Beside, ServeConfig};
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Reply, TestTenant, batch, eventually};
use serde_json::json;
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const PLATFORM: &str = "sk-platform-0123456789-plat";
const OWN: &str = "sk-tenants-0123456789-own1";
const OTHER: &str = "sk-tenants-0123456789-own2";

fn config() -> ServeConfig {
    ServeConfig { provider: vec!["api_key_env = \"SIM_KEY\"".to_owned()], ..ServeConfig::default() }
}

async fn start(config: ServeConfig) -> Node {
    Setup::default().env("SIM_KEY", PLATFORM).serve(config).start().await
}

async fn store(tenant: &TestTenant, provider: &str, key: &str) {
    let path = tenant.path(&format!("/provider-credentials/{provider}"));
    tenant.admin.put(&path, &json!({"api_key": key})).await.expect(200);
}

fn with(end: &str) -> Option<String> {
    Some(format!("authorization ...{end}"))
}

fn credentials(requests: Vec<RequestRecord>) -> Vec<Option<String>> {
    requests.into_iter().map(|record| record.credential).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tenant_is_served_by_its_own_account() {
    let node = start(config()).await;
    let (one, two, none) = (node.tenant("one").await, node.tenant("two").await, node.tenant("none").await);
    store(&one, "sim", OWN).await;
    store(&two, "sim", OTHER).await;
    let mut calls = JoinSet::new();
    for n in 0..30 {
        let (tenant, name) = [(&one, "one"), (&two, "two"), (&none, "none")][n % 3];
        let (service, body) = (tenant.service.clone(), chat(&format!("I am {name}")));
        calls.spawn(async move { service.post(CHAT, &body).await.expect(200) });
    }
    calls.join_all().await;
    let requests = node.simulator().requests();
    assert_eq!(requests.len(), 30);
    for record in requests {
        let said = record.body.as_ref().unwrap()["messages"][0]["content"].as_str().unwrap().to_owned();
        let end = match said.as_str() {
            "I am one" => "own1",
            "I am two" => "own2",
            _ => "plat",
        };
        assert_eq!(record.credential, with(end), "{said}");
    }
    // Embeddings, streams and batches go the same way.
    one.service.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "a"})).await.expect(200);
    one.service.stream(CHAT, &streamed_chat("streamed")).await.into_reply().await;
    let sent = batch::start(&one.service, &batch::chats(3), batch::CHAT).await;
    eventually("the batch has ended", || async {
        let found = one.service.get(&format!("/v1/batches/{sent}")).await.expect(200).json();
        (found["status"] == "completed").then_some(())
    })
    .await;
    let later = credentials(node.simulator().requests()).split_off(30);
    assert_eq!(later, vec![with("own1"); 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_holds_for_the_next_request() {
    let node = start(config()).await;
    let tenant = node.tenant("changing").await;
    tenant.chat("first").await.expect(200);
    store(&tenant, "sim", OWN).await;
    tenant.chat("second").await.expect(200);
    store(&tenant, "sim", OTHER).await;
    tenant.chat("third").await.expect(200);
    tenant.admin.delete(&tenant.path("/provider-credentials/sim")).await.expect(204);
    tenant.chat("fourth").await.expect(200);
    assert_eq!(credentials(node.simulator().requests()), [with("plat"), with("own1"), with("own2"), with("plat")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vendor_gets_it_in_its_own_header() {
    let node = start(ServeConfig { with_vendors: true, ..config() }).await;
    let tenant = node.tenant("vendors").await;
    for (provider, model, header) in [
        ("claude", "claude-sim", "x-api-key"),
        ("gemini", "gemini-sim", "x-goog-api-key"),
        ("sim", "sim-small", "authorization"),
    ] {
        let models = vec!["claude-sim".to_owned(), "gemini-sim".to_owned()];
        node.scenario(Scenario { models, ..Scenario::default() });
        store(&tenant, provider, OWN).await;
        let mut body = chat("hi");
        body["model"] = json!(model);
        body["max_tokens"] = json!(99);
        tenant.service.post(CHAT, &body).await.expect(200);
        let last = node.simulator().requests().pop().unwrap();
        assert_eq!(last.credential, Some(format!("{header} ...own1")), "{model}");
    }
}

/// The error of an answer, and that nothing of any key stands in it.
fn refusal(reply: &Reply) -> String {
    for key in [OWN, OTHER, PLATFORM] {
        assert!(!reply.text().contains(key) && !reply.text().contains(&key[..16]), "{}", reply.text());
    }
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_never_leaks_and_the_platforms_never_steps_in() {
    let node = start(ServeConfig { more: vec![("routing", "retry_wait_ms_first = 1".to_owned())], ..config() }).await;
    let (tenant, other) = (node.tenant("refused").await, node.tenant("served").await);
    store(&tenant, "sim", OWN).await;
    node.scenario(Scenario { refused_credentials: vec!["own1".to_owned()], ..Scenario::default() });
    for body in [chat("hi"), streamed_chat("hi")] {
        let reply = tenant.service.post(CHAT, &body).await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        let message = refusal(&reply);
        assert!(message.contains("your own credential"), "{message}");
    }
    assert_eq!(credentials(node.simulator().requests()), [with("own1"), with("own1")]);
    // It closes the way for nobody else, however often it fails.
    for _ in 0..12 {
        tenant.chat("again").await;
        other.chat("fine").await.expect(200);
    }
    let message = refusal(&tenant.chat("once more").await.expect(503));
    assert!(message.contains("circuit_open"), "{message}");
    assert!(credentials(node.simulator().requests()).iter().all(|seen| *seen == with("own1") || *seen == with("plat")));
    let trace = tenant.request(tenant.chat("traced").await.request_id()).await;
    assert!(!trace.to_string().contains(&OWN[..16]));
    // A good one in its place is not held to what the other did.
    store(&tenant, "sim", OTHER).await;
    tenant.chat("well again").await.expect(200);
    assert_eq!(node.simulator().requests().pop().unwrap().credential, with("own2"));
    assert!(!node.said().contains(&OWN[..16]) && !node.said().contains(PLATFORM), "{}", node.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_provider_may_step_in_by_the_rules() {
    let beside = Simulator::start(([127, 0, 0, 1], 0).into()).unwrap();
    let lines = vec!["api_key_env = \"SIM_KEY\"".to_owned()];
    let node = start(ServeConfig { beside: vec![Beside { name: "other", url: beside.url(), lines }], ..config() }).await;
    let tenant = node.tenant("stepping").await;
    store(&tenant, "sim", OWN).await;
    node.scenario(Scenario { refused_credentials: vec!["own1".to_owned()], ..Scenario::default() });
    let id = tenant.chat("hi").await.expect(200).request_id().to_owned();
    assert_eq!(credentials(node.simulator().requests()), [with("own1")], "one attempt there, and not by the platform's");
    assert_eq!(credentials(beside.requests()), [with("plat")]);
    let attempts = tenant.request(&id).await["attempts"].clone();
    let told: Vec<_> = (0..2).map(|n| (&attempts[n]["provider"], &attempts[n]["credential"])).collect();
    assert_eq!(told, [(&json!("sim"), &json!("tenant")), (&json!("other"), &json!("platform"))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_is_allowed_is_its_own() {
    let node = start(ServeConfig { more: vec![("routing", "attempts_max = 1".to_owned())], ..config() }).await;
    let (tenant, other) = (node.tenant("limited").await, node.tenant("free").await);
    store(&tenant, "sim", OWN).await;
    node.scenario(Scenario { faults: vec![insula_simulator::Fault::new(FaultKind::RateLimit, 1.0)], ..Scenario::default() });
    let message = refusal(&tenant.chat("too much").await.expect(429));
    assert!(message.contains("the account of your own credential"), "{message}");
    node.scenario(Scenario::default());
    let id = other.chat("not held up").await.expect(200).request_id().to_owned();
    let stages = other.request(&id).await["stages"].clone();
    let queue = stages.as_array().unwrap().iter().find(|stage| stage["name"] == "queue").unwrap().clone();
    assert_eq!(queue["reason"], json!(null), "the pause is the other account's alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_not_sent_where_the_provider_has_moved() {
    let mut node = start(config()).await;
    let elsewhere = Simulator::start(([127, 0, 0, 1], 0).into()).unwrap();
    let (tenant, other) = (node.tenant("bound").await, node.tenant("unbound").await);
    store(&tenant, "sim", OWN).await;
    tenant.chat("here").await.expect(200);
    move_to(&mut node, &elsewhere).await;
    let (tenant, other) = (tenant.at(&node.anyone), other.at(&node.anyone));
    for _ in 0..2 {
        let error = tenant.chat("there?").await.openai_error(422, "no_route");
        assert!(error["message"].as_str().unwrap().contains("credential_origin"), "{error}");
    }
    assert_eq!(elsewhere.count(), 0);
    let question = json!({"request": chat("there?")});
    let explained = tenant.admin.post("/api/v1/route:explain", &question).await.expect(200).json();
    assert_eq!(explained["route"]["candidates"][0]["reason"], "credential_origin");
    let path = tenant.path("/provider-credentials/sim");
    assert_eq!(tenant.admin.get(&path).await.expect(200).json()["state"], "other_origin");
    other.chat("there").await.expect(200);
    assert_eq!(credentials(elsewhere.requests()), [with("plat")], "others are served there by the platform's account");
    // Stored again it is bound anew.
    store(&tenant, "sim", OTHER).await;
    tenant.chat("there").await.expect(200);
    assert_eq!(credentials(elsewhere.requests()), [with("plat"), with("own2")]);
}

/// Starts the node again with its provider at another address.
async fn move_to(node: &mut Node, elsewhere: &Simulator) {
    node.stop();
    let file = node.folder().join("insula.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(node.simulator_url(), &elsewhere.url())).unwrap();
    node.start_again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_takes_none_any_more_does_not_lend_its_own() {
    let mut node = start(config()).await;
    let tenant = node.tenant("lent").await;
    store(&tenant, "sim", OWN).await;
    node.stop();
    let file = node.folder().join("insula.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("api_key_env", "tenant_credentials = false\napi_key_env")).unwrap();
    node.start_again().await;
    let tenant = tenant.at(&node.anyone);
    let error = tenant.chat("by whom?").await.openai_error(422, "no_route");
    assert!(error["message"].as_str().unwrap().contains("credential_not_taken"), "{error}");
    assert_eq!(node.simulator().count(), 0);
    tenant.admin.delete(&tenant.path("/provider-credentials/sim")).await.expect(204);
    tenant.chat("by the platform").await.expect(200);
    assert_eq!(credentials(node.simulator().requests()), [with("plat")]);
}
