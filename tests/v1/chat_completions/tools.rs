use insula_tests::Node;
use insula_tests::tenant::{chat, streamed_chat};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn weather_tool() -> Value {
    json!([{
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        }
    }])
}

#[tokio::test]
async fn a_tool_call_passes_through() {
    let node = Node::start().await;
    let tenant = node.tenant("tools").await;
    let mut body = chat("weather in Rome?");
    body["tools"] = weather_tool();
    body["tool_choice"] = json!("required");
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string());
    assert_eq!(node.simulator().requests()[0].body.as_ref().unwrap()["tools"], body["tools"]);

    // The tool's result goes back in the next request.
    let mut next = chat("unused");
    next["tools"] = weather_tool();
    next["messages"] = json!([
        {"role": "user", "content": "weather in Rome?"},
        choice["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    ]);
    tenant.service.post(CHAT, &next).await.expect(200);
    assert_eq!(node.simulator().requests()[1].body.as_ref().unwrap()["messages"], next["messages"]);
}

#[tokio::test]
async fn a_streamed_tool_call_counts_from_zero() {
    let node = Node::start().await;
    let tenant = node.tenant("tools").await;
    let mut body = streamed_chat("weather in Rome?");
    body["tools"] = weather_tool();
    body["tool_choice"] = json!("required");
    let transcript = tenant.service.stream(CHAT, &body).await.expect_open().collect().await.expect_complete();
    assert_eq!(transcript.finish_reason(), Some("tool_calls"));
    let calls: Vec<&Value> =
        transcript.chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0")).collect();
    assert!(calls.iter().all(|call| call["index"] == 0), "{calls:?}");
    assert_eq!(calls[0]["function"]["name"], "get_weather");
    let arguments: String = calls.iter().filter_map(|call| call.pointer("/function/arguments")?.as_str()).collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string(), "{arguments}");
}

#[tokio::test]
async fn a_structured_answer_fits_its_schema() {
    let node = Node::start().await;
    let tenant = node.tenant("schema").await;
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": false
    });
    let mut body = chat("weather in Rome?");
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "weather", "strict": true, "schema": schema}});
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    let content: Value = serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(content["city"].is_string() && content["degrees"].is_i64(), "{content}");
}
