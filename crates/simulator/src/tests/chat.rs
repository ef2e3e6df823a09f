//! `/v1/chat/completions` without a stream.

use serde_json::{Value, json};

use super::{asking, chat, send, start};
use crate::Scenario;

#[tokio::test]
async fn an_answer_has_openais_shape() {
    let simulator = start(Scenario::default());
    let answer = chat(&simulator, &asking("my secret is CANARY-7", json!({}))).await.json();

    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "sim-small");
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-sim-"));
    let choice = &answer["choices"][0];
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(text.contains("CANARY-7"), "{text}");
    assert_eq!(text.split_whitespace().count(), 64);
    let prompt_tokens = 3 + 3 + "my secret is CANARY-7".len().div_ceil(4);
    assert_eq!(
        answer["usage"],
        json!({
            "prompt_tokens": prompt_tokens, "completion_tokens": 64, "total_tokens": prompt_tokens + 64,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}
        })
    );
    let record = &simulator.requests()[0];
    assert_eq!(record.usage.as_ref(), Some(&answer["usage"]));
    assert!(record.finished);
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_but_for_the_ordinal() {
    let simulator = start(Scenario::default());
    let first = chat(&simulator, &asking("hello", json!({}))).await.json();
    let mut second = chat(&simulator, &asking("hello", json!({}))).await.json();
    let stem = |answer: &Value| answer["id"].as_str().unwrap().rsplit_once('-').unwrap().0.to_owned();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(stem(&first), stem(&second));
    second["id"] = first["id"].clone();
    assert_eq!(first, second);
}

#[tokio::test]
async fn caps_and_choices_are_obeyed() {
    let simulator = start(Scenario { cached_tokens: 4, reasoning_tokens: 6, ..Scenario::default() });
    let answer = chat(&simulator, &asking("hello", json!({"max_tokens": 10, "n": 3}))).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 30);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 6);
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 3);
    for choice in choices {
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(choice["message"]["content"].as_str().unwrap().split_whitespace().count(), 10);
    }
    assert_ne!(choices[0]["message"], choices[1]["message"]);

    let answer = chat(&simulator, &asking("hello", json!({"max_completion_tokens": 64}))).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn echo_repeats_every_message() {
    let simulator = start(Scenario { echo: true, ..Scenario::default() });
    let long = "line\n".repeat(500);
    let messages = json!([{"role": "system", "content": "Be kind."}, {"role": "user", "content": long}]);
    let answer = chat(&simulator, &asking("", json!({"messages": messages, "max_tokens": 1}))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], format!("Be kind.\n{long}"));
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_is_answered_in_words() {
    let simulator = start(Scenario::default());
    let parameters = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
    let answer = chat(&simulator, &asking("use the tool", json!({"tools": tools}))).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert!(choice["message"]["content"].is_null());
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string());

    let messages = json!([
        {"role": "user", "content": "use the tool"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    ]);
    let answer = chat(&simulator, &asking("", json!({"tools": tools, "messages": messages}))).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().starts_with("You said: use the tool."));
}

#[tokio::test]
async fn json_is_answered_where_json_is_wanted() {
    let simulator = start(Scenario::default());
    let schema = json!({"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "bill", "strict": true, "schema": schema}});
    let content = async |members: Value| {
        let answer = chat(&simulator, &asking("CANARY-7", members)).await.json();
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let bill: Value = serde_json::from_str(&content(json!({"response_format": format})).await).unwrap();
    assert!(bill["total"].is_i64());
    let object: Value = serde_json::from_str(&content(json!({"response_format": {"type": "json_object"}})).await).unwrap();
    assert!(object["answer"].as_str().unwrap().contains("CANARY-7"));
    let cut = content(json!({"response_format": format, "max_tokens": 32})).await;
    assert!(serde_json::from_str::<Value>(&cut).is_err(), "{cut}");
}

#[tokio::test]
async fn refusals_have_openais_shape_and_are_logged() {
    let simulator = start(Scenario::default());
    let unknown = chat(&simulator, &asking("hello", json!({"model": "gpt-x"}))).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));

    let broken = send(&simulator, "POST", "/v1/chat/completions", b"{\"model\":".to_vec()).await.unwrap();
    assert_eq!((broken.status.as_u16(), &broken.json()["error"]["type"]), (400, &json!("invalid_request_error")));

    let requests = simulator.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].body, Some(json!("{\"model\":")));
    assert!(requests.iter().all(|request| request.usage.is_none() && request.finished));
}
