//! `/v1/messages`, whole and as a stream.

use serde_json::{Value, json};

use super::{Reply, always, asking, post, start};
use crate::{FaultKind, Scenario, Simulator};

async fn message(simulator: &Simulator, said: &str, members: Value) -> Reply {
    let mut body = asking(said, json!({"max_tokens": 2000}));
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    post(simulator, "/v1/messages", &body).await
}

/// The events' data; their names are their types.
fn events(reply: &Reply) -> Vec<Value> {
    let text = String::from_utf8(reply.body.clone()).unwrap();
    let read = |event: &str| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        data
    };
    text.split_terminator("\n\n").map(read).collect()
}

#[tokio::test]
async fn an_answer_has_anthropics_shape() {
    let simulator = start(Scenario {
        cached_tokens: 2,
        cache_write_tokens: 1,
        cache_write_1h_tokens: 3,
        reasoning_tokens: 6,
        ..Scenario::default()
    });
    let members = json!({"thinking": {"type": "adaptive"}, "system": "Be kind."});
    let answer = message(&simulator, "my secret is CANARY-7", members).await.json();
    assert_eq!(
        (&answer["type"], &answer["role"], &answer["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(answer["content"][0]["type"], "thinking");
    assert!(answer["content"][1]["text"].as_str().unwrap().contains("CANARY-7"));
    let prompt_tokens = 3 + (3 + 2) + (3 + 6);
    assert_eq!(
        answer["usage"],
        json!({
            "input_tokens": prompt_tokens - 6, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
            "output_tokens": 64, "output_tokens_details": {"thinking_tokens": 6}
        })
    );
    assert_eq!(simulator.requests()[0].usage.as_ref(), Some(&answer["usage"]));
}

#[tokio::test]
async fn a_stream_says_what_the_answer_says() {
    let simulator = start(Scenario::default());
    for members in [json!({}), json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})] {
        let whole = message(&simulator, "hello", members.clone()).await.json();
        let mut streaming = members;
        streaming["stream"] = json!(true);
        let reply = message(&simulator, "hello", streaming).await;
        let events = events(&reply);
        assert_eq!(events.first().unwrap()["type"], "message_start");
        assert_eq!(events.last().unwrap()["type"], "message_stop");
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, whole["content"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap());
        let end = events.iter().find(|event| event["type"] == "message_delta").unwrap();
        assert_eq!((&end["usage"], &end["delta"]["stop_reason"]), (&whole["usage"], &json!("end_turn")));
    }
}

#[tokio::test]
async fn tools_are_called_one_or_all() {
    let simulator = start(Scenario::default());
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "input_schema": schema}, {"name": "time", "input_schema": schema}]);
    let answer = message(&simulator, "use the tools", json!({"tools": tools})).await.json();
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(answer["content"].as_array().unwrap().len(), 2);
    assert!(answer["content"][0]["input"]["city"].is_string());

    let reply = message(&simulator, "use the tool", json!({"tools": tools, "stream": true})).await;
    let json: String = events(&reply).iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert!(serde_json::from_str::<Value>(&json).unwrap()["city"].is_string());
}

#[tokio::test]
async fn faults_strike_here_as_well() {
    let stream = json!({"stream": true});
    let simulator = start(always(FaultKind::ErrorInStream));
    let reply = message(&simulator, "hello", stream.clone()).await;
    assert_eq!(events(&reply).last().unwrap()["error"]["type"], "api_error");

    simulator.set_scenario(always(FaultKind::NoDone));
    assert_eq!(events(&message(&simulator, "hello", stream.clone()).await).last().unwrap()["type"], "message_delta");

    simulator.set_scenario(always(FaultKind::MalformedJson));
    let body = message(&simulator, "hello", stream).await.body;
    assert!(String::from_utf8(body).unwrap().contains("\";"));

    simulator.set_scenario(always(FaultKind::RateLimit));
    let refused = message(&simulator, "hello", json!({})).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    assert!(simulator.requests().last().unwrap().usage.is_none());
}
