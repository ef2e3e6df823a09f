//! Sending, and what each failure says about what may be billed.

use std::time::{Duration, Instant};

use insula_model::{Error, ErrorKind};
use insula_providers::{ProviderSettings, SecretText, SendFailure, Sent};
use tokio::net::TcpListener;

use crate::server::{ATTEMPT, Server, Step, answer, chunk, end, outbound, provider, stream_head};

const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;
const GOOD: &str = r#"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;

async fn send(settings: ProviderSettings) -> Result<Sent, SendFailure> {
    provider(settings).chat(ATTEMPT, outbound(BODY, false, false)).await
}

fn broken(sent: Result<Sent, SendFailure>) -> Error {
    match sent {
        Err(SendFailure::Broken { error }) => error,
        other => panic!("{other:?}"),
    }
}

fn rejected(sent: Result<Sent, SendFailure>) -> Error {
    match sent {
        Err(SendFailure::Rejected { error }) => error,
        other => panic!("{other:?}"),
    }
}

fn not_sent(sent: Result<Sent, SendFailure>) -> Error {
    match sent {
        Err(SendFailure::NotSent(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_carries_what_it_must_and_no_more() {
    let server = Server::always(vec![answer("200 OK", "", GOOD)]).await;
    let mut settings = server.settings();
    settings.api_key = Some(SecretText::new("sk-platform"));
    settings.attempt_header = Some("X-Insula-Attempt".to_owned());
    let sent = send(settings).await;
    let Ok(Sent::Json(answer)) = sent else { panic!("{sent:?}") };
    assert_eq!(answer.body, GOOD);
    let received = &server.received()[0];
    let mut lines: Vec<_> = received.head.lines().map(str::to_owned).collect();
    lines.sort();
    let host = server.url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut expected = vec![
        "POST /v1/chat/completions HTTP/1.1".to_owned(),
        "accept: application/json".to_owned(),
        "authorization: Bearer sk-platform".to_owned(),
        format!("content-length: {}", BODY.len()),
        "content-type: application/json".to_owned(),
        format!("host: {host}"),
        concat!("user-agent: insula/", env!("CARGO_PKG_VERSION")).to_owned(),
        format!("x-insula-attempt: {ATTEMPT}"),
    ];
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(received.body.as_bytes(), BODY);
}

#[tokio::test]
async fn embeddings_have_their_own_address() {
    let server =
        Server::always(vec![answer("200 OK", "", r#"{"data":[],"usage":{"prompt_tokens":4,"total_tokens":4}}"#)]).await;
    let sent = server.provider().embeddings(ATTEMPT, outbound(BODY, false, false)).await;
    assert!(matches!(sent, Ok(Sent::Json(answer)) if answer.usage.is_some_and(|usage| usage.input == 4)));
    assert!(server.received()[0].head.starts_with("POST /v1/embeddings HTTP/1.1"));
}

#[tokio::test]
async fn moderations_have_their_own_address_and_count_nothing() {
    let body = r#"{"id":"modr-1","model":"omni-moderation-2024-09-26","results":[]}"#;
    let server = Server::always(vec![answer("200 OK", "", body)]).await;
    match server.provider().moderations(ATTEMPT, outbound(BODY, false, false)).await {
        Ok(Sent::Json(answer)) => {
            assert_eq!((answer.usage, answer.model.as_deref()), (None, Some("omni-moderation-2024-09-26")));
            assert_eq!(answer.body, body);
        }
        other => panic!("{other:?}"),
    }
    assert!(server.received()[0].head.starts_with("POST /v1/moderations HTTP/1.1"));
    let server = Server::always(vec![answer("200 OK", "", r#"{"error":{"message":"no"}}"#)]).await;
    let refused = server.provider().moderations(ATTEMPT, outbound(BODY, false, false)).await;
    assert!(matches!(refused, Err(SendFailure::Broken { .. })), "{refused:?}");
}

#[tokio::test]
async fn nothing_is_sent_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = not_sent(send(ProviderSettings::new("simulator", url)).await);
    assert_eq!(error.kind(), &ErrorKind::ProviderFailed);
    assert!(!error.message().contains("127.0.0.1"));
    let nowhere = not_sent(send(ProviderSettings::new("simulator", "http://no-such-host.invalid/v1")).await);
    assert_eq!(nowhere.message(), error.message());
}

#[tokio::test]
async fn nothing_is_sent_before_tls_stands() {
    // It accepts, and never answers the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let mut settings = ProviderSettings::new("simulator", url);
    settings.timeouts.connect_ms_max = 80;
    let began = Instant::now();
    assert_eq!(not_sent(send(settings).await).kind(), &ErrorKind::ProviderTimeout);
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_carried_the_request() {
    let pause = Step::Pause(Duration::from_millis(30));
    for (case, script) in [
        ("closed", vec![Step::Close]),
        ("reset", vec![pause.clone(), Step::Reset]),
        ("half a head", vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()), Step::Close]),
        ("half a body", vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec()), Step::Close]),
        ("half a chunk", vec![stream_head(), Step::Send(b"20\r\n{\"a\"".to_vec()), Step::Reset]),
        ("not HTTP", vec![Step::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), Step::Close]),
        ("endless head", vec![Step::Send([b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: yyyyyyyyyyyy\r\n".repeat(9_000)].concat())]),
    ] {
        let server = Server::always(script).await;
        assert_eq!(broken(send(server.settings()).await).kind(), &ErrorKind::ProviderFailed, "{case}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_broken() {
    for body in ["", "[]", "null", "{\"a\":", "{} {}", "<html></html>", r#"{"error":{"message":"no","code":500}}"#] {
        let server = Server::always(vec![answer("200 OK", "", body)]).await;
        assert_eq!(broken(send(server.settings()).await).kind(), &ErrorKind::ProviderFailed, "{body}");
    }
    let server =
        Server::always(vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":\"\xff\"}".to_vec())]).await;
    broken(send(server.settings()).await);
}

#[tokio::test]
async fn statuses_speak_the_callers_language() {
    let body = r#"{"error":{"message":"bad sk-platform of org-abc123 at https://x.example","param":"messages[0]","code":"c"}}"#;
    let server = |status: &'static str| async move {
        let server = Server::always(vec![answer(status, "retry-after: 3\r\n", body)]).await;
        let mut settings = server.settings();
        settings.api_key = Some(SecretText::new("sk-platform"));
        rejected(send(settings).await)
    };
    let error = server("400 Bad Request").await;
    assert_eq!(error.kind(), &ErrorKind::ProviderRejected(400));
    assert_eq!((error.message(), error.param()), ("bad [removed] of [removed] at [removed]", Some("messages[0]")));
    for status in ["401 Unauthorized", "403 Forbidden", "500 Oops", "503 Busy", "302 Found"] {
        assert_eq!(server(status).await.kind(), &ErrorKind::ProviderFailed, "{status}");
    }
    let limited = server("429 Too Many Requests").await;
    assert_eq!(limited.kind(), &ErrorKind::ProviderRateLimited { retry_after: Some(Duration::from_secs(3)) });
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::always(vec![answer("200 OK", "", GOOD)]).await;
    let location = format!("location: {}\r\n", elsewhere.url);
    let server = Server::always(vec![answer("307 Temporary Redirect", &location, "")]).await;
    rejected(send(server.settings()).await);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn waits_are_bounded() {
    let silence = Step::Pause(Duration::from_secs(30));
    let part = Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec());
    for (says, script) in [
        ("did not begin to answer within 100 ms", vec![silence.clone()]),
        ("stopped in the middle of its answer within 60 ms", vec![part, silence]),
    ] {
        let server = Server::always(script).await;
        let mut settings = server.settings();
        (settings.timeouts.first_byte_ms_max, settings.timeouts.idle_ms_max) = (100, 60);
        let began = Instant::now();
        let error = broken(send(settings).await);
        assert_eq!(error.kind(), &ErrorKind::ProviderTimeout);
        assert!(error.message().contains(says), "{error}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for script in [vec![answer("200 OK", "", &long)], vec![stream_head(), chunk(&long), end()]] {
        let server = Server::always(script).await;
        let mut settings = server.settings();
        settings.response_bytes_max = 5_000;
        assert!(broken(send(settings).await).message().contains("longer than 5000 bytes"));
    }
    // Nobody needs more of an error than its status.
    let server = Server::always(vec![answer("400 Bad Request", "", &"x".repeat(100_000))]).await;
    assert_eq!(rejected(send(server.settings()).await).message(), "the provider refused the request with status 400");
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_nothing() {
    let server = Server::start(vec![vec![answer("200 OK", "", GOOD), Step::Close], vec![answer("200 OK", "", GOOD)]]).await;
    let provider = server.provider();
    for _ in 0..3 {
        assert!(provider.chat(ATTEMPT, outbound(BODY, false, false)).await.is_ok());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let connections: Vec<_> = server.received().iter().map(|received| received.connection).collect();
    assert_eq!(connections, [0, 1, 1], "each request arrived once, and good connections are kept");
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_never_sent_twice() {
    let server = Server::start(vec![vec![answer("200 OK", "", GOOD)], vec![Step::Close]]).await;
    let provider = server.provider();
    assert!(provider.chat(ATTEMPT, outbound(BODY, false, false)).await.is_ok());
    broken(provider.chat(ATTEMPT, outbound(BODY, false, false)).await);
    let connections: Vec<_> = server.received().iter().map(|received| received.connection).collect();
    assert_eq!(connections, [0, 0], "the second went over the pooled connection, and was not repeated");
}
