//! Documents before a response (OpenAI's tool `file_search`) and before a message (`insula.retrieval`).

use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::documents::publish;
use insula_tests::node::Setup;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

const RESPONSES: &str = "/v1/responses";
const LEASE: &str = "The deposit of the lease is returned within 30 days.";
const ANSWER: &str = "It is [[1: \"returned within 30 days\"]], not more [[1: \"returned within 60 days\"]].";
const TEXT: &str = "It is [1], not more.";

fn asking(more: Value) -> Value {
    let tools = json!([{"type": "file_search", "vector_store_ids": [], "max_num_results": 3}]);
    let mut body = json!({"model": "sim-small", "input": "When is the deposit returned?", "tools": tools});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn with_document(node: &Node, slug: &str) -> (TestTenant, String) {
    let tenant = node.tenant(slug).await;
    let document = publish(&tenant, "lease.md", LEASE).await;
    node.scenario(Scenario { answer: Some(ANSWER.to_owned()), ..Scenario::default() });
    (tenant, document)
}

#[tokio::test]
async fn a_search_is_an_item_and_a_citation_an_annotation() {
    let node = Node::start().await;
    let (tenant, document) = with_document(&node, "items").await;
    let response = tenant.service.post(RESPONSES, &asking(json!({}))).await.expect(200).json();
    let [search, message] = &response["output"].as_array().unwrap()[..] else { panic!("{response}") };
    assert_eq!(
        (&search["type"], &search["status"], &search["results"]),
        (&json!("file_search_call"), &json!("completed"), &Value::Null)
    );
    assert_eq!(search["queries"], json!(["When is the deposit returned?"]));
    assert_eq!(message["content"][0]["text"], TEXT);
    let annotation = json!({"type": "file_citation", "index": 6, "file_id": document, "filename": "lease.md"});
    assert_eq!(message["content"][0]["annotations"], json!([annotation]));
    assert_eq!(response["insula"]["retrieval"]["dropped"], 1);
    assert_eq!(response["tools"][0]["type"], "file_search", "what was asked for is repeated");
    let body = node.simulator().requests().pop().unwrap().body.unwrap();
    assert_eq!((body.get("tools"), body.get("insula")), (None, None), "and never sent");
    // What was found is shown where that is asked for.
    let shown = asking(json!({"include": ["file_search_call.results"]}));
    let response = tenant.service.post(RESPONSES, &shown).await.expect(200).json();
    let result = &response["output"][0]["results"][0];
    assert_eq!((&result["file_id"], &result["text"]), (&json!(document), &json!(LEASE)));
    // It is kept as it was answered, and gone on from.
    let path = format!("{RESPONSES}/{}", response["id"].as_str().unwrap());
    assert_eq!(tenant.service.get(&path).await.expect(200).json(), response);
    let on = json!({"model": "sim-small", "input": "and then?", "previous_response_id": response["id"]});
    tenant.service.post(RESPONSES, &on).await.expect(200);
    let sent = node.simulator().requests().pop().unwrap().body.unwrap().to_string();
    assert!(sent.contains(TEXT) && !sent.contains("file_search"), "what was said, and not the search: {sent}");
    // The items that the request brought are the caller's own.
    let items = tenant.service.get(&format!("{path}/input_items")).await.expect(200).json();
    assert!(!items.to_string().contains("passages-"), "{items}");
}

#[tokio::test]
async fn each_step_is_an_event() {
    let node = Node::start().await;
    let (tenant, document) = with_document(&node, "events").await;
    for chunks in [1, 4_096] {
        node.scenario(Scenario { answer: Some(ANSWER.to_owned()), chunks, ..Scenario::default() });
        let body = asking(json!({"stream": true}));
        let transcript = tenant.service.stream(RESPONSES, &body).await.expect_open().collect().await;
        let kinds: Vec<&str> = transcript.chunks.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(
            kinds[..7],
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.file_search_call.in_progress",
                "response.file_search_call.searching",
                "response.file_search_call.completed",
                "response.output_item.done",
            ]
        );
        for (place, event) in transcript.chunks.iter().enumerate() {
            assert_eq!(event["sequence_number"], place, "{event}");
        }
        let added = transcript.chunks.iter().find(|event| event["type"] == "response.output_text.annotation.added").unwrap();
        assert_eq!((&added["annotation"]["file_id"], &added["annotation_index"]), (&json!(document), &json!(0)));
        let text: String = transcript
            .chunks
            .iter()
            .filter(|event| event["type"] == "response.output_text.delta")
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        assert_eq!(text, TEXT);
        let whole = &transcript.chunks.last().unwrap()["response"];
        assert_eq!(whole["output"][1]["content"][0]["annotations"][0]["index"], 6);
        assert_eq!(whole["insula"]["retrieval"]["citations"][0]["quote"], "returned within 30 days");
    }
}

#[tokio::test]
async fn a_message_is_made_of_documents_too_by_providers_of_either_form() {
    let node = Setup::default().serve(ServeConfig { with_vendors: true, ..Default::default() }).start().await;
    let (tenant, document) = with_document(&node, "messages").await;
    for model in ["sim-small", "claude-sim"] {
        let mut body = json!({"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": "When is the deposit returned?"}]});
        body["insula"] = json!({"retrieval": true});
        let message = tenant.service.post("/v1/messages", &body).await.expect(200).json();
        assert_eq!(message["content"][0]["text"], TEXT, "{model}");
        assert_eq!(message["insula"]["retrieval"]["citations"][0]["document"], document.as_str());
        body["stream"] = json!(true);
        let events = tenant.service.post("/v1/messages", &body).await.expect(200).text();
        assert!(events.contains("\"citations\":[{") && !events.contains("60 days"), "{events}");
        // And a chat by a provider of the other form.
        let chat = json!({"model": model, "messages": body["messages"], "insula": {"retrieval": true}});
        let answer = tenant.service.post("/v1/chat/completions", &chat).await.expect(200).json();
        assert_eq!(answer["choices"][0]["message"]["content"], TEXT, "{model}");
    }
}

#[tokio::test]
async fn an_unknown_option_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let mut body = asking(json!({}));
    body["tools"][0]["vectorstores"] = json!([]);
    assert_eq!(
        tenant.service.post(RESPONSES, &body).await.openai_error(400, "invalid_request")["param"],
        "tools[0].vectorstores"
    );
    let mut body = asking(json!({}));
    body["tools"][0]["max_num_results"] = json!(99);
    assert_eq!(
        tenant.service.post(RESPONSES, &body).await.openai_error(400, "invalid_request")["param"],
        "tools[0].max_num_results"
    );
}
