//! Streams and everything that can go wrong with them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use insula_model::{Error, ErrorKind, TokenCounts};
use insula_providers::{Provider, SendFailure, Sent};

use crate::server::{ATTEMPT, Server, Step, chunk, end, outbound, provider, stream_head};

/// What a client saw of a stream.
pub struct Seen {
    pub batches: Vec<(Bytes, bool)>,
    pub error: Option<Error>,
    pub finished: bool,
    pub usage: Option<TokenCounts>,
    pub output_bytes: u64,
}

impl Seen {
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.batches.iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }
}

/// Asks for a stream and reads it to its end.
pub async fn collect(provider: &Arc<Provider>, include_usage: bool) -> Result<Seen, SendFailure> {
    let sent = provider.chat(ATTEMPT, outbound(b"{}", true, include_usage)).await?;
    let Sent::Stream(mut stream) = sent else { panic!("{sent:?}") };
    let (mut batches, mut error) = (Vec::new(), None);
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => batches.push((batch.bytes, batch.content)),
            Err(fault) => error = Some(fault),
        }
        assert!(error.is_none() || stream.next().await.is_none(), "an error ends a stream");
    }
    let (finished, usage, output_bytes) = (stream.finished(), stream.usage(), stream.output_bytes());
    Ok(Seen { batches, error, finished, usage, output_bytes })
}

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const HI: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

async fn play(steps: Vec<Step>) -> Seen {
    let server = Server::always([vec![stream_head()], steps].concat()).await;
    collect(&server.provider(), false).await.unwrap()
}

#[tokio::test]
async fn content_begins_with_the_first_text() {
    let pause = Step::Pause(Duration::from_millis(30));
    let seen = play(vec![chunk(ROLE), pause.clone(), chunk(HI), pause, chunk([USAGE, DONE].concat()), end()]).await;
    let shown: Vec<_> = seen.batches.iter().map(|(bytes, content)| (bytes.as_ref(), *content)).collect();
    assert_eq!(shown, [(ROLE.as_bytes(), false), (HI.as_bytes(), true), (DONE.as_bytes(), false)]);
    assert!(seen.finished && seen.output_bytes == 2 && seen.usage.is_some());
}

#[tokio::test]
async fn faults_are_typed_and_come_after_what_was_good() {
    let bad_utf8 = [b"data: {\"choices\":[{\"delta\":{\"content\":\"".as_slice(), b"\xff\xfe", b"\"}}]}\n\n"].concat();
    let error_chunk = "data: {\"error\":{\"message\":\"at http://10.0.0.1 with sk-abc123\",\"code\":502}}\n\n";
    for (case, steps) in [
        ("no [DONE]", vec![chunk(HI), chunk(USAGE), end()]),
        ("closed", vec![chunk(HI), Step::Close]),
        ("reset", vec![chunk(HI), Step::Pause(Duration::from_millis(50)), Step::Reset]),
        ("truncated chunk", vec![chunk(HI), Step::Send(b"40\r\ndata: {\"choi".to_vec()), Step::Close]),
        ("truncated event", vec![chunk(HI), chunk("data: {\"choices\":[{\"del"), end()]),
        ("bad UTF-8", vec![chunk(HI), chunk(&bad_utf8), chunk(DONE), end()]),
        ("bad JSON", vec![chunk(HI), chunk("data: {\"choices\":[}\n\n"), chunk(DONE), end()]),
        ("not an object", vec![chunk(HI), chunk("data: [1]\n\n"), chunk(DONE), end()]),
        ("an error", vec![chunk([HI, error_chunk, DONE].concat()), end()]),
        ("bad chunk size", vec![chunk(HI), Step::Send(b"zz\r\n".to_vec())]),
    ] {
        let seen = play(steps).await;
        assert_eq!(seen.text(), HI, "{case}");
        assert!(!seen.finished, "{case}");
        let error = seen.error.unwrap_or_else(|| panic!("{case}: no error"));
        assert_eq!(error.kind(), &ErrorKind::ProviderFailed, "{case}");
        assert!(!error.message().contains("10.0.0.1") && !error.message().contains("sk-"), "{case}: {error}");
    }
}

#[tokio::test]
async fn zero_usage_for_text_is_unknown() {
    let zero = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":0,\"total_tokens\":5}}\n\n";
    let seen = play(vec![chunk([HI, zero, DONE].concat()), end()]).await;
    assert!(seen.finished && seen.usage.is_none());
}

#[tokio::test]
async fn nothing_follows_the_end() {
    let seen = play(vec![chunk([HI, DONE, HI, "data: {broken\n\n"].concat()), end()]).await;
    assert!(seen.finished && seen.error.is_none());
    assert_eq!(seen.text(), [HI, DONE].concat());
}

#[tokio::test]
async fn events_are_bounded() {
    let server = Server::always(vec![stream_head(), chunk(HI), chunk(format!("data: {}", "x".repeat(5_000))), end()]).await;
    let mut settings = server.settings();
    settings.event_bytes_max = 4_096;
    let seen = collect(&provider(settings), false).await.unwrap();
    assert_eq!(seen.text(), HI);
    assert!(seen.error.as_ref().unwrap().message().contains("an event longer than 4096 bytes"));
}

#[tokio::test]
async fn a_cut_at_any_byte_changes_nothing() {
    let whole = [ROLE, ": ping\n\n", HI, USAGE, DONE].concat();
    let scripts = (0..=whole.len()).map(|cut| {
        let (left, right) = whole.split_at(cut);
        let mut steps = vec![stream_head()];
        steps.extend([left, right].into_iter().filter(|piece| !piece.is_empty()).map(chunk));
        steps.push(end());
        steps
    });
    let server = Server::start(scripts.collect()).await;
    let provider = server.provider();
    for cut in 0..=whole.len() {
        let seen = collect(&provider, false).await.unwrap();
        assert_eq!(seen.text(), [ROLE, HI, DONE].concat(), "cut at {cut}");
        assert!(seen.finished && seen.usage.is_some(), "cut at {cut}");
    }
}

#[tokio::test]
async fn what_can_be_read_goes_out_together() {
    let burst: Vec<u8> = (0..40)
        .flat_map(|_| match chunk(HI) {
            Step::Send(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    let seen = play(vec![Step::Send(burst), Step::Pause(Duration::from_millis(30)), chunk(DONE), end()]).await;
    assert_eq!(seen.text(), HI.repeat(40) + DONE);
    assert!(seen.batches.len() <= 4, "{} batches", seen.batches.len());
}

#[tokio::test]
async fn silence_ends_a_stream() {
    let server = Server::always(vec![stream_head(), chunk(HI), Step::Pause(Duration::from_secs(30))]).await;
    let mut settings = server.settings();
    settings.timeouts.idle_ms_max = 80;
    let began = Instant::now();
    let seen = collect(&provider(settings), false).await.unwrap();
    let error = seen.error.as_ref().unwrap();
    assert_eq!(error.kind(), &ErrorKind::ProviderTimeout);
    assert!(error.message().contains("80 ms") && began.elapsed() < Duration::from_secs(5), "{error}");
    assert_eq!(seen.text(), HI);
}

#[tokio::test]
async fn comments_do_not_count_as_a_beginning() {
    let mut steps = vec![stream_head(), chunk(ROLE)];
    steps.extend((0..40).flat_map(|_| [chunk(": thinking\n\n"), Step::Pause(Duration::from_millis(20))]));
    let server = Server::always(steps).await;
    let mut settings = server.settings();
    settings.timeouts.first_byte_ms_max = 120;
    let seen = collect(&provider(settings), false).await.unwrap();
    assert!(seen.error.as_ref().unwrap().message().contains("did not begin to answer within 120 ms"));
    assert_eq!(seen.text(), ROLE);
}

#[tokio::test]
async fn a_drip_ends_at_the_total_limit() {
    let mut steps = vec![stream_head()];
    steps.extend((0..60).flat_map(|_| [chunk(HI), Step::Pause(Duration::from_millis(20))]));
    let server = Server::always(steps).await;
    let mut settings = server.settings();
    settings.timeouts.total_ms_max = 150;
    let seen = collect(&provider(settings), false).await.unwrap();
    assert!(seen.error.as_ref().unwrap().message().contains("did not finish its answer within 150 ms"));
    assert!(seen.output_bytes >= 2);
}

#[tokio::test]
async fn a_finished_streams_connection_is_used_again() {
    let late_end = vec![stream_head(), chunk([HI, DONE].concat()), Step::Pause(Duration::from_millis(30)), end()];
    let server = Server::always(late_end).await;
    let provider = server.provider();
    for _ in 0..3 {
        assert!(collect(&provider, false).await.unwrap().finished);
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    assert!(server.received().iter().all(|received| received.connection == 0), "{:?}", server.received());
}

#[tokio::test]
async fn json_instead_of_a_stream_is_not_an_answer() {
    let server = Server::always(vec![crate::server::answer("200 OK", "", r#"{"choices":[]}"#)]).await;
    let failure = collect(&server.provider(), false).await.err();
    assert!(matches!(failure, Some(SendFailure::Broken { error }) if *error.kind() == ErrorKind::ProviderFailed));
}
