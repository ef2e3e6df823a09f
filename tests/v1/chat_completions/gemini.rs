//! A provider with Gemini's API behind callers of Chat Completions.

use insula_model::{Money, TokenCounts};
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::{Node, Prices, TestTenant, config::ServeConfig, node::Setup, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

async fn node() -> Node {
    Setup::default().serve(ServeConfig { kind: Some("gemini"), ..ServeConfig::default() }).start().await
}

fn asking(more: Value) -> Value {
    let mut body = json!({"model": "sim-small", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn ask(tenant: &TestTenant, more: Value) -> Value {
    tenant.service.post(CHAT, &asking(more)).await.expect(200).json()
}

#[tokio::test]
async fn answers_are_told_and_billed_to_the_token() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    node.scenario(Scenario { cached_tokens: 3, reasoning_tokens: 14, ..Scenario::default() });
    let answer = ask(&tenant, json!({"max_tokens": 64})).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().starts_with("You said: hello."));
    let usage = &answer["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"]),
        (&json!(8), &json!(64), &json!(72))
    );
    let tokens = TokenCounts { input: 5, cache_read: 3, cache_write: 0, cache_write_1h: 0, output: 50, reasoning: 14 };
    assert_eq!(tenant.settled().await, Prices::small().cost(&tokens).unwrap());
    let sent = &node.simulator().requests()[0];
    assert_eq!(sent.path, "/v1beta/models/sim-small:generateContent");
    assert!(sent.attempt_id.is_some() && sent.body.as_ref().unwrap()["generationConfig"]["maxOutputTokens"] == 64);
}

#[tokio::test]
async fn streams_say_what_whole_answers_say() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let whole = ask(&tenant, json!({})).await;
    let body = asking(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let streamed = tenant.service.stream(CHAT, &body).await.collect().await.expect_complete();
    assert_eq!(streamed.text(), whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!((streamed.usage(), streamed.finish_reason()), (Some(&whole["usage"]), Some("stop")));
    let tokens = TokenCounts { input: 8, output: 64, ..TokenCounts::default() };
    assert_eq!(tenant.settled().await, Prices::small().cost(&tokens).unwrap() + Prices::small().cost(&tokens).unwrap());
}

#[tokio::test]
async fn tools_make_their_round_with_their_seals() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    let tools = json!([{"type": "function", "function": {"name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]);
    let answer = ask(&tenant, json!({"tools": tools, "tool_choice": "required"})).await;
    let said = &answer["choices"][0];
    assert_eq!(said["finish_reason"], "tool_calls");
    let call = &said["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");
    assert!(serde_json::from_str::<Value>(call["function"]["arguments"].as_str().unwrap()).unwrap()["city"].is_string());
    let messages = json!([
        {"role": "user", "content": "hello"}, said["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"},
    ]);
    // The simulator refuses calls without their seals.
    ask(&tenant, json!({"messages": messages, "tools": tools})).await;
    let sent = node.simulator().requests()[1].body.clone().unwrap();
    assert_eq!(sent["contents"][2]["parts"][0]["functionResponse"]["name"], "weather");
    assert!(sent["contents"][1]["parts"][0]["thoughtSignature"].is_string());
}

#[tokio::test]
async fn schemas_and_errors_are_translated() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
    let answer = ask(&tenant, json!({"response_format": format})).await;
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap()["n"].is_i64(), "{content}");

    let image =
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]);
    tenant.service.post(CHAT, &asking(json!({"messages": image}))).await.expect(400);
    assert_eq!(node.simulator().count(), 1);
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::RateLimit, 1.0)], ..Scenario::default() });
    tenant.service.post(CHAT, &asking(json!({}))).await.expect(429);
}

#[tokio::test]
async fn what_does_not_add_up_is_settled_as_an_estimate() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    for kind in [FaultKind::WrongTotal, FaultKind::MissingUsage, FaultKind::ZeroUsage] {
        node.scenario(Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() });
        let before = tenant.settled().await;
        for stream in [false, true] {
            tenant.service.post(CHAT, &asking(json!({"stream": stream, "max_tokens": 64}))).await.expect(200);
        }
        let tokens = TokenCounts { input: 8, output: 64, ..TokenCounts::default() };
        let honest = Prices::small().cost(&tokens).unwrap();
        assert!(tenant.settled().await >= before + honest + honest, "{kind:?}");
    }
    let rows = tenant.usage_by("operation").await;
    assert!(usd(&rows[0]["cost_usd"]) == tenant.settled().await);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_no_answer() {
    let node = node().await;
    let tenant = node.tenant("gem").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::NoDone, 1.0)], ..Scenario::default() });
    let reply = tenant.service.post(CHAT, &asking(json!({"stream": true}))).await;
    assert!(!reply.text().contains("[DONE]") && reply.text().contains("ended early"), "{}", reply.text());
}
