//! `/v1/chat/completions` as a stream.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{asking, chat, start, stream};
use crate::Scenario;

/// What the deltas of one choice add up to.
fn content(chunks: &[Value], index: u64) -> String {
    let deltas = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
    deltas.filter(|choice| choice["index"] == index).filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_says_what_the_plain_answer_says() {
    let simulator = start(Scenario::default());
    let plain = chat(&simulator, &asking("hello", json!({}))).await.json();
    let reply = stream(&simulator).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream; charset=utf-8");

    let chunks = reply.chunks();
    assert_eq!(chunks.len(), 1 + 8 + 1 + 1);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    assert_eq!(content(&chunks, 0), plain["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(chunks[9]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[9]["choices"][0]["delta"], json!({}));
    assert_eq!((&chunks[10]["choices"], &chunks[10]["usage"]), (&json!([]), &plain["usage"]));
    assert!(chunks[..10].iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["object"] == "chat.completion.chunk"));
    assert_eq!(reply.events().last().unwrap(), "[DONE]");
    assert!(reply.body.ends_with(b"data: [DONE]\n\n"));
    assert!(simulator.requests()[1].finished);
}

#[tokio::test]
async fn usage_is_sent_only_when_asked_for() {
    let simulator = start(Scenario::default());
    let chunks = chat(&simulator, &asking("hello", json!({"stream": true}))).await.chunks();
    assert_eq!(chunks.len(), 1 + 8 + 1);
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(simulator.requests()[0].usage.as_ref().unwrap()["completion_tokens"], 64);
}

#[tokio::test]
async fn choices_take_turns() {
    let simulator = start(Scenario { chunks: 3, ..Scenario::default() });
    let chunks = chat(&simulator, &asking("hello", json!({"stream": true, "n": 2}))).await.chunks();
    assert_eq!(chunks.len(), 2 + 2 * 3 + 2);
    let plain = chat(&simulator, &asking("hello", json!({"n": 2}))).await.json();
    for index in 0..2 {
        let whole = &plain["choices"][index as usize]["message"]["content"];
        assert_eq!(&content(&chunks, index), whole.as_str().unwrap());
    }
}

#[tokio::test]
async fn a_tool_call_comes_in_deltas() {
    let simulator = start(Scenario::default());
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
    let body = asking("hello", json!({"stream": true, "tools": tools, "tool_choice": "required"}));
    let chunks = chat(&simulator, &body).await.chunks();

    let opening = &chunks[0]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!((&opening["index"], &opening["type"]), (&json!(0), &json!("function")));
    assert_eq!(opening["function"], json!({"name": "weather", "arguments": ""}));
    let calls = chunks[1..].iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array());
    let arguments: String = calls.map(|calls| calls[0]["function"]["arguments"].as_str().unwrap().to_owned()).collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string());
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn chunks_are_paced() {
    let simulator = start(Scenario { latency_ms: 30, gap_ms: 20, chunks: 4, ..Scenario::default() });
    let begun = Instant::now();
    stream(&simulator).await;
    assert!(begun.elapsed() >= Duration::from_millis(30 + 3 * 20));
}

#[tokio::test]
async fn a_client_that_leaves_is_not_finished() {
    let simulator = start(Scenario { gap_ms: 50, ..Scenario::default() });
    let body = asking("hello", json!({"stream": true})).to_string();
    let mut socket = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    assert!(socket.read(&mut [0; 64]).await.unwrap() > 0);
    drop(socket);

    tokio::time::sleep(Duration::from_millis(50 * 10)).await;
    let record = &simulator.requests()[0];
    assert!(!record.finished);
    assert_eq!(record.attempt_id, None);
    assert_eq!(record.usage.as_ref().unwrap()["completion_tokens"], 64);
}
