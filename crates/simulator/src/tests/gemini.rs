//! Gemini's paths.

use serde_json::{Value, json};

use super::{always, asking, chat, post, start};
use crate::{FaultKind, Scenario, Simulator};

const WHOLE: &str = "/v1beta/models/sim-small:generateContent";
const STREAM: &str = "/v1beta/models/sim-small:streamGenerateContent?alt=sse";

fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]})
}

fn text(answer: &Value) -> String {
    let parts = answer["candidates"][0]["content"]["parts"].as_array().unwrap();
    parts.iter().filter_map(|part| part["text"].as_str()).collect()
}

async fn stream(simulator: &Simulator, body: &Value) -> Vec<Value> {
    let reply = post(simulator, STREAM, body).await;
    let text = String::from_utf8(reply.body).unwrap();
    text.split_terminator("\r\n\r\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn both_dialects_say_the_same() {
    let simulator = start(Scenario { cached_tokens: 3, reasoning_tokens: 14, ..Scenario::default() });
    let openai = chat(&simulator, &asking("hello", json!({}))).await.json();
    let whole = post(&simulator, WHOLE, &hello()).await.json();
    let said = openai["choices"][0]["message"]["content"].as_str().unwrap();
    let usage = json!({
        "promptTokenCount": 8, "cachedContentTokenCount": 3, "candidatesTokenCount": 50, "thoughtsTokenCount": 14,
        "totalTokenCount": 72,
    });
    assert_eq!((text(&whole).as_str(), &whole["usageMetadata"], &whole["modelVersion"]), (said, &usage, &json!("sim-small")));
    let chunks = stream(&simulator, &hello()).await;
    assert_eq!(chunks.iter().map(text).collect::<String>(), said);
    let last = chunks.last().unwrap();
    assert_eq!((&last["usageMetadata"], &last["candidates"][0]["finishReason"]), (&usage, &json!("STOP")));
    let record = &simulator.requests()[2];
    assert_eq!(
        (record.path.as_str(), record.usage.as_ref(), record.finished),
        (STREAM.split('?').next().unwrap(), Some(&usage), true)
    );
}

#[tokio::test]
async fn calls_want_their_seals_back() {
    let simulator = start(Scenario::default());
    let mut body = hello();
    body["tools"] = json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]);
    body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY"}});
    let part = post(&simulator, WHOLE, &body).await.json()["candidates"][0]["content"]["parts"][0].clone();
    assert_eq!(part["functionCall"], json!({"name": "f", "args": {}}));
    let result = json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]});
    let mut unsealed = part.clone();
    unsealed.as_object_mut().unwrap().remove("thoughtSignature");
    for (part, status) in [(part, 200), (unsealed, 400)] {
        body["contents"] = json!([hello()["contents"][0], {"role": "model", "parts": [part]}, result]);
        let reply = post(&simulator, WHOLE, &body).await;
        assert_eq!(reply.status, status);
        assert!(status == 200 || reply.json()["error"]["status"] == "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn faults_strike_as_everywhere() {
    let simulator = start(always(FaultKind::NoDone));
    assert!(stream(&simulator, &hello()).await.iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()));
    simulator.set_scenario(always(FaultKind::WrongTotal));
    let usage = post(&simulator, WHOLE, &hello()).await.json()["usageMetadata"].clone();
    assert_eq!((&usage["candidatesTokenCount"], &usage["totalTokenCount"]), (&json!(64), &json!(71)));
    simulator.set_scenario(always(FaultKind::RateLimit));
    assert_eq!(post(&simulator, WHOLE, &hello()).await.json()["error"]["status"], "RESOURCE_EXHAUSTED");
}

#[tokio::test]
async fn vectors_are_those_of_the_other_dialect() {
    let simulator = start(Scenario::default());
    let one =
        |text: &str| json!({"model": "models/sim-embed", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8});
    let body = json!({"requests": [one("one"), one("two")]});
    let ours = post(&simulator, "/v1beta/models/sim-embed:batchEmbedContents", &body).await.json();
    let body = json!({"model": "sim-embed", "input": ["one", "two"], "dimensions": 8});
    let theirs = post(&simulator, "/v1/embeddings", &body).await.json();
    for place in 0..2 {
        assert_eq!(ours["embeddings"][place]["values"], theirs["data"][place]["embedding"]);
    }
}
