//! `POST /v1/messages`: Anthropic's dialect, toward providers of either form, and Chat Completions toward one of Anthropic's.

use insula_model::Price;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::TestTenant;
use insula_tests::{Node, Reply, usd};
use serde_json::{Value, json};

const MESSAGES: &str = "/v1/messages";
const CHAT: &str = "/v1/chat/completions";
/// A model of a provider of OpenAI's form, and one of Anthropic's.
const MODELS: [&str; 2] = ["sim-small", "claude-sim"];

async fn node() -> Node {
    Setup::default().serve(ServeConfig { with_vendors: true, ..Default::default() }).start().await
}

fn claude() -> Price {
    let token = |text| Price::token_pico(text).unwrap();
    Price {
        input_pico: token("4.00"),
        cache_read_pico: token("0.40"),
        cache_write_pico: token("5.00"),
        cache_write_1h_pico: token("8.00"),
        output_pico: token("20.00"),
    }
}

fn asking(model: &str, said: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": said}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn ask(tenant: &TestTenant, path: &str, body: &Value) -> Reply {
    tenant.service.post(path, body).await
}

/// The data of each event; those that have a name are of that type.
fn events(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    let read = |event: &str| {
        let named = event.split_once("\ndata: ");
        let (name, data) = named.or_else(|| Some(("", event.strip_prefix("data: ")?))).unwrap();
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        assert!(name.is_empty() || name == format!("event: {}", data["type"].as_str().unwrap()), "{name}");
        data
    };
    text.split_terminator("\n\n").filter(|event| !event.starts_with(':')).map(read).collect()
}

#[tokio::test]
async fn an_answer_has_anthropics_shape_whoever_gives_it() {
    let node = node().await;
    let tenant = node.tenant("shape").await;
    for model in MODELS {
        let reply = ask(&tenant, MESSAGES, &asking(model, "hello there", json!({"system": "Be kind."}))).await.expect(200);
        assert_eq!(reply.header("request-id"), reply.request_id());
        let answer = reply.json();
        assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")), "{model}");
        assert_eq!((&answer["stop_reason"], &answer["model"]), (&json!("end_turn"), &json!("sim-small")));
        assert!(answer["content"][0]["text"].as_str().unwrap().contains("hello there"));
        assert_eq!(answer["usage"]["input_tokens"], 3 + (3 + 2) + (3 + 3));
        assert_eq!(answer["usage"]["output_tokens"], 64);
    }
}

#[tokio::test]
async fn a_stream_says_what_the_answer_says_in_either_dialect() {
    let node = node().await;
    let tenant = node.tenant("streams").await;
    for model in MODELS {
        let whole = ask(&tenant, MESSAGES, &asking(model, "hello", json!({}))).await.expect(200).json();
        let said = whole["content"][0]["text"].as_str().unwrap();

        let reply = ask(&tenant, MESSAGES, &asking(model, "hello", json!({"stream": true}))).await.expect(200);
        let events = events(&reply);
        let kinds: Vec<&str> =
            events.iter().filter_map(|event| event["type"].as_str()).filter(|kind| *kind != "ping").collect();
        assert_eq!(&kinds[..3], ["message_start", "content_block_start", "content_block_delta"], "{model}");
        assert_eq!(&kinds[kinds.len() - 3..], ["content_block_stop", "message_delta", "message_stop"], "{model}");
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, said, "{model}");
        let end = &events[events.len() - 2];
        for class in ["input_tokens", "output_tokens", "cache_read_input_tokens"] {
            assert_eq!(end["usage"][class], whole["usage"][class], "{model}");
        }

        let chat = ask(&tenant, CHAT, &asking(model, "hello", json!({"stream": true}))).await.expect(200);
        let chunks = self::events(&chat);
        let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, said, "{model}");
    }
}

#[tokio::test]
async fn every_class_of_tokens_is_billed_at_its_price() {
    let node = node().await;
    node.scenario(Scenario {
        cached_tokens: 4,
        cache_write_tokens: 3,
        cache_write_1h_tokens: 2,
        reasoning_tokens: 24,
        ..Default::default()
    });
    let tenant = node.tenant("classes").await;
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    let mut cost = insula_model::Money::ZERO;
    for (path, stream) in [(MESSAGES, false), (MESSAGES, true), (CHAT, false), (CHAT, true)] {
        let said = "sixteen letters!, and forty letters more of it";
        let body = asking("claude-sim", said, json!({"stream": stream}));
        let reply = ask(&tenant, path, &body).await.expect(200);
        let request = tenant.request(reply.request_id()).await;
        let attempt = &request["attempts"][0];
        let input = 3 + 3 + said.len().div_ceil(4) as u64 - 9;
        let tokens = json!({
            "input": input, "cache_read": 4, "cache_write": 3, "cache_write_1h": 2, "output": 40, "reasoning": 24
        });
        assert_eq!(attempt["tokens"], tokens, "{path} {stream}");
        let pico = i128::from(input) * 4_000_000 + 4 * 400_000 + 3 * 5_000_000 + 2 * 8_000_000 + 64 * 20_000_000;
        assert_eq!(usd(&attempt["cost_usd"]), insula_model::Money::from_pico(pico), "{path} {stream}");
        assert_eq!(attempt["rates"]["cache_write_1h_usd"], "8.00");
        cost += insula_model::Money::from_pico(pico);
    }
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), cost);
    assert_eq!(tenant.usage().await["tokens"]["cache_write_1h"], 8);
    assert_eq!(tenant.settled().await, cost);
    assert_eq!(claude().input_pico_max(), 8_000_000);
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(proof["mismatches"].as_array().map(Vec::len), Some(0), "{proof}");
}

#[tokio::test]
async fn tools_go_there_and_back_in_either_dialect() {
    let node = node().await;
    let tenant = node.tenant("tools").await;
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "input_schema": schema}]);
    for model in MODELS {
        let more = json!({"tools": tools, "tool_choice": {"type": "any"}});
        let answer = ask(&tenant, MESSAGES, &asking(model, "Rome?", more)).await.expect(200).json();
        assert_eq!(answer["stop_reason"], "tool_use", "{model}");
        let call = &answer["content"][0];
        assert!(call["name"] == "weather" && call["input"]["city"].is_string(), "{answer}");
        let messages = json!([
            {"role": "user", "content": "Rome?"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}]},
        ]);
        let more = json!({"tools": tools, "messages": messages});
        let answer = ask(&tenant, MESSAGES, &asking(model, "", more)).await.expect(200).json();
        assert_eq!(answer["stop_reason"], "end_turn", "{model}: {answer}");
    }
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": schema}}]);
    let more = json!({"tools": tools, "tool_choice": "required", "stream": true});
    let reply = ask(&tenant, CHAT, &asking("claude-sim", "Rome?", more)).await.expect(200);
    let arguments: String = events(&reply)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string(), "{arguments}");
}

#[tokio::test]
async fn refusals_have_anthropics_shape() {
    let node = node().await;
    let tenant = node.tenant("refusals").await;
    let file = json!([{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]}]);
    for (more, status, kind, param) in [
        (json!({"model": "claude-9"}), 404, "not_found_error", "model"),
        (json!({"max_tokens": null}), 400, "invalid_request_error", "max_tokens"),
        (json!({"max_tokens": 99_999}), 400, "invalid_request_error", "max_tokens"),
        (json!({"container": "container_1"}), 400, "invalid_request_error", "container"),
        (json!({"inference_geo": "us"}), 400, "invalid_request_error", "inference_geo"),
        (json!({"diagnostics": {"previous_message_id": "msg_1"}}), 400, "invalid_request_error", "diagnostics"),
        (json!({"messages": file}), 400, "invalid_request_error", "messages[0].content[0].source.file_id"),
    ] {
        let reply = ask(&tenant, MESSAGES, &asking("claude-sim", "hi", more)).await.expect(status);
        let body = reply.json();
        assert_eq!(
            (&body["type"], &body["error"]["type"], &body["error"]["param"]),
            (&json!("error"), &json!(kind), &json!(param))
        );
        assert_eq!(body["request_id"], reply.request_id());
        assert_eq!(reply.header("request-id"), reply.request_id());
    }
    assert_eq!(node.simulator().count(), 0);

    tenant.set_monthly_budget(insula_model::Money::from_usd("0.000001").unwrap()).await;
    let reply = ask(&tenant, MESSAGES, &asking("claude-sim", "hi", json!({}))).await.expect(429);
    assert_eq!(reply.json()["error"]["code"], "budget_exceeded");
    assert_eq!(reply.header("x-should-retry"), "false");
    let hosted = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    let reply = ask(&tenant, MESSAGES, &asking("claude-sim", "hi", hosted)).await.expect(400);
    assert_eq!(reply.json()["error"]["code"], "cost_unbounded");
}

#[tokio::test]
async fn a_stream_that_fails_ends_in_an_error_event() {
    let node = node().await;
    let tenant = node.tenant("failing").await;
    for kind in [FaultKind::ErrorInStream, FaultKind::NoDone, FaultKind::Reset, FaultKind::BadUtf8, FaultKind::MalformedJson] {
        node.scenario(Scenario { faults: vec![Fault::new(kind, 1.0)], gap_ms: 5, ..Default::default() });
        for (path, model) in [(MESSAGES, "claude-sim"), (MESSAGES, "sim-small"), (CHAT, "claude-sim")] {
            let reply = ask(&tenant, path, &asking(model, "hello", json!({"stream": true}))).await.expect(200);
            let last = events(&reply).pop().unwrap();
            assert!(last["error"]["message"].is_string(), "{kind:?} {path} {model}: {}", reply.text());
            assert_eq!(last["type"] == "error", path == MESSAGES);
            let request = tenant.request(reply.request_id()).await;
            assert_eq!(request["attempts"][0]["estimated"], true, "{kind:?} {path} {model}");
        }
    }
}

#[tokio::test]
async fn counting_tokens_sends_and_costs_nothing() {
    let node = node().await;
    let tenant = node.tenant("counting").await;
    for model in MODELS {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello there"}]});
        let reply = ask(&tenant, "/v1/messages/count_tokens", &body).await.expect(200);
        assert!(reply.json()["input_tokens"].as_u64().unwrap() >= 3, "{}", reply.text());
        assert_eq!(reply.header("request-id"), reply.request_id());
    }
    let unknown = json!({"model": "claude-9", "messages": [{"role": "user", "content": "hi"}]});
    let reply = ask(&tenant, "/v1/messages/count_tokens", &unknown).await.expect(404);
    assert_eq!(reply.json()["error"]["type"], "not_found_error");
    assert_eq!(node.simulator().count(), 0);
    assert!(tenant.usage().await.is_null());
    tenant.set_limits(json!({"requests_per_minute": 1})).await;
    let body = json!({"model": "claude-sim", "messages": [{"role": "user", "content": "hi"}]});
    ask(&tenant, "/v1/messages/count_tokens", &body).await.expect(200);
    ask(&tenant, "/v1/messages/count_tokens", &body).await.expect(429);
}

#[tokio::test]
async fn what_is_not_known_here_survives_toward_its_own_vendor() {
    let node = node().await;
    let tenant = node.tenant("survives").await;
    let more = json!({"future": {"a": [1.0]}, "metadata": {"user_id": "u-7"}, "thinking": {"type": "adaptive"}});
    let answer = ask(&tenant, MESSAGES, &asking("claude-sim", "hello", more.clone())).await.expect(200).json();
    assert_eq!(answer["content"][0]["type"], "thinking");
    assert!(answer["id"].as_str().unwrap().starts_with("msg_sim_"));
    let sent = node.simulator().requests().pop().unwrap();
    assert_eq!(sent.path, MESSAGES);
    let sent = sent.body.unwrap();
    for field in ["future", "thinking"] {
        assert_eq!(sent[field], more[field]);
    }
    // Names of end users go upstream as hashes.
    assert!(sent["metadata"]["user_id"].as_str().is_some_and(|user| user.len() == 32), "{sent}");
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("sim-small"), &json!(2000)));
    assert_eq!(tenant.usage_by("end_user").await.len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_is_bound_to_its_dialect() {
    let node = node().await;
    let tenant = node.tenant("once").await;
    let send = |path: &'static str| {
        let call = tenant.service.call(http::Method::POST, path).header("idempotency-key", "once");
        call.json(&asking("claude-sim", "hello", json!({}))).send()
    };
    let first = send(MESSAGES).await.expect(200);
    assert_eq!(send(MESSAGES).await.expect(200).body, first.body);
    send(CHAT).await.openai_error(422, "idempotency_mismatch");
    assert_eq!(node.simulator().count(), 1);
}
