//! What goes upstream to keep callers apart.

use hmac::{Hmac, Mac};
use insula_model::{Operation, Timestamp};
use insula_providers::{
    CacheIsolation, ChatRequest, EmbeddingsRequest, Isolation, ModelCard, PriceBook, ProviderSettings, Providers,
    SIMULATOR_PRICES, Salt, Tokenizer, Viewer, Wire,
};
use serde_json::{Value, json};

fn card() -> ModelCard {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    providers.candidates("sim-small", Operation::Chat, now, &Viewer::default()).unwrap().remove(0).card.as_ref().clone()
}

fn salt(secret: &[u8]) -> Salt {
    Salt::new(Hmac::new_from_slice(secret).unwrap())
}

fn sent(body: &Value, salt: &Salt, cache: CacheIsolation, wire: Wire) -> Value {
    let request = ChatRequest::parse(body.to_string().into()).unwrap();
    let sent = request.upstream_body(&card(), wire, None, Some(Isolation { salt, cache })).unwrap();
    serde_json::from_slice(&sent).unwrap()
}

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "sim-small", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn the_same_words_of_two_callers_differ_upstream() {
    let (one, other) = (salt(b"one"), salt(b"other"));
    for (cache, field) in [(CacheIsolation::PromptCacheKey, "prompt_cache_key"), (CacheIsolation::CacheSalt, "cache_salt")] {
        for more in [json!({}), json!({field: null}), json!({field: "mine"})] {
            let of = |salt| sent(&chat(more.clone()), salt, cache, Wire::ChatCompletions)[field].clone();
            assert!(of(&one).as_str().is_some_and(|word| word.len() == 32), "{more}");
            assert_eq!(of(&one), of(&one));
            assert_ne!(of(&one), of(&other));
        }
        let of = |word: &str| sent(&chat(json!({field: word})), &one, cache, Wire::ChatCompletions)[field].clone();
        assert_ne!(of("mine"), of("yours"));
    }
}

#[test]
fn names_go_upstream_as_hashes() {
    let (one, other) = (salt(b"one"), salt(b"other"));
    let body = chat(json!({"user": "ada", "safety_identifier": "ada"}));
    let upstream = sent(&body, &one, CacheIsolation::None, Wire::ChatCompletions);
    assert!(!upstream.to_string().contains("ada") && upstream["user"] != upstream["safety_identifier"]);
    assert_ne!(upstream["user"], sent(&body, &other, CacheIsolation::None, Wire::ChatCompletions)["user"]);
    assert!(upstream.get("prompt_cache_key").is_none());
    let request = EmbeddingsRequest::parse(r#"{"model":"m","input":"x","user":"ada"}"#.into()).unwrap();
    let isolation = Isolation { salt: &one, cache: CacheIsolation::PromptCacheKey };
    let embedded: Value =
        serde_json::from_slice(&request.upstream_body(&card(), Wire::ChatCompletions, Some(isolation)).unwrap()).unwrap();
    assert_eq!((&embedded["user"], embedded.get("prompt_cache_key")), (&upstream["user"], None));
    // What is no name is for the provider to refuse.
    let odd = sent(&chat(json!({"safety_identifier": 7})), &one, CacheIsolation::None, Wire::ChatCompletions);
    assert_eq!(odd["safety_identifier"], 7);
}

#[test]
fn the_line_is_counted_as_it_is_sent() {
    let bpes = [tiktoken_rs::o200k_base_singleton(), tiktoken_rs::cl100k_base_singleton()];
    for (tokenizer, bpe) in [Tokenizer::O200kBase, Tokenizer::Cl100kBase].into_iter().zip(bpes) {
        for secret in ["one", "other", "a third"] {
            let salt = salt(secret.as_bytes());
            let message = sent(&chat(json!({})), &salt, CacheIsolation::Prefix, Wire::ChatCompletions)["messages"][0].clone();
            let texts = [&message["role"], &message["content"]].map(|text| bpe.count_ordinary(text.as_str().unwrap()) as u64);
            assert_eq!(salt.line_tokens(Wire::ChatCompletions, tokenizer), 3 + texts[0] + texts[1]);
            for wire in [Wire::Messages, Wire::GenerateContent] {
                assert_eq!(salt.line_tokens(wire, tokenizer), texts[1]);
            }
            assert!(texts[1] > 4 && 4 + texts[1] <= Salt::PREFIX_TOKENS_MAX, "{message}");
        }
    }
}

#[test]
fn a_salted_line_goes_first() {
    let (one, other) = (salt(b"one"), salt(b"other"));
    let body = chat(json!({}));
    let line = |salt| {
        let upstream = sent(&body, salt, CacheIsolation::Prefix, Wire::ChatCompletions);
        assert_eq!(upstream["messages"][1], body["messages"][0]);
        upstream["messages"][0]["content"].as_str().unwrap().to_owned()
    };
    assert_ne!(line(&one), line(&other));
    let gemini = sent(&body, &one, CacheIsolation::Prefix, Wire::GenerateContent);
    assert_eq!(gemini["systemInstruction"]["parts"][0]["text"], line(&one));
    let plain = ChatRequest::parse(body.to_string().into()).unwrap();
    let plain = plain.upstream_body(&card(), Wire::ChatCompletions, None, None).unwrap().len();
    let prefixed = sent(&body, &one, CacheIsolation::Prefix, Wire::ChatCompletions).to_string().len();
    assert!((prefixed - plain) as u64 <= Salt::PREFIX_TOKENS_MAX);
}
