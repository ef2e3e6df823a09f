//! `POST /v1/embeddings`.

use insula_model::{Money, TokenCounts};
use insula_tests::{Node, Prices, config::ServeConfig, node::Setup, usd};
use serde_json::{Value, json};

const EMBEDDINGS: &str = "/v1/embeddings";

#[tokio::test]
async fn floats_and_base64_are_the_same_vectors() {
    let node = Node::start().await;
    let tenant = node.tenant("vectors").await;
    let ask = |format: &'static str| {
        let body = json!({"model": "sim-embed", "input": ["one", "two"], "encoding_format": format});
        let service = tenant.service.clone();
        async move { service.post(EMBEDDINGS, &body).await.expect(200).json() }
    };
    let (floats, packed) = (ask("float").await, ask("base64").await);
    assert_eq!(floats["object"], "list");
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    for index in 0..2 {
        let vector: Vec<f32> = serde_json::from_value(floats["data"][index]["embedding"].clone()).unwrap();
        assert_eq!(decode(&packed["data"][index]["embedding"]), vector);
        assert_eq!(floats["data"][index]["index"], index);
    }
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    assert_eq!(floats["model"], "sim-embed");
}

/// Little-endian floats in base64, as the SDKs ask for by default.
fn decode(packed: &Value) -> Vec<f32> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = packed.as_str().unwrap().trim_end_matches('=');
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |bits, byte| bits << 6 | ALPHABET.iter().position(|c| c == byte).unwrap() as u32);
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[tokio::test]
async fn an_embedding_is_settled() {
    let node = Node::start().await;
    let tenant = node.tenant("money").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let text = "x".repeat(4_000);
    let answer = tenant.service.post(EMBEDDINGS, &json!({"model": "sim-embed", "input": text})).await.expect(200).json();
    assert_eq!(answer["usage"]["prompt_tokens"], 1_000);
    let tokens = TokenCounts { input: 1_000, ..TokenCounts::default() };
    assert_eq!(tenant.settled().await, Prices::embed().cost(&tokens).unwrap());
    let rows = tenant.usage_by("operation").await;
    assert_eq!((&rows[0]["group"], usd(&rows[0]["cost_usd"])), (&json!("embeddings"), tenant.settled().await));
}

#[tokio::test]
async fn token_ids_and_batches_are_taken() {
    let node = Node::start().await;
    let tenant = node.tenant("inputs").await;
    for input in [json!([1, 2, 3]), json!([[1, 2], [3]]), json!(["a", "b", "c"])] {
        let reply = tenant.service.post(EMBEDDINGS, &json!({"model": "sim-embed", "input": input, "dimensions": 16})).await;
        assert_eq!(reply.expect(200).json()["data"][0]["embedding"].as_array().unwrap().len(), 16);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let node = Node::start().await;
    let tenant = node.tenant("bad").await;
    let cases = [
        ("input", json!({"model": "sim-embed"})),
        ("input", json!({"model": "sim-embed", "input": []})),
        ("input", json!({"model": "sim-embed", "input": {"a": 1}})),
        ("input", json!({"model": "sim-embed", "input": [-1]})),
        ("model", json!({"input": "a"})),
    ];
    for (param, body) in cases {
        let reply = tenant.service.post(EMBEDDINGS, &body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert_eq!(reply.json()["error"]["param"], param, "{body}: {}", reply.text());
    }
    tenant.service.post(EMBEDDINGS, &json!({"model": "nonesuch", "input": "a"})).await.openai_error(404, "model_not_found");
    let reply = tenant.service.post(EMBEDDINGS, &json!({"model": "sim-small", "input": "a"})).await;
    assert!((400..=404).contains(&reply.status), "a chat model embeds nothing: {}", reply.text());
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn gemini_embeds_as_well_and_is_settled_by_estimate() {
    let config = ServeConfig { kind: Some("gemini"), ..ServeConfig::default() };
    let node = Setup::default().serve(config).start().await;
    let tenant = node.tenant("gem").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let body = json!({"model": "sim-embed", "input": ["one", "two"], "dimensions": 8, "encoding_format": "base64"});
    let answer = tenant.service.post(EMBEDDINGS, &body).await.expect(200).json();
    assert_eq!(decode(&answer["data"][1]["embedding"]).len(), 8);
    // Gemini says nothing of tokens: each input counts by its bytes and quotes.
    let tokens = TokenCounts { input: 10, ..TokenCounts::default() };
    assert_eq!(answer["usage"], json!({"prompt_tokens": 10, "total_tokens": 10}));
    assert_eq!(tenant.settled().await, Prices::embed().cost(&tokens).unwrap());
    tenant.service.post(EMBEDDINGS, &json!({"model": "sim-embed", "input": [1, 2]})).await.expect(400);
}
