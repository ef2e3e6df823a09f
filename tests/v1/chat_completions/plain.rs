use insula_tests::tenant::{chat, list};
use insula_tests::{Node, Prices, amounts, usd};
use serde_json::json;

#[tokio::test]
async fn a_chat_is_answered_in_openais_shape() {
    let node = Node::start().await;
    let tenant = node.tenant("plain").await;
    let reply = tenant.chat("hello there").await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(reply.request_id().starts_with("req_"));
    let answer = reply.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "sim-small");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("hello there"), "{text}");
    assert_eq!(answer["usage"]["prompt_tokens"], amounts::prompt_tokens(&["hello there"]));
    assert_eq!(answer["usage"]["completion_tokens"], 64);
}

#[tokio::test]
async fn the_key_may_come_as_x_api_key() {
    let node = Node::start().await;
    let tenant = node.tenant("x-api-key").await;
    let call = node.anyone.call(http::Method::POST, "/v1/chat/completions").json(&chat("hi"));
    call.header("x-api-key", tenant.service.credential().unwrap()).send().await.expect(200);
}

#[tokio::test]
async fn what_was_used_is_settled_to_the_last_picodollar() {
    let node = Node::start().await;
    let tenant = node.tenant("settled").await;
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    tenant.chat("one").await.expect(200);
    tenant.chat("two words").await.expect(200);
    let cost = amounts::chat_cost(Prices::small(), &["one"], 64) + amounts::chat_cost(Prices::small(), &["two words"], 64);
    assert_eq!(tenant.settled().await, cost);
    let usage = tenant.usage().await;
    assert_eq!(usd(&usage["cost_usd"]), cost);
    assert_eq!((&usage["requests"], &usage["attempts"]), (&json!(2), &json!(2)));
    assert_eq!(usage["tokens"]["output"], 128);
}

#[tokio::test]
async fn cached_and_reasoning_tokens_are_taken_apart() {
    let node = Node::start().await;
    let tenant = node.tenant("classes").await;
    node.scenario(insula_simulator::Scenario { cached_tokens: 4, reasoning_tokens: 24, ..Default::default() });
    let text = "sixteen letters!";
    tenant.chat(text).await.expect(200);
    let tokens = &tenant.usage().await["tokens"];
    assert_eq!(tokens["cache_read"], 4);
    assert_eq!(tokens["input"], amounts::prompt_tokens(&[text]) - 4);
    assert_eq!((&tokens["reasoning"], &tokens["output"]), (&json!(24), &json!(40)));
}

#[tokio::test]
async fn a_request_can_be_read_back_with_its_stages_and_attempts() {
    let node = Node::start().await;
    let tenant = node.tenant("trace").await;
    let reply = tenant.chat("trace me").await.expect(200);
    let asked = std::time::Instant::now();
    let trace = tenant.request(reply.request_id()).await;
    assert!(asked.elapsed().as_secs_f64() < 1.0, "readable within a second");
    assert_eq!(trace["id"], reply.request_id());
    assert_eq!(trace["tenant"], tenant.id);
    let stages: Vec<_> = trace["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    for stage in ["limits", "budget", "send"] {
        assert!(stages.contains(&stage), "no stage `{stage}` in {stages:?}");
    }
    for stage in trace["stages"].as_array().unwrap() {
        assert!(stage["start_us"].is_u64() && stage["duration_us"].is_u64() && stage["outcome"].is_string(), "{stage}");
    }
    let attempts = trace["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["cause"], "base");
    assert_eq!(attempts[0]["model"], "sim-small");
    assert_eq!(attempts[0]["estimated"], false);
    assert_eq!(usd(&attempts[0]["cost_usd"]), amounts::chat_cost(Prices::small(), &["trace me"], 64));
    let log = node.simulator().requests();
    assert_eq!(log[0].attempt_id.as_deref(), attempts[0]["id"].as_str(), "the provider saw the attempt's id");

    let listed = list(tenant.admin.get(&tenant.path("/requests")).await);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], reply.request_id());
}

#[tokio::test]
async fn unknown_fields_and_content_parts_reach_the_provider() {
    let node = Node::start().await;
    let tenant = node.tenant("passing").await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}});
    let mut body = chat("ignored");
    body["messages"] = json!([{"role": "user", "content": [{"type": "text", "text": "look"}, image]}]);
    body["a_field_of_next_year"] = json!({"deep": [1, 2.5, null, "é"]});
    body["logit_bias"] = json!({"50256": -100});
    body["seed"] = json!(7);
    tenant.service.post("/v1/chat/completions", &body).await.expect(200);
    let sent = node.simulator().requests().remove(0).body.unwrap();
    for member in ["messages", "a_field_of_next_year", "logit_bias", "seed"] {
        assert_eq!(sent[member], body[member]);
    }
}

#[tokio::test]
async fn an_absent_max_tokens_becomes_a_bound_that_the_provider_is_told() {
    let node = Node::start().await;
    let tenant = node.tenant("bound").await;
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    tenant.chat("how much").await.expect(200);
    let sent = node.simulator().requests().remove(0).body.unwrap();
    let bound = sent.get("max_completion_tokens").or_else(|| sent.get("max_tokens"));
    assert!(bound.is_some_and(|bound| bound.as_u64().unwrap() >= 256), "{sent}");
}

#[tokio::test]
async fn several_choices_are_asked_for_once_and_paid_in_full() {
    let node = Node::start().await;
    let tenant = node.tenant("choices").await;
    let mut body = chat("three of them");
    body["n"] = json!(3);
    let answer = tenant.service.post("/v1/chat/completions", &body).await.expect(200).json();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 3);
    assert_eq!(node.simulator().count(), 1);
    let cost = amounts::chat_cost(Prices::small(), &["three of them"], 3 * 64);
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), cost);
}

#[tokio::test]
async fn the_large_model_costs_ten_times_the_small_one() {
    let node = Node::start().await;
    let tenant = node.tenant("large").await;
    let mut body = chat("dear");
    body["model"] = json!("sim-large");
    tenant.service.post("/v1/chat/completions", &body).await.expect(200);
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), amounts::chat_cost(Prices::large(), &["dear"], 64));
    let rows = tenant.usage_by("model").await;
    assert_eq!((rows.len(), &rows[0]["group"]), (1, &json!("sim-large")));
}
