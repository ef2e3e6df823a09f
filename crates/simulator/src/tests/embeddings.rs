//! `/v1/embeddings`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{post, start};
use crate::Scenario;

#[tokio::test]
async fn floats_and_base64_are_the_same_vector() {
    let simulator = start(Scenario::default());
    let body = json!({"model": "sim-embed", "input": ["hello", "other"], "dimensions": 128});
    let floats = post(&simulator, "/v1/embeddings", &body).await.json();
    let mut body = body;
    body["encoding_format"] = json!("base64");
    let encoded = post(&simulator, "/v1/embeddings", &body).await.json();

    assert_eq!((&floats["object"], &floats["model"]), (&json!("list"), &json!("sim-embed")));
    assert_eq!(floats["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
    for index in 0..2 {
        assert_eq!(floats["data"][index]["index"], index);
        let vector = floats["data"][index]["embedding"].as_array().unwrap();
        let vector: Vec<f32> = vector.iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let bytes = STANDARD.decode(encoded["data"][index]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> = bytes.chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
        assert_eq!(vector.len(), 128);
        assert_eq!(vector, decoded);
    }
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    assert_eq!(simulator.requests()[0].usage, Some(floats["usage"].clone()));
}

#[tokio::test]
async fn dimensions_are_bounded() {
    let simulator = start(Scenario::default());
    let plain = post(&simulator, "/v1/embeddings", &json!({"model": "sim-embed", "input": [1, 2]})).await.json();
    assert_eq!(plain["data"][0]["embedding"].as_array().unwrap().len(), 64);
    let body = json!({"model": "sim-embed", "input": "hello", "dimensions": 4096});
    let refused = post(&simulator, "/v1/embeddings", &body).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["param"]), (400, &json!("dimensions")));
}
