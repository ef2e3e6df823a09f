//! Every fault, as the client sees it and as the log has it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{always, asking, chat, post, send, start, stream};
use crate::{Fault, FaultKind, Scenario};

/// The answer to a plain and to a streamed "hello".
async fn both(kind: FaultKind) -> (super::Reply, super::Reply, Vec<crate::RequestRecord>) {
    let simulator = start(always(kind));
    let plain = chat(&simulator, &asking("hello", json!({}))).await;
    let streamed = stream(&simulator).await;
    let requests = simulator.requests();
    simulator.stop().await;
    (plain, streamed, requests)
}

#[tokio::test]
async fn refusals() {
    let (plain, streamed, requests) = both(FaultKind::RateLimit).await;
    for reply in [plain, streamed] {
        assert_eq!((reply.status.as_u16(), &reply.headers["retry-after"]), (429, &"1".parse().unwrap()));
        assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    }
    assert!(requests.iter().all(|request| request.usage.is_none() && request.finished));

    let (plain, streamed, _) = both(FaultKind::ServerError).await;
    assert_eq!((plain.status.as_u16(), streamed.status.as_u16()), (500, 500));
    assert_eq!(plain.json()["error"]["type"], "server_error");
}

/// Sends a raw request and reads until the connection ends or is quiet for a while.
async fn raw(simulator: &crate::Simulator, body: &Value) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let body = body.to_string();
    let mut socket = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let ended = match timeout(Duration::from_millis(500), socket.read_to_end(&mut read)).await {
        Err(_) => Some(std::io::ErrorKind::TimedOut),
        Ok(Err(error)) => Some(error.kind()),
        Ok(Ok(_)) => None,
    };
    (read, ended)
}

#[tokio::test]
async fn a_reset_is_a_tcp_reset() {
    let simulator = start(always(FaultKind::Reset));
    let (read, ended) = raw(&simulator, &asking("hello", json!({}))).await;
    assert_eq!((read.len(), ended), (0, Some(std::io::ErrorKind::ConnectionReset)));

    let (read, ended) = raw(&simulator, &asking("hello", json!({"stream": true}))).await;
    assert_eq!(ended, Some(std::io::ErrorKind::ConnectionReset));
    assert_eq!(String::from_utf8(read).unwrap().matches("data: ").count(), 1 + 4);

    let requests = simulator.requests();
    assert!(requests.iter().all(|request| !request.finished));
    assert!(requests[0].usage.is_none() && requests[1].usage.is_some());
}

#[tokio::test]
async fn a_stall_lasts() {
    let simulator = start(always(FaultKind::Stall));
    let (read, ended) = raw(&simulator, &asking("hello", json!({}))).await;
    assert_eq!((read.len(), ended), (0, Some(std::io::ErrorKind::TimedOut)));
    let (read, ended) = raw(&simulator, &asking("hello", json!({"stream": true}))).await;
    assert_eq!(ended, Some(std::io::ErrorKind::TimedOut));
    assert_eq!(String::from_utf8(read).unwrap().matches("data: ").count(), 1 + 4);
    assert!(simulator.requests().iter().all(|request| !request.finished));
}

#[tokio::test]
async fn a_client_that_leaves_a_stall_frees_its_seat() {
    let simulator = start(always(FaultKind::Stall));
    raw(&simulator, &asking("hello", json!({}))).await;
    raw(&simulator, &asking("hello", json!({"stream": true}))).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    simulator.set_scenario(Scenario { degrade_above: Some(1), ..Scenario::default() });
    let answer = chat(&simulator, &asking("hello", json!({}))).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 64);
}

#[tokio::test]
async fn a_fault_strikes_where_it_is_told() {
    for (kind, after_chunks, events) in
        [(FaultKind::Reset, 0, 0), (FaultKind::Stall, 0, 0), (FaultKind::Reset, 2, 1 + 2), (FaultKind::Stall, 99, 1 + 8)]
    {
        let faults = vec![Fault { kind, rate: 1.0, after_chunks: Some(after_chunks) }];
        let simulator = start(Scenario { faults, ..Scenario::default() });
        let (read, ended) = raw(&simulator, &asking("hello", json!({"stream": true}))).await;
        assert!(ended.is_some());
        assert_eq!(String::from_utf8(read).unwrap().matches("data: ").count(), events, "{kind:?} {after_chunks}");
    }
}

#[tokio::test]
async fn cut_answers_end_properly() {
    let (plain, streamed, requests) = both(FaultKind::TruncatedChunk).await;
    assert!(plain.whole && serde_json::from_slice::<Value>(&plain.body).is_err());
    assert!(streamed.whole && !streamed.body.ends_with(b"\n"));
    assert_eq!(streamed.chunks().len(), 1 + 4);
    assert_eq!(streamed.events().len(), 1 + 4 + 1);
    assert!(requests.iter().all(|request| !request.finished && request.usage.is_some()));

    let (plain, streamed, requests) = both(FaultKind::NoDone).await;
    assert!(plain.json()["usage"].is_object());
    assert!(streamed.whole);
    assert_eq!(streamed.chunks().len(), 1 + 8 + 1 + 1);
    assert!(!streamed.events().contains(&"[DONE]".to_owned()));
    assert_eq!(requests.iter().map(|request| request.finished).collect::<Vec<_>>(), [true, false]);

    let (_, streamed, requests) = both(FaultKind::ErrorInStream).await;
    let chunks = streamed.chunks();
    assert_eq!(chunks.len(), 1 + 4 + 1);
    assert_eq!(chunks[5]["error"]["type"], "server_error");
    assert!(!requests[1].finished);
}

#[tokio::test]
async fn spoilt_bytes_come_in_a_whole_answer() {
    let (plain, streamed, requests) = both(FaultKind::BadUtf8).await;
    assert!(str::from_utf8(&plain.body).is_err());
    assert!(String::from_utf8_lossy(&plain.body).contains("\"content\":\"\u{fffd}\u{fffd}You said"));
    assert!(str::from_utf8(&streamed.body).is_err());
    assert!(streamed.body.ends_with(b"data: [DONE]\n\n"));
    assert!(requests.iter().all(|request| request.finished));

    let (plain, streamed, requests) = both(FaultKind::MalformedJson).await;
    assert!(serde_json::from_slice::<Value>(&plain.body).is_err());
    assert_eq!(streamed.chunks().len(), streamed.events().len() - 2, "one broken, and [DONE]");
    assert!(requests.iter().all(|request| request.finished));
}

#[tokio::test]
async fn usage_can_lie_but_the_log_does_not() {
    let (plain, streamed, requests) = both(FaultKind::MissingUsage).await;
    assert!(plain.json().get("usage").is_none());
    assert!(streamed.chunks().iter().all(|chunk| chunk["usage"].is_null()));
    assert!(requests.iter().all(|request| request.usage.as_ref().unwrap()["completion_tokens"] == 64));

    let (plain, streamed, requests) = both(FaultKind::ZeroUsage).await;
    assert_eq!(plain.json()["usage"]["total_tokens"], 0);
    assert_eq!(streamed.chunks().last().unwrap()["usage"]["total_tokens"], 0);
    assert!(requests.iter().all(|request| request.usage.as_ref().unwrap()["completion_tokens"] == 64));
}

#[tokio::test]
async fn envelopes_drift() {
    let sound = chat(&start(Scenario::default()), &asking("hello", json!({}))).await.json();
    let (plain, streamed, _) = both(FaultKind::ChangedFingerprint).await;
    assert_ne!(plain.json()["system_fingerprint"], sound["system_fingerprint"]);
    assert_eq!(streamed.chunks()[3]["system_fingerprint"], plain.json()["system_fingerprint"]);

    let (plain, streamed, _) = both(FaultKind::ChangedModel).await;
    assert_eq!((&plain.json()["model"], &streamed.chunks()[3]["model"]), (&json!("sim-small-drifted"), &plain.json()["model"]));

    let (plain, streamed, _) = both(FaultKind::MissingFields).await;
    for answer in [plain.json(), streamed.chunks()[3].clone()] {
        assert!(["id", "created", "system_fingerprint"].iter().all(|gone| answer.get(gone).is_none()));
    }

    let (plain, streamed, _) = both(FaultKind::ExtraKeys).await;
    for answer in [plain.json(), streamed.chunks()[3].clone()] {
        assert!(answer["x_sim_extra"].is_string() && answer["choices"][0]["x_sim_extra"].is_string());
    }
}

#[tokio::test]
async fn contents_drift() {
    let (plain, streamed, _) = both(FaultKind::CutOff).await;
    assert_eq!(plain.json()["usage"]["completion_tokens"], 32);
    assert_eq!(plain.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(streamed.chunks()[9]["choices"][0]["finish_reason"], "length");

    let (plain, _, _) = both(FaultKind::ChangedFormat).await;
    assert!(plain.json()["choices"][0]["message"]["content"].as_str().unwrap().starts_with("# Answer"));

    let schema = json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"const": 1}, "b": {"const": 2}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let body = asking("hello", json!({"response_format": format}));
    let content = async |kind| {
        let answer = chat(&start(always(kind)), &body).await.json();
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(content(FaultKind::MissingFields).await, r#"{"a":1}"#);
    assert_eq!(content(FaultKind::ExtraKeys).await, r#"{"a":1,"b":2,"x_sim_extra":true}"#);
    assert!(content(FaultKind::ChangedFormat).await.contains("```json\n{\"a\":1,\"b\":2}\n```"));
}

#[tokio::test]
async fn embeddings_fail_too() {
    let body = json!({"model": "sim-embed", "input": "hello"});
    let answer = async |kind| post(&start(always(kind)), "/v1/embeddings", &body).await;
    assert_eq!(answer(FaultKind::RateLimit).await.status, 429);
    assert!(str::from_utf8(&answer(FaultKind::BadUtf8).await.body).is_err());
    assert!(answer(FaultKind::MissingUsage).await.json().get("usage").is_none());
    assert!(answer(FaultKind::MissingFields).await.json().get("object").is_none());
    let simulator = start(always(FaultKind::Reset));
    assert!(send(&simulator, "POST", "/v1/embeddings", body.to_string().into_bytes()).await.is_none());
}

#[tokio::test]
async fn what_is_wrong_is_said_before_the_dice_are_rolled() {
    let simulator = start(always(FaultKind::ServerError));
    assert_eq!(chat(&simulator, &asking("hello", json!({"model": "gpt-x"}))).await.status, 404);
}
