//! Callers' requests in Anthropic's dialect: what is refused, what is bounded, and what must survive.

use bytes::Bytes;
use insula_model::ErrorKind;
use insula_providers::{ChatRequest, Dialect, ModelCard, OutputLimitField, Tokenizer, Wire};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::requests::{any_text, card, vendor_count};

fn parse(body: &Value) -> ChatRequest {
    ChatRequest::parse_messages(body.to_string().into()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn saying(block: Value) -> Value {
    with(json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, block]}]}))
}

fn refused(body: &Value) -> Option<String> {
    let error = ChatRequest::parse_messages(body.to_string().into()).expect_err(&body.to_string());
    assert_eq!(error.kind(), &ErrorKind::Invalid);
    error.param().map(str::to_owned)
}

#[test]
fn fields_are_read() {
    let tools = json!([{"name": "f", "input_schema": {"properties": {"file_id": {}}}}, {"type": "custom", "name": "g"}]);
    let chat = parse(&with(json!({
        "stream": true, "metadata": {"user_id": "u"}, "tools": tools, "service_tier": "auto", "speed": "standard",
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    })));
    assert_eq!((chat.dialect, chat.model.as_str(), chat.stream, chat.n), (Dialect::Messages, "m", true, 1));
    assert_eq!((chat.max_tokens, chat.user.as_deref()), (Some(9), Some("u")));
    assert_eq!((chat.input.messages, chat.input.tools, chat.input.unbounded), (1, 2, None));
    assert!(ChatRequest::parse_to_count(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#.into()).is_ok());
}

#[test]
fn mistakes_and_provider_objects_name_their_field() {
    for (fields, param) in [
        (json!({"model": 7}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": ["hi"]}), "messages[0]"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": ["hi"]}]}), "messages[0].content[0]"),
        (json!({"system": 7}), "system"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"tools": [7]}), "tools[0]"),
        (json!({"metadata": {"user_id": 7}}), "metadata.user_id"),
        (json!({"container": "container_1"}), "container"),
        (json!({"container": {"skills": [{"skill_id": "s"}]}}), "container"),
        (json!({"diagnostics": {"previous_message_id": "msg_1"}}), "diagnostics"),
        (json!({"inference_geo": "us"}), "inference_geo"),
        (json!({"tools": [{"name": "f", "x": {"file_ids": ["f"]}}]}), "tools[0].x.file_ids"),
    ] {
        assert_eq!(refused(&with(fields.clone())).as_deref(), Some(param), "{fields}");
    }
    let file = json!({"type": "file", "file_id": "file_1"});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": file}]});
    for (block, param) in [
        (json!({"type": "image", "source": file}), "messages[0].content[1].source.file_id"),
        (json!({"type": "document", "source": file}), "messages[0].content[1].source.file_id"),
        (json!({"type": "container_upload", "file_id": "f"}), "messages[0].content[1].file_id"),
        (result, "messages[0].content[1].content[0].source.file_id"),
    ] {
        assert_eq!(refused(&saying(block.clone())).as_deref(), Some(param), "{block}");
    }
    parse(&saying(json!({"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "mine"}})));
}

#[test]
fn what_has_no_bound_is_named() {
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="});
    let text = json!({"type": "text", "media_type": "text/plain", "data": "x"});
    let quoted = json!({"type": "document", "source": text, "citations": {"enabled": true}});
    let document = "content of type `document` in `messages[0].content[1]`";
    for (body, named) in [
        (with(json!({"service_tier": "priority"})), "`service_tier`"),
        (with(json!({"speed": "fast"})), "`speed`"),
        (with(json!({"mcp_servers": [{"url": "https://x"}]})), "`mcp_servers`"),
        (with(json!({"tools": [{"type": "web_search_20250305"}]})), "the hosted tool `web_search_20250305` in `tools[0]`"),
        (saying(json!({"type": "document", "source": pdf})), document),
        (saying(quoted), document),
        (saying(json!({"type": "hologram"})), "content of type `hologram` in `messages[0].content[1]`"),
    ] {
        assert_eq!(parse(&body).input.unbounded.as_deref(), Some(named), "{body}");
    }
    assert_eq!(parse(&saying(json!({"type": "document", "source": text}))).input.unbounded, None);
}

#[test]
fn images_cost_by_the_piece() {
    let source = json!({"type": "base64", "media_type": "image/png", "data": "A".repeat(100_000)});
    let image = json!({"type": "image", "source": source});
    let linked = json!({"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [image]});
    let chat = parse(&with(json!({"messages": [{"role": "user", "content": [image, linked, result]}]})));
    assert_eq!(chat.input.images, 3);
    assert!(chat.input.bytes < 700, "{}", chat.input.bytes);
    assert_eq!(chat.input.tokens_max(&card()), Ok(chat.input.bytes + 3 * 85));
    assert!(chat.count_input_tokens(Tokenizer::O200kBase) < 100);
    // What only says that it is an image is text.
    let text = parse(&saying(json!({"type": "text", "text": "A".repeat(100_000)})));
    assert!(text.input.bytes > 100_000);
}

#[test]
fn the_limit_has_one_name_here() {
    let body = br#"{"model":"m", "max_tokens" : 9,"messages":[{"role":"user","content":"hi"}]}"#;
    let chat = ChatRequest::parse_messages(Bytes::from_static(body)).unwrap();
    let card = ModelCard { output_limit_field: OutputLimitField::MaxCompletionTokens, ..card() };
    let sent = chat.upstream_body(&card, Wire::Messages, Some(5), None).unwrap();
    assert_eq!(sent, &br#"{"model":"sim-small", "max_tokens" : 5,"messages":[{"role":"user","content":"hi"}]}"#[..]);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = ChatRequest::parse_messages(bytes.into());
    }

    #[test]
    fn near_misses_are_answered(
        text in r#"\{"(model|messages|tools|system|metadata)":("m"|\[|\]|\{|\}|"|:|,|\\|null|7|"role":"u"|"type":"image"|"source":){0,12}\}?"#,
    ) {
        let _ = ChatRequest::parse_messages(text.into());
    }

    #[test]
    fn bounds_hold(messages in prop::collection::vec(("user|assistant", any_text()), 1..4), system in any_text()) {
        let list: Vec<Value> = messages.iter().map(|(role, said)| json!({"role": role, "content": [{"type": "text", "text": said}]})).collect();
        let chat = parse(&with(json!({"messages": list, "system": system})));
        let all = [vec![("system".to_owned(), system)], messages].concat();
        let vendor = vendor_count(&all);
        prop_assert!(chat.input.bytes >= vendor, "{} bytes, {vendor} tokens", chat.input.bytes);
        let counted = chat.count_input_tokens(Tokenizer::O200kBase);
        prop_assert!(counted >= vendor, "counted {counted}, {vendor} tokens");
    }
}
