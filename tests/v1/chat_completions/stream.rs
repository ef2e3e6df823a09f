use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::sse::Event;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Prices, amounts, usd};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_stream_says_what_the_plain_answer_says() {
    let node = Node::start().await;
    let tenant = node.tenant("same").await;
    let plain = tenant.chat("same words").await.expect(200).json();
    let stream = tenant.service.stream(CHAT, &streamed_chat("same words")).await.expect_open();
    assert!(stream.request_id().starts_with("req_"));
    let transcript = stream.collect().await.expect_complete();
    assert_eq!(transcript.text(), plain["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(transcript.finish_reason(), Some("stop"));
    assert!(transcript.chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
    assert!(transcript.chunks.iter().all(|chunk| chunk["model"] == "sim-small"));
    assert!(transcript.chunks.iter().all(|chunk| chunk["id"] == transcript.chunks[0]["id"]));
}

#[tokio::test]
async fn usage_is_asked_for_upstream_and_kept_from_who_did_not_ask() {
    let node = Node::start().await;
    let tenant = node.tenant("stripped").await;
    let transcript =
        tenant.service.stream(CHAT, &streamed_chat("quietly")).await.expect_open().collect().await.expect_complete();
    assert_eq!(transcript.usage(), None);
    assert!(transcript.chunks.iter().all(|chunk| !chunk["choices"].as_array().unwrap().is_empty()), "no chunk without choices");
    let sent = node.simulator().requests().remove(0).body.unwrap();
    assert_eq!(sent["stream_options"]["include_usage"], true);
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), amounts::chat_cost(Prices::small(), &["quietly"], 64));
}

#[tokio::test]
async fn usage_comes_to_who_asked() {
    let node = Node::start().await;
    let tenant = node.tenant("asked").await;
    let mut body = streamed_chat("loudly");
    body["stream_options"] = json!({"include_usage": true});
    let transcript = tenant.service.stream(CHAT, &body).await.expect_open().collect().await.expect_complete();
    let usage = transcript.usage().expect("a usage chunk");
    assert_eq!(usage["prompt_tokens"], amounts::prompt_tokens(&["loudly"]));
    assert_eq!(usage["completion_tokens"], 64);
    let last = transcript.chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), usage));
}

#[tokio::test]
async fn events_arrive_as_the_provider_sends_them() {
    let node = Node::start().await;
    let tenant = node.tenant("paced").await;
    node.scenario(Scenario { chunks: 6, gap_ms: 100, ..Scenario::default() });
    let started = Instant::now();
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("slowly")).await.expect_open();
    stream.first_content().await;
    let first = started.elapsed();
    stream.collect().await.expect_complete();
    assert!(started.elapsed() >= first + Duration::from_millis(400), "the first event came {first:?} after the request");
}

/// A node whose stream headers wait only a little for content, and whose streams stay silent only a little.
async fn quick_to_answer() -> Node {
    let more = vec![("bounds", "header_wait_ms_max = 300".to_owned()), ("bounds", "heartbeat_ms = 500".to_owned())];
    Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await
}

#[tokio::test]
async fn headers_wait_for_content_but_not_for_long() {
    let node = quick_to_answer().await;
    let tenant = node.tenant("late").await;
    node.scenario(Scenario { latency_ms: 1_500, ..Scenario::default() });
    let started = Instant::now();
    let stream = tenant.service.stream(CHAT, &streamed_chat("late")).await.expect_open();
    let headers = started.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_millis(1_300)).contains(&headers), "headers after {headers:?}");
    stream.collect().await.expect_complete();
}

#[tokio::test]
async fn a_silent_stream_is_kept_awake_by_comments() {
    let node = quick_to_answer().await;
    let tenant = node.tenant("silent").await;
    node.scenario(Scenario { latency_ms: 3_000, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("silence")).await.expect_open();
    let first = stream.next().await;
    assert!(matches!(first, Ok(Some(Event::Comment(_)))), "{first:?}");
    stream.collect().await.expect_complete();
}

#[tokio::test]
async fn what_fails_after_the_headers_fails_in_the_stream() {
    let node = quick_to_answer().await;
    let tenant = node.tenant("after").await;
    for (kind, code) in [(FaultKind::ServerError, "provider_failed"), (FaultKind::RateLimit, "provider_rate_limited")] {
        node.scenario(Scenario { latency_ms: 800, faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() });
        let stream = tenant.service.stream(CHAT, &streamed_chat("too late")).await.expect_open();
        let id = stream.request_id();
        let transcript = stream.collect().await;
        assert_eq!(transcript.expect_error()["code"], code);
        assert!(!transcript.done);
        assert_eq!(usd(&tenant.request(&id).await["cost_usd"]), Money::ZERO, "the provider refused, so nothing is billed");
    }
}

#[tokio::test]
async fn a_stream_of_many_choices_keeps_them_apart() {
    let node = Node::start().await;
    let tenant = node.tenant("choices").await;
    let mut body = streamed_chat("two");
    body["n"] = json!(2);
    let transcript = tenant.service.stream(CHAT, &body).await.expect_open().collect().await.expect_complete();
    let text = |index: u64| -> String {
        let choices = transcript.chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        choices.filter(|choice| choice["index"] == index).filter_map(|choice| choice["delta"]["content"].as_str()).collect()
    };
    let mut plain = chat("two");
    plain["n"] = json!(2);
    let plain = tenant.service.post(CHAT, &plain).await.expect(200).json();
    for index in 0..2 {
        assert_eq!(text(index), plain["choices"][index as usize]["message"]["content"].as_str().unwrap());
    }
}

#[tokio::test]
async fn a_long_stream_is_complete() {
    let node = Node::start().await;
    let tenant = node.tenant("long").await;
    node.scenario(Scenario { chunks: 2_000, output_tokens: 4_000, ..Scenario::default() });
    let transcript = tenant.service.stream(CHAT, &streamed_chat("long")).await.expect_open().collect().await.expect_complete();
    assert!(transcript.chunks.len() >= 2_000, "{} chunks", transcript.chunks.len());
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), amounts::chat_cost(Prices::small(), &["long"], 4_000));
}
