use std::time::Duration;

use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::{Node, Prices, TestTenant, amounts, usd};
use serde_json::{Value, json};

const RESPONSES: &str = "/v1/responses";

fn ask(text: &str) -> Value {
    json!({"model": "sim-small", "input": text})
}

fn after(previous: &Value, text: &str) -> Value {
    json!({"model": "sim-small", "input": text, "previous_response_id": previous["id"]})
}

fn said(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap()
}

fn path(response: &Value) -> String {
    format!("{RESPONSES}/{}", response["id"].as_str().unwrap())
}

async fn make(tenant: &TestTenant, body: &Value) -> Value {
    tenant.service.post(RESPONSES, body).await.expect(200).json()
}

#[tokio::test]
async fn a_response_is_billed_to_the_token() {
    let node = Node::start().await;
    let tenant = node.tenant("billed").await;
    let response = make(&tenant, &ask("count me")).await;
    assert!(said(&response).contains("count me"));
    assert_eq!(response["usage"]["input_tokens"], amounts::prompt_tokens(&["count me"]));
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), amounts::chat_cost(Prices::small(), &["count me"], 64));
    let sent = node.simulator().requests().remove(0).body.unwrap();
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "count me"}]));
}

#[tokio::test]
async fn a_stream_makes_the_same_response_and_is_kept_when_its_end_is_seen() {
    let node = Node::start().await;
    let tenant = node.tenant("streamed").await;
    let whole = make(&tenant, &ask("same words")).await;
    let body = json!({"model": "sim-small", "input": "same words", "stream": true});
    let transcript = tenant.service.stream(RESPONSES, &body).await.expect_open().collect().await;
    assert!(transcript.broken.is_none() && transcript.error.is_none() && !transcript.done, "{transcript:?}");
    for (place, event) in transcript.chunks.iter().enumerate() {
        assert_eq!(event["sequence_number"], place, "{event}");
    }
    let last = &transcript.chunks.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(said(&last["response"]), said(&whole));
    assert_eq!(tenant.service.get(&path(&last["response"])).await.expect(200).json(), last["response"]);
}

#[tokio::test]
async fn a_conversation_is_put_in_front_and_reserved_whole() {
    let node = Node::start().await;
    let tenant = node.tenant("conversation").await;
    let long = "word ".repeat(400);
    let first = make(&tenant, &ask(&long)).await;
    let second = make(&tenant, &after(&first, "and then")).await;
    let sent = node.simulator().requests().pop().unwrap().body.unwrap();
    let roles: Vec<_> = sent["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(sent["messages"][1]["content"], said(&first));
    assert!(second["usage"]["input_tokens"].as_u64() > first["usage"]["total_tokens"].as_u64());
    // What is held covers all that was said before: a budget that has room for the new words alone refuses them.
    let spent = usd(&tenant.usage().await["cost_usd"]);
    let room = insula_model::Money::from_usd("0.0002").unwrap();
    tenant.set_monthly_budget(insula_model::Money::from_pico(spent.pico() + room.pico())).await;
    let mut small = after(&second, "more");
    small["max_output_tokens"] = json!(1);
    tenant.service.post(RESPONSES, &small).await.openai_error(429, "budget_exceeded");
    small.as_object_mut().unwrap().remove("previous_response_id");
    tenant.service.post(RESPONSES, &small).await.expect(200);
}

#[tokio::test]
async fn another_tenants_response_is_one_that_never_was() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("one").await, node.tenant("two").await);
    let response = make(&tenant, &ask("mine")).await;
    let never = json!({"id": "resp_00000000000000000000000000"});
    for id in [&response, &never, &json!({"id": "nonsense"})] {
        other.service.get(&path(id)).await.openai_error(404, "not_found");
        other.service.delete(&path(id)).await.openai_error(404, "not_found");
        let refused = other.service.post(RESPONSES, &after(id, "on")).await.openai_error(404, "not_found");
        assert_eq!(refused["param"], "previous_response_id");
    }
    tenant.service.get(&path(&response)).await.expect(200);
    assert_eq!(node.simulator().count(), 1, "nothing of that was sent");
}

#[tokio::test]
async fn a_response_is_its_end_users() {
    let node = Node::start().await;
    let tenant = node.tenant("users").await;
    let token = async |end_user: &str| {
        let body = json!({"ttl_seconds": 60, "end_user": end_user});
        let issued = tenant.admin.post(&tenant.path("/tokens"), &body).await.expect(201).json();
        node.anyone.with(issued["token"].as_str().unwrap())
    };
    let (ada, bob) = (token("ada").await, token("bob").await);
    let response = ada.post(RESPONSES, &ask("for ada")).await.expect(200).json();
    ada.post(RESPONSES, &after(&response, "on")).await.expect(200);
    ada.get(&path(&response)).await.expect(200);
    bob.post(RESPONSES, &after(&response, "on")).await.openai_error(404, "not_found");
    bob.get(&path(&response)).await.openai_error(404, "not_found");
    bob.delete(&path(&response)).await.openai_error(404, "not_found");
    // The product's own key reads all, and goes on only for whom it says.
    tenant.service.get(&path(&response)).await.expect(200);
    tenant.service.post(RESPONSES, &after(&response, "on")).await.openai_error(404, "not_found");
    let mut for_ada = after(&response, "on");
    for_ada["user"] = json!("ada");
    tenant.service.post(RESPONSES, &for_ada).await.expect(200);
}

#[tokio::test]
async fn what_failed_or_was_not_to_be_kept_is_not_there() {
    let node = Node::start().await;
    let tenant = node.tenant("unkept").await;
    let mut body = ask("forget me");
    body["store"] = json!(false);
    let response = make(&tenant, &body).await;
    tenant.service.get(&path(&response)).await.openai_error(404, "not_found");
    node.scenario(Scenario { chunks: 8, faults: vec![Fault::new(FaultKind::Reset, 1.0)], ..Scenario::default() });
    let body = json!({"model": "sim-small", "input": "break", "stream": true});
    let transcript = tenant.service.stream(RESPONSES, &body).await.expect_open().collect().await;
    let error = transcript.error.as_ref().unwrap();
    assert_eq!(error["code"], "provider_failed", "{error}");
    let begun = &transcript.chunks[0]["response"];
    tenant.service.get(&path(begun)).await.openai_error(404, "not_found");
}

#[tokio::test]
async fn a_replay_is_the_same_response() {
    let node = Node::start().await;
    let tenant = node.tenant("replayed").await;
    for body in [ask("once"), json!({"model": "sim-small", "input": "once", "stream": true})] {
        let key = body.get("stream").map_or("whole", |_| "stream");
        let call = || tenant.service.call(http::Method::POST, RESPONSES).header("idempotency-key", key).json(&body).send();
        let (first, second) = (call().await.expect(200), call().await.expect(200));
        assert_eq!(first.body, second.body);
    }
    assert_eq!(node.simulator().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_outlive_a_restart_and_not_their_time() {
    let config = ServeConfig { more: vec![("bounds", "responses_ttl_seconds = 4".to_owned())], ..ServeConfig::default() };
    let mut node = Setup::default().serve(config).start().await;
    let tenant = node.tenant("restarted").await;
    let response = make(&tenant, &ask("keep me")).await;
    node.stop();
    node.start_again().await;
    let tenant = tenant.at(&node.anyone);
    assert_eq!(tenant.service.get(&path(&response)).await.expect(200).json(), response);
    tokio::time::sleep(Duration::from_secs(4)).await;
    tenant.service.get(&path(&response)).await.openai_error(404, "not_found");
    tenant.service.post(RESPONSES, &after(&response, "on")).await.openai_error(404, "not_found");
}

#[tokio::test]
async fn a_conversation_is_bounded() {
    let config = ServeConfig { more: vec![("bounds", "conversation_bytes_max = 4000".to_owned())], ..ServeConfig::default() };
    let node = Setup::default().serve(config).start().await;
    let tenant = node.tenant("bounded").await;
    let mut last = make(&tenant, &ask("begin")).await;
    for turn in 0..8 {
        let reply = tenant.service.post(RESPONSES, &after(&last, &"more ".repeat(100))).await;
        if reply.status != 200 {
            let refused = reply.openai_error(413, "too_large");
            assert_eq!(refused["param"], "previous_response_id");
            assert!(turn > 1, "refused in turn {turn}");
            return;
        }
        last = reply.json();
    }
    panic!("a conversation without end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_responses() {
    let node = Node::clustered().await;
    let tenant = node.tenant("shared").await;
    let response = make(&tenant, &ask("of all nodes")).await;
    let second = make(&tenant, &after(&response, "on")).await;
    assert_eq!(tenant.service.get(&path(&second)).await.expect(200).json(), second);
    let items = tenant.service.get(&format!("{}/input_items", path(&second))).await.expect(200).json();
    assert_eq!(items["data"][0]["content"][0]["text"], "on", "{items}");
    tenant.service.delete(&path(&response)).await.expect(200);
    tenant.service.post(RESPONSES, &after(&second, "on")).await.openai_error(404, "not_found");
}

#[tokio::test]
async fn nothing_of_it_is_readable_on_the_disk() {
    let mut node = Node::start().await;
    let tenant = node.tenant("sealed").await;
    make(&tenant, &ask("CANARY-IN-A-RESPONSE")).await;
    node.stop();
    let mut folders = vec![node.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let bytes = std::fs::read(&entry).unwrap();
                assert!(!bytes.windows(20).any(|window| window == b"CANARY-IN-A-RESPONSE"), "{}", entry.display());
            }
        }
    }
}
