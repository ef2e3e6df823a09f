//! Translation, shown as files in `golden/`: a caller's request beside Gemini's, Gemini's answers beside what they say in our words and
//! what callers are told.

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use insula_model::{Operation, Timestamp, TokenCounts, chat};

use super::*;
use crate::{
    Asked, ChatRequest, Dialect, EmbeddingsRequest, ModelCard, PriceBook, ProviderSettings, Providers, Viewer, Wire,
    client::{Fault, Outgoing, Scrub},
    sse::Splitter,
    translate::{Decode, embeddings, reading, whole},
};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden", name].iter().collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn same(name: &str, actual: &str) {
    assert_eq!(actual, read(name), "{name}");
}

fn card(upstream_model: &str) -> ModelCard {
    let book = format!(
        r#"[[models]]
        provider = "gold"
        name = "gold"
        upstream_model = "{upstream_model}"
        operations = ["chat", "embeddings"]
        output_tokens_max = 1000
        prices = [{{ effective_from = 2026-01-01, input = "1", output = "2", source = "test", checked = 2026-01-01 }}]"#
    );
    let book = PriceBook::parse(&book, "golden").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("gold", "http://127.0.0.1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
    providers.candidates("gold", Operation::Chat, now, &Viewer::default()).unwrap().remove(0).card.as_ref().clone()
}

fn asked(stream: bool, request: impl Into<Bytes>) -> Asked {
    Asked {
        dialect: Dialect::ChatCompletions,
        stream,
        include_usage: true,
        model: "gold".to_owned(),
        id: "1".to_owned(),
        created: 1_760_000_000,
        request: request.into(),
        editor: None,
    }
}

fn wire(body: &str, model: &str) -> String {
    let request = ChatRequest::parse(body.to_owned().into()).unwrap();
    let wire = request.upstream_body(&card(model), Wire::GenerateContent, Some(64), None).unwrap();
    String::from_utf8(wire.to_vec()).unwrap()
}

#[test]
fn requests_become_geminis() {
    for (case, model) in [("plain", "gemini-2.5-flash"), ("tools", "gemini-2.5-flash"), ("dialogue", "gemini-3-pro")] {
        let written = wire(&read(&format!("{case}.request.json")), model);
        same(&format!("{case}.gemini.json"), &(written + "\n"));
    }
}

#[test]
fn efforts_become_budgets_or_levels() {
    for (effort, old, new) in [
        ("none", r#"{"includeThoughts":false,"thinkingBudget":0}"#, r#"{"includeThoughts":false,"thinkingLevel":"MINIMAL"}"#),
        ("low", r#"{"includeThoughts":true,"thinkingBudget":1024}"#, r#"{"includeThoughts":true,"thinkingLevel":"LOW"}"#),
        ("high", r#"{"includeThoughts":true,"thinkingBudget":24576}"#, r#"{"includeThoughts":true,"thinkingLevel":"HIGH"}"#),
    ] {
        let body = format!(r#"{{"model":"g","messages":[{{"role":"user","content":"x"}}],"reasoning_effort":"{effort}"}}"#);
        for (model, thinking) in [("gemini-2.5-flash", old), ("gemini-3-flash", new)] {
            let written = wire(&body, model);
            assert!(written.contains(&format!(r#""thinkingConfig":{thinking}"#)), "{model} {effort}: {written}");
        }
    }
}

#[test]
fn what_gemini_cannot_be_told_is_refused() {
    let refused = |messages: &str| {
        let body = format!(r#"{{"model":"g","messages":[{messages}]}}"#);
        let request = ChatRequest::parse(body.into()).unwrap();
        request.upstream_body(&card("gemini-3-pro"), Wire::GenerateContent, None, None).unwrap_err().message().to_owned()
    };
    let image = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a.png"}}]}"#;
    assert!(refused(image).contains("send a `data:` address"));
    let lost = r#"{"role":"user","content":"x"},{"role":"tool","tool_call_id":"call_9","content":"21"}"#;
    assert!(refused(lost).contains("`call_9`"));
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    let written = wire(r#"{"model":"g","messages":[{"role":"system","content":"Tell a joke."}]}"#, "gemini-3-pro");
    assert!(
        written.starts_with(r#"{"contents":[{"role":"user","parts":[{"text":"Tell a joke."}]}],"generationConfig""#),
        "{written}"
    );
}

#[test]
fn seals_stay_with_gemini() {
    let request = ChatRequest::parse(read("dialogue.request.json").into()).unwrap();
    let other = request.upstream_body(&card("gpt"), Wire::ChatCompletions, None, None).unwrap();
    let text = String::from_utf8(other.to_vec()).unwrap();
    assert!(!text.contains("__sig_") && text.matches("\"call_r1_0_0\"").count() == 2, "{text}");
}

/// Events of a stream that is cut into these pieces.
fn events(pieces: &[&[u8]]) -> Vec<chat::Event> {
    let (mut decoder, mut splitter, mut events) =
        (Decoder::new(Arc::new(Scrub::default())), Splitter::new(1 << 20), Vec::new());
    for piece in pieces {
        let fed: Result<(), Fault> = splitter.feed(Bytes::copy_from_slice(piece), |event| decoder.event(&event, &mut events));
        assert!(fed.is_ok());
    }
    let ended: Result<(), Fault> = splitter.finish(|event| decoder.event(&event, &mut events));
    assert!(ended.is_ok() && decoder.end(&mut events).is_ok());
    events
}

/// What the caller is sent of a stream.
fn told(stream: &str) -> String {
    let mut reading = reading(Wire::GenerateContent, &asked(true, ""), Arc::new(Scrub::default()));
    let (mut splitter, mut out) = (Splitter::new(1 << 20), Outgoing::default());
    let fed: Result<(), Fault> =
        splitter.feed(Bytes::copy_from_slice(stream.as_bytes()), |event| reading.take(&event, &mut out));
    assert!(fed.is_ok() && reading.end(&mut out).is_ok());
    String::from_utf8(out.take().map(|batch| batch.bytes.to_vec()).unwrap_or_default()).unwrap()
}

#[test]
fn streams_become_events_wherever_they_are_cut() {
    for case in ["calls", "choices", "blocked"] {
        let stream = read(&format!("{case}.gemini.stream.txt"));
        let seen = events(&[stream.as_bytes()]);
        same(&format!("{case}.gemini.events.txt"), &seen.iter().map(|event| format!("{event:?}\n")).collect::<String>());
        for cut in 1..stream.len() {
            let (left, right) = stream.as_bytes().split_at(cut);
            assert_eq!(events(&[left, right]), seen, "{case} cut at {cut}");
        }
        same(&format!("{case}.gemini.chat.txt"), &told(&stream));
    }
}

#[test]
fn a_stream_without_a_reason_for_its_end_is_cut_short() {
    let stream = read("calls.gemini.stream.txt");
    let (cut, _) = stream.rsplit_once("data: ").unwrap();
    let seen = events(&[cut.as_bytes()]);
    assert!(!seen.contains(&chat::Event::Ended));
    // What was counted by then is not what will be billed.
    assert!(!seen.iter().any(|event| matches!(event, chat::Event::Used(_))));
}

#[test]
fn whole_answers_are_read() {
    let body = read("whole.gemini.answer.json");
    let read = whole(Wire::GenerateContent, &asked(false, ""), body.into(), &Scrub::default()).unwrap();
    same("whole.gemini.chat.json", &(String::from_utf8(read.body.to_vec()).unwrap() + "\n"));
    let counts = TokenCounts { input: 11, cache_read: 0, cache_write: 0, cache_write_1h: 0, output: 9, reasoning: 30 };
    assert_eq!((read.seen.usage, read.seen.model.as_deref()), (Some(counts), Some("gemini-3-pro")));
}

#[test]
fn errors_in_place_of_answers_are_errors() {
    for body in [
        r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#,
        r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#,
        "[]",
        "nonsense",
    ] {
        assert!(whole(Wire::GenerateContent, &asked(false, ""), body.into(), &Scrub::default()).is_err(), "{body}");
    }
}

#[test]
fn a_total_that_does_not_add_up_counts_as_not_said() {
    let body = read("whole.gemini.answer.json").replace("50}", "51}");
    let read = whole(Wire::GenerateContent, &asked(false, ""), body.into(), &Scrub::default()).unwrap();
    assert!(read.seen.is_miscounted && read.seen.usage.is_none());
    let none = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let read = whole(Wire::GenerateContent, &asked(false, ""), none.into(), &Scrub::default()).unwrap();
    assert!(!read.seen.is_miscounted && read.seen.usage.is_none());
}

#[test]
fn embeddings_are_translated() {
    let body = |format: &str| format!(r#"{{"model":"gold","input":["ab","c"],"dimensions":2{format}}}"#);
    let request = EmbeddingsRequest::parse(body("").into()).unwrap();
    let sent = request.upstream_body(&card("gemini-embedding-001"), Wire::GenerateContent, None).unwrap();
    same("embeddings.gemini.json", &(String::from_utf8(sent.to_vec()).unwrap() + "\n"));
    for (format, first) in [("", "[0.5,-0.25]"), (r#","encoding_format":"base64""#, r#""AAAAPwAAgL4=""#)] {
        let asked = asked(false, body(format));
        let answer = Bytes::from(read("embeddings.gemini.answer.json"));
        let read = embeddings(Wire::GenerateContent, &asked, answer, &Scrub::default()).unwrap();
        let text = String::from_utf8(read.body.to_vec()).unwrap();
        assert!(text.contains(&format!(r#""index":0,"embedding":{first}"#)), "{text}");
        // Each input's bytes and quotes: nobody counted.
        assert!(text.contains(r#""usage":{"prompt_tokens":7,"total_tokens":7}"#) && read.seen.usage.is_none(), "{text}");
    }
    let tokens = EmbeddingsRequest::parse(r#"{"model":"gold","input":[1,2]}"#.into()).unwrap();
    assert!(tokens.upstream_body(&card("g"), Wire::GenerateContent, None).unwrap_err().message().contains("texts only"));
}
