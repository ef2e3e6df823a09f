//! Translation, shown as files: `golden/*.json` and `*.txt`, what goes in beside what comes out.

use std::{fmt::Write as _, fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use insula_model::{Operation, Timestamp, TokenCounts, chat};

use super::Decoder;
use crate::{
    Asked, ChatRequest, Dialect, ModelCard, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, Viewer, Wire,
    client::{Fault, Outgoing, Scrub},
    json::members,
    sse::Splitter,
    translate::{Decode, reading, whole},
};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden", name].iter().collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn is_golden(name: &str, text: &str) {
    assert_eq!(text, read(name), "{name}");
}

fn card(upstream_model: &str) -> ModelCard {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1/v1")], book).unwrap();
    let route = providers
        .candidates("sim-small", Operation::Chat, Timestamp::parse("2026-01-01T00:00:00Z").unwrap(), &Viewer::default())
        .unwrap()
        .remove(0);
    ModelCard { upstream_model: upstream_model.to_owned(), output_tokens_max: 8_192, ..route.card.as_ref().clone() }
}

fn asked(dialect: Dialect, stream: bool) -> Asked {
    let (model, id) = ("sim-small".to_owned(), "1".to_owned());
    Asked { dialect, stream, include_usage: true, model, id, created: 7, request: Bytes::new(), editor: None }
}

/// What a request in this dialect becomes.
fn wired(request: &ChatRequest, model: &str, wire: Wire, limit: Option<u64>) -> String {
    let body = request.upstream_body(&card(model), wire, limit, None).unwrap();
    // A field a line reads better in a file.
    let mut text = String::new();
    for (name, value) in members(std::str::from_utf8(&body).unwrap(), "it").unwrap().0 {
        writeln!(text, "{name}: {value}").unwrap();
    }
    text
}

#[test]
fn chats_become_messages() {
    for (case, model, limit) in [
        ("plain", "claude-haiku-4-5", Some(100)),
        ("tools", "claude-haiku-4-5", None),
        ("reasoning", "claude-haiku-4-5", Some(6_000)),
        ("reasoning_adaptive", "claude-opus-5", Some(50)),
        ("conversation", "claude-haiku-4-5", None),
        ("schema", "claude-haiku-4-5", None),
    ] {
        let request = read(&format!("{}.request.json", case.trim_end_matches("_adaptive")));
        let request = ChatRequest::parse(request.into()).unwrap();
        is_golden(&format!("{case}.anthropic.txt"), &wired(&request, model, Wire::Messages, limit));
    }
}

#[test]
fn messages_become_chats() {
    for case in ["conversation", "thinking"] {
        let request = ChatRequest::parse_messages(read(&format!("{case}.messages.json")).into()).unwrap();
        is_golden(&format!("{case}.messages.openai.txt"), &wired(&request, "m", Wire::ChatCompletions, None));
    }
}

#[test]
fn messages_stay_as_they_are_for_who_speaks_them() {
    let body = read("thinking.messages.json");
    let request = ChatRequest::parse_messages(body.clone().into()).unwrap();
    let sent = request.upstream_body(&card("claude-opus-5"), Wire::Messages, Some(5_000), None).unwrap();
    assert_eq!(
        sent,
        body.replace("\"sim-small\"", "\"claude-opus-5\"").replace("\"max_tokens\": 6000", "\"max_tokens\": 5000")
    );
}

/// Feeds a stream in two reads.
fn fed(text: &str, cut: usize, mut each: impl FnMut(&crate::sse::Event<'_>) -> Result<(), Fault>) -> Option<String> {
    let mut splitter = Splitter::new(1 << 20);
    let (one, other) = text.as_bytes().split_at(cut);
    for read in [one, other] {
        match splitter.feed(Bytes::copy_from_slice(read), |event| each(&event)) {
            Ok(()) => {}
            Err(Fault::Error(error)) => return Some(error.to_string()),
            Err(Fault::TooLong) => panic!("too long"),
        }
    }
    None
}

/// What a caller sees of a stream, and what was counted.
fn streamed(wire: Wire, dialect: Dialect, text: &str, cut: usize) -> (String, Option<TokenCounts>) {
    let mut reading = reading(wire, &asked(dialect, true), Arc::new(Scrub::default()));
    let mut out = Outgoing::default();
    let error = fed(text, cut, |event| reading.take(event, &mut out));
    let bytes = out.take().map(|batch| batch.bytes).unwrap_or_default();
    let mut seen = String::from_utf8(bytes.to_vec()).unwrap();
    error.iter().for_each(|error| writeln!(seen, "!! {error}").unwrap());
    (seen, reading.seen().usage)
}

const STREAMS: [&str; 4] = ["anthropic", "anthropic_tools", "anthropic_error", "anthropic_cut"];

#[test]
fn streams_say_what_they_say() {
    for case in STREAMS {
        let text = read(&format!("{case}.stream.txt"));
        let mut decoder = Decoder::new(Arc::new(Scrub::default()));
        let mut events: Vec<chat::Event> = Vec::new();
        let error = fed(&text, 0, |event| decoder.event(event, &mut events));
        let mut lines: String = events.iter().map(|event| format!("{event:?}\n")).collect();
        error.iter().for_each(|error| writeln!(lines, "!! {error}").unwrap());
        is_golden(&format!("{case}.events.txt"), &lines);
        is_golden(&format!("{case}.chat.txt"), &streamed(Wire::Messages, Dialect::ChatCompletions, &text, 0).0);
    }
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for (wire, dialect) in [
        (Wire::Messages, Dialect::ChatCompletions),
        (Wire::Messages, Dialect::Messages),
        (Wire::ChatCompletions, Dialect::Messages),
    ] {
        let of_openai = ["openai", "deepseek", "parallel"];
        for case in if wire == Wire::Messages { STREAMS.as_slice() } else { &of_openai } {
            let text = read(&format!("{case}.stream.txt"));
            let whole = streamed(wire, dialect, &text, 0);
            for cut in 1..text.len() {
                assert_eq!(streamed(wire, dialect, &text, cut), whole, "{case} cut at {cut}");
            }
        }
    }
}

#[test]
fn who_speaks_messages_sees_the_stream_as_it_came() {
    let text = read("anthropic_tools.stream.txt");
    let (seen, usage) = streamed(Wire::Messages, Dialect::Messages, &text, 0);
    assert_eq!(seen, text);
    assert_eq!(usage, streamed(Wire::Messages, Dialect::ChatCompletions, &text, 0).1);
    assert!(usage.is_some());
    // Framing that is not the vendor's own is written anew; what has no name is left out.
    let odd = "data: {\"type\":\"ping\"}\r\n\r\nevent: x\ndata: {\"type\":\"new_kind\",\ndata: \"a\":1}\n\ndata: {\"a\":1}\n\n";
    let (seen, _) = streamed(Wire::Messages, Dialect::Messages, odd, 0);
    assert_eq!(seen, "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: new_kind\ndata: {\"type\":\"new_kind\", \"a\":1}\n\n");
}

#[test]
fn a_stream_that_is_cut_short_is_not_counted() {
    for dialect in [Dialect::ChatCompletions, Dialect::Messages] {
        assert_eq!(streamed(Wire::Messages, dialect, &read("anthropic_cut.stream.txt"), 0).1, None);
    }
}

#[test]
fn other_streams_become_messages() {
    for case in ["openai", "deepseek", "parallel"] {
        let text = read(&format!("{case}.stream.txt"));
        is_golden(&format!("{case}.messages.txt"), &streamed(Wire::ChatCompletions, Dialect::Messages, &text, 0).0);
    }
}

#[test]
fn whole_answers_are_read_and_counted() {
    let counts = |input, cache_read, cache_write, cache_write_1h, output, reasoning| {
        Some(TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning })
    };
    for (case, usage) in [
        ("anthropic", counts(2_095, 1_024, 400, 56, 412, 91)),
        ("anthropic_odd", counts(12, 0, 0, 0, 6, 0)),
        ("anthropic_contradiction", None),
    ] {
        let body = Bytes::from(read(&format!("{case}.answer.json")));
        for dialect in [Dialect::ChatCompletions, Dialect::Messages] {
            let whole = whole(Wire::Messages, &asked(dialect, false), body.clone(), &Scrub::default()).unwrap();
            assert_eq!(whole.seen.usage, usage, "{case}");
            assert_eq!(whole.seen.model.as_deref(), Some("claude-haiku-4-5-20251001"), "{case}");
            match dialect {
                Dialect::Messages => assert_eq!(whole.body, body),
                _ => is_golden(&format!("{case}.chat.json"), std::str::from_utf8(&whole.body).unwrap()),
            }
        }
    }
    let body = Bytes::from(read("deepseek.answer.json"));
    let whole = whole(Wire::ChatCompletions, &asked(Dialect::Messages, false), body, &Scrub::default()).unwrap();
    is_golden("deepseek.messages.json", std::str::from_utf8(&whole.body).unwrap());
}
