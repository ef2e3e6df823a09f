//! What a provider sees of tenants: nothing that links their prompts or their users.

use insula_tests::{Node, TestTenant, config::ServeConfig, node::Setup};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// What goes upstream for the tenant's request with these fields.
async fn upstream(node: &Node, tenant: &TestTenant, more: Value) -> Value {
    let mut body = json!({"model": "sim-small", "messages": [{"role": "user", "content": "the same words"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tenant.service.post(CHAT, &body).await.expect(200);
    node.simulator().requests().last().unwrap().body.clone().unwrap()
}

#[tokio::test]
async fn the_same_requests_of_two_tenants_are_salted_apart() {
    let node = Node::start().await;
    let (one, other) = (node.tenant("one").await, node.tenant("other").await);
    for more in [json!({}), json!({"prompt_cache_key": "shared"}), json!({"user": "ada", "safety_identifier": "ada"})] {
        let first = upstream(&node, &one, more.clone()).await;
        assert_eq!(upstream(&node, &one, more.clone()).await, first, "a tenant's own prompts are found again");
        let second = upstream(&node, &other, more.clone()).await;
        for field in ["prompt_cache_key", "user", "safety_identifier"] {
            assert_eq!(first[field].is_string(), second[field].is_string());
            assert!(first[field].is_null() || first[field] != second[field], "{field}: {first} {second}");
        }
        assert!(first["prompt_cache_key"].is_string());
        assert!(!first.to_string().contains("ada") && !first.to_string().contains("shared"), "{first}");
    }
}

#[tokio::test]
async fn a_tenant_can_choose_a_salted_line_and_sees_what_it_costs() {
    let node = Setup::default().serve(ServeConfig { kind: Some("gemini"), ..ServeConfig::default() }).start().await;
    let (plain, choosing, other) = (node.tenant("plain").await, node.tenant("choosing").await, node.tenant("other").await);
    for tenant in [&choosing, &other] {
        tenant.set_limits(json!({"provider_isolation": "prefixed"})).await;
    }
    assert!(upstream(&node, &plain, json!({})).await.get("systemInstruction").is_none());
    let line = upstream(&node, &choosing, json!({})).await["systemInstruction"]["parts"][0]["text"].clone();
    assert!(line.is_string());
    assert_eq!(upstream(&node, &choosing, json!({})).await["systemInstruction"]["parts"][0]["text"], line);
    assert_ne!(upstream(&node, &other, json!({})).await["systemInstruction"]["parts"][0]["text"], line);

    let body = json!({"model": "sim-small", "messages": [{"role": "user", "content": "hi"}]});
    let id = choosing.service.post(CHAT, &body).await.expect(200).request_id().to_owned();
    let request = choosing.request(&id).await;
    let isolation = request["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "isolation").unwrap();
    let tokens = &request["attempts"][0]["isolation_tokens"];
    assert_eq!(isolation["reason"], format!("a salted line before the prompt: {tokens} tokens"));

    let effective = node.operator().get(&choosing.path("/effective")).await.expect(200).json();
    assert_eq!(effective["limits"]["provider_isolation"], json!({"value": "prefixed", "origin": "own"}));
    let effective = node.operator().get(&plain.path("/effective")).await.expect(200).json();
    assert_eq!(effective["limits"]["provider_isolation"], json!({"value": "keyed", "origin": "default"}));
}

#[tokio::test]
async fn a_provider_has_its_own_way_to_be_told() {
    for (isolation, field) in [("prompt_cache_key", "prompt_cache_key"), ("cache_salt", "cache_salt"), ("none", "")] {
        let provider = vec![format!("cache_isolation = {isolation:?}")];
        let node = Setup::default().serve(ServeConfig { provider, ..ServeConfig::default() }).start().await;
        let sent = upstream(&node, &node.tenant("one").await, json!({})).await;
        for known in ["prompt_cache_key", "cache_salt"] {
            assert_eq!(sent[known].is_string(), known == field, "{isolation}: {sent}");
        }
    }
}
