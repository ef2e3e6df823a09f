//! Responses: what is refused and bounded, what goes upstream, and the events that come back.

use bytes::Bytes;
use insula_model::ErrorKind;
use insula_providers::{Asked, ChatRequest, Dialect, Exchange, Outbound, OutputLimitField, Sent, Tokenizer, Wire, input_items};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    golden::{card, read},
    server::{ATTEMPT, Server, answer, chunk, end, outbound, stream_head},
};

fn parse(body: &Value) -> ChatRequest {
    ChatRequest::parse_responses(body.to_string().into()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn requests_become_chat_completions() {
    let request = ChatRequest::parse_responses(read("turns.responses.request.json").into()).unwrap();
    let wire = request.upstream_body(&card(OutputLimitField::MaxCompletionTokens), Wire::ChatCompletions, None, None).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&wire).unwrap(), json_of("turns.responses.wire.json"));
}

fn json_of(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// The events of a stream: names and data.
fn events(text: &str) -> Vec<(&str, Value)> {
    let blocks = text.split_terminator("\n\n").map(|block| block.split_once('\n').unwrap());
    let event = |(name, data): (&'_ str, &'_ str)| {
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        data
    };
    blocks.map(|block| (block.0, event(block))).collect()
}

fn asked(stream: bool, body: Bytes) -> Outbound {
    let outbound = outbound(b"{}", stream, false);
    let (dialect, model) = (Dialect::Responses, "sim-small".to_owned());
    let asked = Asked {
        dialect,
        stream,
        include_usage: false,
        model,
        id: "1".to_owned(),
        created: 1_760_000_000,
        request: body,
        editor: None,
    };
    Outbound { asked, ..outbound }
}

const BODY: &[u8] = br#"{"model":"sim-small","input":"hi","metadata":{"team":"search"},"store":false}"#;

/// What a caller sees of a stream that comes in these pieces, and the response that it makes.
async fn streamed(pieces: &[&[u8]]) -> (String, Bytes) {
    let mut steps = vec![stream_head()];
    steps.extend(pieces.iter().filter(|piece| !piece.is_empty()).map(chunk));
    steps.push(end());
    let server = Server::always(steps).await;
    let Ok(Sent::Stream(mut stream)) = server.provider().chat(ATTEMPT, asked(true, Bytes::from_static(BODY))).await else {
        panic!("no stream")
    };
    let mut text = Vec::new();
    while let Some(batch) = stream.next().await {
        text.extend_from_slice(&batch.unwrap().bytes);
    }
    assert!(stream.finished());
    (String::from_utf8(text).unwrap(), stream.whole().unwrap())
}

#[tokio::test]
async fn streams_become_typed_events() {
    for case in ["openai", "deepseek", "calls", "cut"] {
        let (seen, whole) = streamed(&[read(&format!("{case}.stream.txt")).as_bytes()]).await;
        assert_eq!(events(&seen), events(&read(&format!("{case}.responses.txt"))), "{case}");
        let (_, last) = events(&seen).pop().unwrap();
        assert_eq!(last["response"], serde_json::from_slice::<Value>(&whole).unwrap(), "{case}");
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_changes_no_event() {
    let sent = read("deepseek.stream.txt");
    let expected = read("deepseek.responses.txt");
    for cut in (0..sent.len()).step_by(7) {
        let (left, right) = sent.as_bytes().split_at(cut);
        assert_eq!(events(&streamed(&[left, right]).await.0), events(&expected), "cut at {cut}");
    }
}

#[tokio::test]
async fn whole_answers_become_responses() {
    for case in ["openai", "deepseek"] {
        let server = Server::always(vec![answer("200 OK", "", &read(&format!("{case}.answer.json")))]).await;
        let sent = server.provider().chat(ATTEMPT, asked(false, Bytes::from_static(BODY))).await;
        let Ok(Sent::Json(answer)) = sent else { panic!("{case}: {sent:?}") };
        let response: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(response, json_of(&format!("{case}.responses.json")), "{case}");
    }
}

#[test]
fn fields_are_read() {
    let request = parse(&with(json!({
        "stream": true, "max_output_tokens": 7, "safety_identifier": "s", "previous_response_id": "resp_1", "store": false,
        "tools": [{"type": "function", "name": "f"}], "background": false, "service_tier": "auto", "metadata": {"a": "b"},
    })));
    assert_eq!((request.model.as_str(), request.stream, request.max_tokens, request.n), ("m", true, Some(7), 1));
    assert_eq!((request.user.as_deref(), request.metadata.len()), (Some("s"), 1));
    assert_eq!((request.input.messages, request.input.tools, &request.input.unbounded), (1, 1, &None));
    let chain = request.chain.unwrap();
    assert_eq!((chain.id, chain.previous.as_deref(), chain.store), (None, Some("resp_1"), false));
    let bare = parse(&with(json!({"previous_response_id": null, "store": null, "user": "u", "safety_identifier": "s"})));
    assert_eq!((bare.user.as_deref(), bare.chain.map(|chain| (chain.previous, chain.store))), (Some("u"), Some((None, true))));
}

#[test]
fn mistakes_name_their_field() {
    for (fields, param) in [
        (json!({"model": ""}), "model"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": ["hi"]}), "input[0]"),
        (json!({"input": [{"content": "hi"}]}), "input[0].role"),
        (json!({"input": [{"role": "user", "content": {}}]}), "input[0].content"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"type": "web_search_call", "id": "ws_1"}]}), "input[0]"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}),
            "input[0].content[0].file_id",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}),
            "input[0].content[0].file_id",
        ),
        (json!({"tools": [{"type": "web_search", "vector_store_ids": ["vs_1"]}]}), "tools[0].vector_store_ids"),
        (json!({"tools": [{"type": "file_search", "vector_store_id": "vs_1"}]}), "tools[0].vector_store_id"),
        (json!({"instructions": ["no"]}), "instructions"),
        (json!({"background": true}), "background"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"stream": "yes"}), "stream"),
    ] {
        let body = with(fields);
        let error = ChatRequest::parse_responses(body.to_string().into()).expect_err(&body.to_string());
        assert_eq!((error.kind(), error.param()), (&ErrorKind::Invalid, Some(param)), "{body}");
    }
    for body in [json!({"model": "m"}), json!({"input": "hi"})] {
        assert!(ChatRequest::parse_responses(body.to_string().into()).is_err(), "{body}");
    }
}

#[test]
fn what_has_no_bound_is_named() {
    for (fields, what) in [
        (json!({"tools": [{"type": "web_search"}]}), "the hosted tool `web_search` in `tools[0]`"),
        (json!({"service_tier": "priority"}), "`service_tier`"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "AAAA"}]}]}),
            "content of type `input_file` in `input[0].content[0]`",
        ),
    ] {
        assert_eq!(parse(&with(fields)).input.unbounded.as_deref(), Some(what));
    }
    // What runs at a provider cannot be asked of one that speaks another form.
    let hosted = parse(&with(json!({"tools": [{"type": "web_search"}]})));
    let refused = hosted.upstream_body(&card(OutputLimitField::MaxTokens), Wire::ChatCompletions, None, None).unwrap_err();
    assert_eq!((refused.kind(), refused.param()), (&ErrorKind::Invalid, Some("tools")));
}

#[test]
fn images_are_counted_apart() {
    let image = format!("data:image/png;base64,{}", "A".repeat(10_000));
    let part = json!({"type": "input_image", "image_url": image});
    let request = parse(&with(json!({"input": [
        {"role": "user", "content": [part]}, {"type": "function_call_output", "call_id": "c", "output": [part]},
    ]})));
    assert_eq!(request.input.images, 2);
    assert!(request.input.bytes < 1_000, "{}", request.input.bytes);
    assert!(request.count_input_tokens(Tokenizer::O200kBase) < 100);
}

#[test]
fn a_conversation_is_put_in_front() {
    let first = parse(&with(json!({"input": "one", "instructions": "be brief"})));
    assert_eq!(first.own_input().unwrap(), r#"[{"type":"message","role":"user","content":"one"}]"#);
    let output = json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "two"}]}]);
    let before =
        Exchange { input: first.own_input().unwrap(), response: json!({"id": "resp_1", "output": output}).to_string().into() };
    let next = parse(&with(json!({"input": [{"role": "user", "content": "three"}], "previous_response_id": "resp_1"})));
    let whole = next.after(&[before.clone(), before.clone()], 10_000).unwrap();
    assert_eq!(whole.own_input().unwrap(), next.own_input().unwrap());
    assert_eq!(whole.chain.as_ref().map(|chain| &chain.previous), next.chain.as_ref().map(|chain| &chain.previous));
    assert!(whole.input.bytes > next.input.bytes + 2 * u64::try_from(before.input.len()).unwrap());
    let wire = whole.upstream_body(&card(OutputLimitField::MaxTokens), Wire::ChatCompletions, None, None).unwrap();
    let wire: Value = serde_json::from_slice(&wire).unwrap();
    let said: Vec<_> = wire["messages"].as_array().unwrap().iter().map(|said| said["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["one", "two", "one", "two", "three"]);
    let error = next.after(&[before], 100).unwrap_err();
    assert_eq!((error.kind(), error.param()), (&ErrorKind::TooLarge, Some("previous_response_id")));
}

#[test]
fn kept_items_have_ids() {
    let kept = json!([{"type": "message", "role": "user", "content": "one"}, {"type": "function_call_output", "id": "x", "call_id": "c", "output": ""}]);
    let items = input_items(kept.to_string().as_bytes(), "7").unwrap();
    let ids: Vec<_> = items.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["item_7i0", "x"]);
    let first: Value = serde_json::from_str(items[0].1.get()).unwrap();
    assert_eq!(first["content"], json!([{"type": "input_text", "text": "one"}]));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = ChatRequest::parse_responses(bytes.into());
    }

    /// What OpenAI counts for the messages that the request becomes, by its cookbook, is never above the bounds.
    #[test]
    fn bounds_hold(texts in prop::collection::vec("(the|cat| on|\\PC|\n|日本語|🎉){0,20}", 1..4), instructions: Option<String>, bare: bool) {
        let bpe = tiktoken_rs::o200k_base_singleton();
        let tokens = |text: &str| bpe.encode_with_special_tokens(text).len() as u64;
        let items: Vec<Value> = texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
        let input = if bare { json!(texts[0]) } else { json!(items) };
        let texts = if bare { &texts[..1] } else { &texts[..] };
        let request = parse(&json!({"model": "m", "input": input, "instructions": instructions}));
        let said = texts.iter().map(|text| 4 + tokens(text)).sum::<u64>();
        let vendor = 3 + said + instructions.as_ref().map_or(0, |text| 4 + tokens(text));
        prop_assert!(request.input.bytes >= vendor, "{} bytes, {vendor} tokens", request.input.bytes);
        let counted = request.count_input_tokens(Tokenizer::O200kBase);
        prop_assert!(counted >= vendor, "counted {counted}, {vendor} tokens");
    }
}
