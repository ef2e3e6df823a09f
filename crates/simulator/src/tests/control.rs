//! `/_sim/...`, `/v1/models`, and life around requests.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{always, asking, chat, get, post, send, start};
use crate::{FaultKind, Scenario, Simulator};

#[tokio::test]
async fn requests_are_listed_in_order() {
    let simulator = start(Scenario::default());
    let body = asking("hello", json!({}));
    chat(&simulator, &body).await;
    post(&simulator, "/v1/embeddings", &json!({"model": "sim-embed", "input": "hello"})).await;
    get(&simulator, "/v1/models").await;

    assert_eq!(get(&simulator, "/_sim/count").await.json(), json!({"count": 2}));
    let listed = get(&simulator, "/_sim/requests").await.json();
    let first = &listed["data"][0];
    assert_eq!((&first["attempt_id"], &first["path"]), (&json!("att_1"), &json!("/v1/chat/completions")));
    assert_eq!((&first["body"], &first["finished"]), (&body, &json!(true)));
    assert_eq!(first["usage"]["completion_tokens"], 64);
    assert_eq!(listed["data"][1]["path"], "/v1/embeddings");

    let light = get(&simulator, "/_sim/requests?fields=light").await.json();
    assert_eq!(light["data"].as_array().unwrap().len(), 2);
    assert!(light["data"][0].get("body").is_none());
    assert_eq!(get(&simulator, "/_sim/requests?fields=heavy").await.status, 400);
}

#[tokio::test]
async fn a_scenario_is_set_read_and_reset() {
    let simulator = start(Scenario::default());
    let set = post(&simulator, "/_sim/scenario", &json!({"output_tokens": 5, "faults": []})).await;
    assert_eq!((set.status.as_u16(), &set.json()["output_tokens"]), (200, &json!(5)));
    let answer = chat(&simulator, &asking("hello", json!({}))).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 5);

    let refused = post(&simulator, "/_sim/scenario", &json!({"output_tokens": 7, "tempo": 3})).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["param"]), (400, &json!("tempo")));
    assert_eq!(get(&simulator, "/_sim/scenario").await.json()["output_tokens"], 5);

    assert_eq!(post(&simulator, "/_sim/reset", &json!({})).await.json(), json!({"count": 0}));
    assert_eq!(get(&simulator, "/_sim/scenario").await.json()["output_tokens"], 64);
    assert_eq!(simulator.count(), 0);
}

#[tokio::test]
async fn models_are_listed() {
    let simulator = start(Scenario { models: vec!["own".to_owned(), "*".to_owned()], ..Scenario::default() });
    let listed = get(&simulator, "/v1/models").await.json();
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["sim-small", "sim-large", "sim-embed", "sim-moderation", "own"]);
    assert_eq!(chat(&simulator, &asking("hello", json!({"model": "anything"}))).await.status, 200);
}

#[tokio::test]
async fn wrong_turns_are_told() {
    let simulator = start(Scenario::default());
    assert_eq!(get(&simulator, "/v1/nowhere").await.status, 404);
    assert_eq!(get(&simulator, "/v1/chat/completions").await.status, 405);
    assert_eq!(get(&simulator, "/_sim/reset").await.status, 404);
    let over = vec![b' '; crate::BODY_BYTES_MAX + 1];
    // The refusal may outrun the upload; then the client sees a broken pipe instead.
    let reply = send(&simulator, "POST", "/v1/chat/completions", over).await;
    assert!(reply.is_none_or(|reply| reply.status == 413));
    assert_eq!(simulator.count(), 0);
}

#[tokio::test]
async fn a_crowd_degrades_answers() {
    let simulator = start(Scenario { latency_ms: 40, degrade_above: Some(1), ..Scenario::default() });
    let body = asking("hello", json!({}));
    let begun = Instant::now();
    let (first, second) = tokio::join!(chat(&simulator, &body), chat(&simulator, &body));
    assert!(begun.elapsed() >= Duration::from_millis(80));
    let mut ends = [first, second].map(|reply| {
        let answer = reply.json();
        let reason = answer["choices"][0]["finish_reason"].as_str().unwrap().to_owned();
        (answer["usage"]["completion_tokens"].as_u64().unwrap(), reason)
    });
    ends.sort();
    assert_eq!(ends, [(32, "length".to_owned()), (64, "stop".to_owned())]);
    assert_eq!(chat(&simulator, &body).await.json()["usage"]["completion_tokens"], 64);
}

#[tokio::test]
async fn stopping_frees_the_port_even_when_an_answer_stalls() {
    let simulator = start(always(FaultKind::Stall));
    let addr = simulator.addr();
    let url = simulator.url();
    let client = tokio::net::TcpStream::connect(addr).await.unwrap();
    let request =
        "POST /v1/embeddings HTTP/1.1\r\nhost: sim\r\ncontent-length: 37\r\n\r\n{\"model\":\"sim-embed\",\"input\":\"hello\"}";
    client.writable().await.unwrap();
    client.try_write(request.as_bytes()).unwrap();
    while simulator.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    simulator.stop().await;
    let again = Simulator::start(addr).unwrap();
    assert_eq!(again.url(), url);
    drop(client);
}
