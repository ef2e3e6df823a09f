//! Callers' requests: what is refused, what is bounded, and what must survive.

use bytes::Bytes;
use insula_model::{ErrorKind, Operation, Timestamp};
use insula_providers::{
    ChatRequest, EmbeddingsRequest, ModelCard, ModerationsRequest, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES,
    Tokenizer, Viewer, Wire,
};
use proptest::prelude::*;
use serde_json::{Value, json};

pub fn card() -> ModelCard {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    providers.candidates("sim-small", Operation::Chat, now, &Viewer::default()).unwrap()[0].card.as_ref().clone()
}

fn parse(body: &Value) -> ChatRequest {
    ChatRequest::parse(body.to_string().into()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn refused(body: impl Into<Bytes>) -> (Option<String>, String) {
    let body = body.into();
    let error = ChatRequest::parse(body.clone()).expect_err(&String::from_utf8_lossy(&body));
    assert_eq!(error.kind(), &ErrorKind::Invalid);
    (error.param().map(str::to_owned), error.message().to_owned())
}

#[test]
fn fields_are_read() {
    let chat = parse(&with(json!({
        "stream": true, "stream_options": {"include_usage": true}, "max_completion_tokens": 7, "n": 3, "user": "u",
        "tools": [{"type": "function", "function": {"name": "f"}}], "temperature": null, "service_tier": "auto",
    })));
    assert_eq!((chat.model.as_str(), chat.stream, chat.include_usage), ("m", true, true));
    assert_eq!((chat.max_tokens, chat.n, chat.user.as_deref()), (Some(7), 3, Some("u")));
    assert_eq!((chat.input.messages, chat.input.tools, chat.input.unbounded), (1, 1, None));
    let bare = parse(&with(json!({"stream": null, "n": null, "max_tokens": null, "user": null, "stream_options": null})));
    assert_eq!((bare.stream, bare.n, bare.max_tokens, bare.user), (false, 1, None, None));
}

#[test]
fn mistakes_name_their_field() {
    for (fields, param) in [
        (json!({"model": ""}), "model"),
        (json!({"model": 7}), "model"),
        (json!({"model": "x".repeat(257)}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": ["hi"]}), "messages"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "", "content": "hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": {}}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": [7]}]}), "messages"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stream_options": []}), "stream_options"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_tokens": "9"}), "max_tokens"),
        (json!({"max_completion_tokens": 1u64 << 40}), "max_completion_tokens"),
        (json!({"max_tokens": 1, "max_completion_tokens": 2}), "max_completion_tokens"),
        (json!({"n": 0}), "n"),
        (json!({"n": 129}), "n"),
        (json!({"user": 5}), "user"),
        (json!({"tools": {}}), "tools"),
        (json!({"tools": [7]}), "tools"),
    ] {
        let (named, message) = refused(with(fields.clone()).to_string());
        assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
    }
    assert_eq!(refused(r#"{"messages":[{"role":"user"}]}"#).0.as_deref(), Some("model"));
    assert_eq!(refused(r#"{"model":"m"}"#).0.as_deref(), Some("messages"));
    let twice = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"model":"n"}"#;
    assert_eq!(refused(twice), (Some("model".to_owned()), "the field `model` stands twice in the body".to_owned()));
}

#[test]
fn bodies_that_are_not_objects_are_refused() {
    let bomb = format!(r#"{{"model":"m","messages":[],"x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(bomb).1.contains("deeper than 128 levels"));
    assert!(refused(&b"{\"model\":\"\xff\"}"[..]).1.contains("UTF-8"));
    for body in ["", "null", "[]", "\"x\"", "{", "{}x", "{'model':'m'}"] {
        refused(body);
    }
}

#[test]
fn provider_objects_are_refused_wherever_they_stand() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]});
    for (fields, param) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": {"id": "conv_1"}}), "conversation"),
        (json!({"vector_store_ids": ["vs_1"]}), "vector_store_ids"),
        (json!({"extra_body": {"google": {"cached_content": "cachedContents/1"}}}), "extra_body.google.cached_content"),
        (json!({"attachments": [{"file_id": "file-1"}]}), "attachments[0].file_id"),
        (json!({"tools": [{"type": "web_search", "vector_store_ids": ["vs_1"]}]}), "tools[0].vector_store_ids"),
        (json!({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}), "tools[0].container"),
        (json!({"tools": [{"type": "code_interpreter", "x": [{"file_ids": []}]}]}), "tools[0].x[0].file_ids"),
        (json!({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}), "messages[0].audio"),
        (json!({"messages": [{"role": "user", "content": "x", "thread_id": "t"}]}), "messages[0].thread_id"),
        (part(json!({"type": "file", "file": {"file_id": "file-1"}})), "messages[0].content[1].file.file_id"),
        (part(json!({"type": "image_url", "image_url": {"file_id": "file-1"}})), "messages[0].content[1].image_url.file_id"),
        (part(json!({"type": "image_file", "image_file": {"file_id": "f"}})), "messages[0].content[1].image_file.file_id"),
    ] {
        let (named, message) = refused(with(fields.clone()).to_string());
        assert_eq!(named.as_deref(), Some(param), "{fields}");
        assert!(message.contains("provider object ids are refused unless Insula issued them"));
    }
    let hidden = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file\u005fid":"f"}}]}]}"#;
    assert_eq!(refused(hidden).0.as_deref(), Some("messages[0].content[0].file.file_id"));
    let embeddings = EmbeddingsRequest::parse(r#"{"model":"m","input":"x","file_id":"f"}"#.into()).unwrap_err();
    assert_eq!(embeddings.param(), Some("file_id"));
}

#[test]
fn a_search_in_the_tenants_own_stores_is_no_providers_business() {
    let body =
        with(json!({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}], "insula": {"retrieval": {"limit": 2}}}));
    let request = parse(&body);
    assert_eq!(request.retrieval.as_ref().unwrap().vector_store_ids, ["vs_1"]);
    for wire in [Wire::ChatCompletions, Wire::Messages, Wire::GenerateContent] {
        let sent = request.upstream_body(&card(), wire, Some(8), None).unwrap();
        let sent = String::from_utf8(sent.to_vec()).unwrap();
        assert!(!["vs_1", "file_search", "insula"].iter().any(|word| sent.contains(word)), "{sent}");
    }
    // However it is written down.
    let escaped = with(json!({"tools": body["tools"]})).to_string().replace("file_search", "file\\u005fsearch");
    let escaped = ChatRequest::parse(escaped.into()).unwrap();
    assert!(escaped.retrieval.is_some() && !String::from_utf8_lossy(escaped.sent()).contains("vs_1"));
}

#[test]
fn a_callers_own_names_are_free() {
    parse(&with(json!({
        "tools": [{"type": "function", "function": {"parameters": {"properties": {"file_id": {"type": "string"}}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"properties": {"conversation": {}}}}},
        "metadata": {"file_id": "mine"}, "previous_response_id": null, "conversation": null, "store": true,
        "messages": [{"role": "assistant", "content": null, "audio": null,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"file_id": 1}}}]}],
    })));
}

#[test]
fn what_has_no_bound_is_named() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    for (fields, named) in [
        (json!({"service_tier": "priority"}), "`service_tier`"),
        (json!({"modalities": ["text", "audio"]}), "`modalities`"),
        (json!({"audio": {"voice": "x"}}), "`audio`"),
        (json!({"web_search_options": {}}), "`web_search_options`"),
        (json!({"prediction": {"type": "content", "content": "x"}}), "`prediction`"),
        (json!({"tools": [{"type": "web_search"}]}), "the hosted tool `web_search` in `tools[0]`"),
        (json!({"tools": [{"x": 1}]}), "the hosted tool `` in `tools[0]`"),
        (part(json!({"input_audio": {"data": "x"}, "type": "input_audio"})), "`messages[0].content[0].input_audio`"),
        (part(json!({"file": {"file_data": "x"}, "type": "file"})), "`messages[0].content[0].file`"),
        (part(json!({"type": "hologram"})), "content of type `hologram` in `messages[0].content[0]`"),
        (part(json!({"video_url": {"url": "x"}})), "`messages[0].content[0].video_url`"),
    ] {
        assert_eq!(parse(&with(fields.clone())).input.unbounded.as_deref(), Some(named), "{fields}");
        assert_eq!(parse(&with(fields)).input.tokens_max(&card()), Err(named.to_owned()));
    }
    for fields in
        [json!({"service_tier": "default"}), json!({"modalities": [ "text" ]}), json!({"tools": []}), json!({"audio": null})]
    {
        assert_eq!(parse(&with(fields)).input.unbounded, None);
    }
}

#[test]
fn images_cost_by_the_piece() {
    let url = format!("data:image/png;base64,{}", "A".repeat(100_000));
    let body = with(json!({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": "https://example.org/cat.png"},
        {"type": "text", "text": "What are these?"},
    ]}]}));
    let chat = parse(&body);
    assert_eq!(chat.input.images, 2);
    assert!(chat.input.bytes < 500, "{}", chat.input.bytes);
    assert_eq!(chat.input.tokens_max(&card()), Ok(chat.input.bytes + 2 * 85));
    assert!(chat.count_input_tokens(Tokenizer::O200kBase) < 60);
    let blind = ModelCard { image_tokens_max: None, ..card() };
    assert!(chat.input.tokens_max(&blind).unwrap_err().contains("image_tokens_max"));
    // A text that looks like an image is a text.
    let text = parse(&with(json!({"messages": [{"role": "user", "content": url}]})));
    assert!(text.input.bytes > 100_000 && text.count_input_tokens(Tokenizer::O200kBase) > 10_000);
}

#[test]
fn a_callers_limit_survives_under_either_name() {
    for fields in [r#""max_tokens":null,"max_completion_tokens":50"#, r#""max_completion_tokens":50"#, r#""max_tokens":50"#] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{fields}}}"#);
        let wire = ChatRequest::parse(body.into()).unwrap().upstream_body(&card(), Wire::ChatCompletions, None, None).unwrap();
        let sent: Value = serde_json::from_slice(&wire).unwrap();
        assert_eq!((&sent["max_tokens"], &sent["max_completion_tokens"]), (&json!(50), &Value::Null), "{fields}");
    }
}

#[test]
fn messages_do_not_repeat_a_long_value() {
    let long = "x".repeat(100_000);
    for body in [
        with(json!({"messages": long})).to_string(),
        with(json!({"extra": {long.as_str(): {"file_id": "f"}}})).to_string(),
        format!(r#"{{"{long}":1,"{long}":2}}"#),
    ] {
        let (param, message) = refused(body);
        assert!(param.unwrap().len() < 500 && message.len() < 500);
    }
}

#[test]
fn embeddings_are_bounded() {
    let bound = |input: Value| {
        EmbeddingsRequest::parse(json!({"model": "m", "input": input}).to_string().into())
            .map(|request| (request.input_tokens_max(), request.input.messages))
            .map_err(|error| error.param().map(str::to_owned))
    };
    assert_eq!(bound(json!("abcd")), Ok((6, 1)));
    assert_eq!(bound(json!(["ab", "c"])), Ok((7, 2)));
    assert_eq!(bound(json!([1, 2, 3])), Ok((5, 1)));
    assert_eq!(bound(json!([[1, 2], [3]])), Ok((7, 2)));
    for bad in [
        json!(""),
        json!([]),
        json!(7),
        json!({"a": 1}),
        json!(["a", 1]),
        json!([[1], 2]),
        json!([-1]),
        json!([[1.5]]),
        json!([null]),
    ] {
        assert_eq!(bound(bad.clone()), Err(Some("input".to_owned())), "{bad}");
    }
    assert_eq!(bound(json!(vec!["a"; 2_049])), Err(Some("input".to_owned())));
    let body = r#"{ "input":["a"], "model":"sim-embed","encoding_format":"base64","dimensions":8}"#;
    let request = EmbeddingsRequest::parse(body.into()).unwrap();
    let wire =
        request.upstream_body(&ModelCard { upstream_model: "up".to_owned(), ..card() }, Wire::ChatCompletions, None).unwrap();
    assert_eq!(wire, body.replace("sim-embed", "up"));
    assert_eq!(request.count_input_tokens(Tokenizer::Cl100kBase), 3);
}

#[test]
fn moderations_are_bounded_and_written_for_their_provider() {
    let read = |input: Value| ModerationsRequest::parse(json!({"input": input}).to_string().into()).unwrap();
    let bound = |input: Value| (read(input.clone()).input.bytes, read(input.clone()).input.messages, read(input).input.images);
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    assert_eq!(bound(json!("abcd")), (6, 1, 0));
    assert_eq!(bound(json!(["ab", "c"])), (7, 2, 0));
    assert_eq!(bound(json!([{"type": "text", "text": "ab"}, image("https://x")])), (4 + 11, 2, 1));
    // An image that stands in the body is paid for by the image.
    assert_eq!(bound(json!([image("data:image/png;base64,AAAA"), image("data:image/png;base64,AAAA")])), (0, 2, 2));
    assert_eq!(read(json!(["a", "b"])).count_input_tokens(Tokenizer::O200kBase), 2 * (2 + 1));
    // The words `text` and `image_url` of the parts count as texts: never less than the provider's.
    assert!(read(json!([{"type": "text", "text": "a"}, image("https://x")])).count_input_tokens(Tokenizer::O200kBase) >= 3);

    let up = ModelCard { upstream_model: "up".to_owned(), ..card() };
    for (body, wire) in [
        (
            r#"{"input": [ "a" ] , "model":"m","user":"ada", "x":{"b":1.0,"a":null}}"#,
            r#"{"model":"up","input":[ "a" ],"x":{"b":1.0,"a":null}}"#,
        ),
        (r#"{"input":"a\u00e9"}"#, r#"{"model":"up","input":"a\u00e9"}"#),
        (r#"{"model":null,"input":"a"}"#, r#"{"model":"up","input":"a"}"#),
    ] {
        let request = ModerationsRequest::parse(body.into()).unwrap();
        assert_eq!(request.upstream_body(&up), wire);
        assert_eq!(request.raw(), body);
    }
    let twice = ModerationsRequest::parse(r#"{"input":[{"type":"text","text":"a","text":"b"}]}"#.into()).unwrap_err();
    assert_eq!(twice.param(), Some("input[0].text"));
}

/// What OpenAI counts for a chat of texts, by its cookbook.
pub fn vendor_count(messages: &[(String, String)]) -> u64 {
    let bpe = tiktoken_rs::o200k_base_singleton();
    let tokens = |text: &str| bpe.encode_with_special_tokens(text).len() as u64;
    3 + messages.iter().map(|(role, content)| 3 + tokens(role) + tokens(content)).sum::<u64>()
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = ChatRequest::parse(bytes.clone().into());
        let _ = EmbeddingsRequest::parse(bytes.clone().into());
        let _ = ModerationsRequest::parse(bytes.into());
    }

    #[test]
    fn near_misses_are_answered(text in r#"\{"(model|messages|tools|stream_options)":("m"|\[|\]|\{|\}|"|:|,|\\|null|7|"role":"u"){0,12}\}?"#) {
        let _ = ChatRequest::parse(text.clone().into());
        let _ = EmbeddingsRequest::parse(text.clone().into());
        let _ = ModerationsRequest::parse(text.into());
    }

    #[test]
    fn the_wire_form_keeps_every_other_field(
        fields in prop::collection::btree_map("[a-z_\"\\\\é]{1,8}", any_json(), 0..6),
        place in any::<prop::sample::Index>(),
        limit in prop::option::of(1u64..1_000),
        stream: bool,
    ) {
        let known = ["model", "messages", "stream", "stream_options", "max_tokens", "n", "user", "tools", "functions"];
        let mut texts: Vec<String> = fields
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| format!("{} : {value}", json!(name)))
            .collect();
        let at = place.index(texts.len() + 1);
        texts.insert(at, format!(r#""model":"m", "messages":[{{"role":"user","content":"hi"}}], "stream":{stream}"#));
        let body = format!(" {{ {} }} ", texts.join(" , "));
        let chat = ChatRequest::parse(body.clone().into());
        prop_assume!(chat.is_ok());
        let wire = chat.unwrap().upstream_body(&card(), Wire::ChatCompletions, limit, None).unwrap();
        let mut sent: Value = serde_json::from_slice(&wire).unwrap();
        let sent = sent.as_object_mut().unwrap();
        prop_assert_eq!(sent.insert("model".to_owned(), json!("m")), Some(json!("sim-small")));
        prop_assert_eq!(sent.remove("max_tokens"), limit.map(|limit| json!(limit)));
        prop_assert_eq!(sent.remove("stream_options"), stream.then(|| json!({"include_usage": true})));
        let asked: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(Value::Object(sent.clone()), asked);
        for text in &texts[..at] {
            prop_assert!(String::from_utf8_lossy(&wire).contains(text.as_str()));
        }
    }

    #[test]
    fn bounds_hold(messages in prop::collection::vec(("[a-z]{1,9}", any_text()), 1..4)) {
        let list: Vec<Value> = messages.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
        let chat = parse(&json!({"model": "m", "messages": list}));
        let vendor = vendor_count(&messages);
        prop_assert!(chat.input.bytes >= vendor, "{} bytes, {vendor} tokens", chat.input.bytes);
        let counted = chat.count_input_tokens(Tokenizer::O200kBase);
        prop_assert!(counted >= vendor, "counted {counted}, {vendor} tokens");
    }
}

pub fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,200}",
        "[0-9 ]{0,80}",
        "\\PC{0,60}",
        "( |\n|\t|\r){0,60}",
        "(the|cat|sat| on|<\\|endoftext\\|>|,|\\.|日本語|🎉){0,40}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"]{0,4}", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn metadata_is_read_and_goes_upstream() {
    let mut body = with(json!({"metadata": {"team": "search", "caf\u{e9}": ""}}));
    let chat = parse(&body);
    let want = [("team", "search"), ("caf\u{e9}", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(chat.metadata, want.into());
    let sent: Value = serde_json::from_slice(&chat.upstream_body(&card(), Wire::ChatCompletions, None, None).unwrap()).unwrap();
    assert_eq!(sent["metadata"], body["metadata"]);
    body["metadata"] = Value::Null;
    assert!(parse(&body).metadata.is_empty());
    for (wrong, param) in [
        (json!([]), "metadata"),
        (json!({"a": null}), "metadata.a"),
        (json!({"a": "x".repeat(513)}), "metadata.a"),
        (json!({"x".repeat(65): ""}), "metadata"),
    ] {
        body["metadata"] = wrong;
        let refused = ChatRequest::parse(body.to_string().into()).unwrap_err();
        assert_eq!(refused.param(), Some(param), "{body}");
    }
}
