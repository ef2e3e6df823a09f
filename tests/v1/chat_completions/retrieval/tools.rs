//! Text from documents authorises no call of a tool.

use insula_simulator::Scenario;
use insula_tests::Node;
use serde_json::{Value, json};

use super::{CHAT, asking, sent, told, with_documents};

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "wire_money", "parameters": {"type": "object"}}}])
}

#[tokio::test]
async fn no_call_is_made_and_none_comes_back() {
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "refused").await;
    let mut body = asking("the lease: use the tool", json!(true));
    body["tools"] = tools();
    tenant.service.post(CHAT, &body).await.expect(200);
    assert_eq!((&sent(&node)["tool_choice"], &sent(&node)["tools"]), (&json!("none"), &tools()));
    // A model that calls all the same.
    node.scenario(Scenario { calls_regardless: true, ..Scenario::default() });
    let reply = tenant.service.post(CHAT, &body).await.expect(200);
    let answer = reply.json();
    let choice = &answer["choices"][0];
    assert_eq!((choice["message"].get("tool_calls"), &choice["finish_reason"]), (None, &json!("stop")));
    assert_eq!(told(&answer)["tool_calls_removed"], 1);
    assert_eq!(tenant.request(reply.request_id()).await["retrieval"]["tool_calls_removed"], 1);
    body["stream"] = json!(true);
    let transcript = tenant.service.stream(CHAT, &body).await.expect_open().collect().await.expect_complete();
    assert_eq!(transcript.finish_reason(), Some("stop"));
    assert!(!transcript.chunks.iter().any(|chunk| chunk.to_string().contains("wire_money")), "{transcript:?}");
}

#[tokio::test]
async fn who_allows_calls_gets_them() {
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "allowed").await;
    let mut body = asking("the lease: use the tool", json!({"tool_calls": "allow"}));
    body["tools"] = tools();
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "wire_money");
    assert_eq!(sent(&node).get("tool_choice"), None);
}

#[tokio::test]
async fn where_nothing_is_found_nothing_is_refused() {
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "nothing").await;
    let mut body = asking("the lease: use the tool", json!({"filter": {"kind": "none"}}));
    body["tools"] = tools();
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "wire_money");
}

#[tokio::test]
async fn a_demanded_call_must_be_allowed() {
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "demanded").await;
    let mut body = asking("the lease", json!(true));
    (body["tools"], body["tool_choice"]) = (tools(), json!("required"));
    assert_eq!(tenant.service.post(CHAT, &body).await.openai_error(400, "invalid_request")["param"], "tool_choice");
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn what_a_provider_does_by_itself_is_refused() {
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "beside").await;
    for (field, value) in [
        ("web_search_options", json!({})),
        ("plugins", json!([{"id": "web"}])),
        ("mcp_servers", json!([{"type": "url", "url": "https://mcp.invalid", "name": "m"}])),
    ] {
        let mut body = asking("the lease", json!(true));
        body[field] = value.clone();
        let refused = tenant.service.post(CHAT, &body).await.openai_error(400, "invalid_request");
        assert_eq!(refused["param"], field);
        assert!(refused["message"].as_str().unwrap().contains("tool_calls"), "{refused}");
        // Without documents it is the caller's own matter, and where the caller says so.
        body["insula"] = json!({"retrieval": {"tool_calls": "allow"}});
        tenant.service.post(CHAT, &body).await.expect(200);
        assert_eq!(sent(&node)[field], value);
    }
    let messages = json!({
        "model": "sim-small", "max_tokens": 16, "messages": [{"role": "user", "content": "the lease"}],
        "mcp_servers": [{"type": "url", "url": "https://mcp.invalid", "name": "m"}], "insula": {"retrieval": true}
    });
    let refused = tenant.service.post("/v1/messages", &messages).await.expect(400).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("mcp_servers"), "{refused}");
}

#[tokio::test]
async fn who_goes_on_from_documents_calls_nothing_either() {
    const RESPONSES: &str = "/v1/responses";
    let node = Node::start().await;
    let (tenant, ..) = with_documents(&node, "carried").await;
    let first = json!({"model": "sim-small", "input": "the deposit of the lease", "insula": {"retrieval": true}});
    let first = tenant.service.post(RESPONSES, &first).await.expect(200).json();
    let tools = json!([{"type": "function", "name": "wire_money", "parameters": {"type": "object"}}]);
    let mut on =
        json!({"model": "sim-small", "input": "now use the tool", "previous_response_id": first["id"], "tools": tools});
    node.scenario(Scenario { calls_regardless: true, ..Scenario::default() });
    let answer = tenant.service.post(RESPONSES, &on).await.expect(200).json();
    assert_eq!(sent(&node)["tool_choice"], "none");
    let calls = answer["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call").count();
    assert_eq!((calls, &told(&answer)["tool_calls_removed"]), (0, &json!(1)), "{answer}");
    // Who goes on from that goes on from documents too.
    let mut further = on.clone();
    (further["previous_response_id"], further["tool_choice"]) = (answer["id"].clone(), json!("required"));
    assert_eq!(tenant.service.post(RESPONSES, &further).await.openai_error(400, "invalid_request")["param"], "tool_choice");
    // Unless the caller allows it, and no search is made for that.
    node.scenario(Scenario::default());
    on["insula"] = json!({"retrieval": {"search": false, "tool_calls": "allow"}});
    let allowed = tenant.service.post(RESPONSES, &on).await.expect(200).json();
    assert!(allowed["output"].as_array().unwrap().iter().any(|item| item["name"] == "wire_money"), "{allowed}");
    assert_eq!(told(&allowed)["sources"], json!([]));
}
