//! A document that is removed is nowhere any more: not in cached answers, replays, traces or kept responses.

use http::Method;
use insula_simulator::Scenario;
use insula_tests::{Node, TestTenant, documents::publish, stores};
use serde_json::{Value, json};

use super::{CHAT, asking, told};

const CANARY: &str = "CANARYQUINCE";
const RESPONSES: &str = "/v1/responses";

/// An answer that quotes the document, and says its words itself.
fn quoting() -> Scenario {
    let answer = format!("The word is {CANARY} [[1: \"the word of the lease is {CANARY}\"]].");
    Scenario { answer: Some(answer), ..Scenario::default() }
}

async fn planted(node: &Node, slug: &str) -> (TestTenant, String) {
    let tenant = node.tenant(slug).await;
    tenant.enable_cache().await;
    let id = publish(&tenant, "secret.md", &format!("And the word of the lease is {CANARY}.")).await;
    node.scenario(quoting());
    (tenant, id)
}

async fn remove(tenant: &TestTenant, id: &str) {
    tenant.admin.delete(&tenant.path(&format!("/documents/{id}"))).await.expect(204);
}

async fn keyed(tenant: &TestTenant, path: &str, body: &Value) -> insula_tests::Reply {
    tenant.service.call(Method::POST, path).header("idempotency-key", "once").json(body).send().await
}

#[tokio::test]
async fn nothing_that_was_answered_from_it_is_read_again() {
    let node = Node::start().await;
    let (tenant, id) = planted(&node, "gone").await;
    let body = asking("what is the word of the lease?", json!(true));
    let first = tenant.service.post(CHAT, &body).await.expect(200);
    assert!(first.text().contains(CANARY));
    assert_eq!(told(&first.json())["citations"][0]["document"], id.as_str());
    let cached = tenant.service.post(CHAT, &body).await.expect(200);
    assert_eq!(cached.header("x-insula-cache"), "hit");
    let kept = keyed(&tenant, CHAT, &body).await.expect(200);
    assert_eq!(keyed(&tenant, CHAT, &body).await.expect(200).header("idempotent-replayed"), "true");
    let response = json!({"model": "sim-small", "input": "the word of the lease?", "insula": {"retrieval": true}});
    let response = tenant.service.post(RESPONSES, &response).await.expect(200).json();
    assert!(response.to_string().contains(CANARY));
    let path = format!("{RESPONSES}/{}", response["id"].as_str().unwrap());
    tenant.service.get(&path).await.expect(200);
    // A conversation that goes on from it, before and after.
    let on = json!({"model": "sim-small", "input": "and then?", "previous_response_id": response["id"]});
    let went_on = tenant.service.post(RESPONSES, &on).await.expect(200);
    let after = went_on.json();
    assert!(after.to_string().contains(CANARY));
    assert_eq!(after["insula"]["retrieval"]["before"][0]["document"], id.as_str());
    let path_after = format!("{RESPONSES}/{}", after["id"].as_str().unwrap());

    remove(&tenant, &id).await;
    // Traces never had a word of it.
    for request in [first.request_id(), cached.request_id(), kept.request_id(), went_on.request_id()] {
        let traced = tenant.request(request).await;
        assert!(!traced.to_string().contains(CANARY) && !tenant.content(request).await.contains(CANARY));
    }
    let listed = tenant.admin.get(&tenant.path("/requests")).await.expect(200);
    assert!(!listed.text().contains(CANARY));
    // Its answer is not replayed, and the key not executed again.
    let count = node.simulator().count();
    let refused = keyed(&tenant, CHAT, &body).await;
    assert!(!refused.text().contains(CANARY));
    refused.openai_error(409, "conflict");
    assert_eq!(node.simulator().count(), count);
    // Responses that were made of it are gone with it.
    assert_eq!(tenant.request(first.request_id()).await["retrieval"]["sources"][0]["document"], id.as_str());
    tenant.service.get(&path).await.openai_error(404, "not_found");
    tenant.service.get(&path_after).await.openai_error(404, "not_found");
    tenant.service.get(&format!("{path}/input_items")).await.openai_error(404, "not_found");
    tenant.service.post(RESPONSES, &on).await.openai_error(404, "not_found");
    // No cached answer is given again.
    node.scenario(Scenario::default());
    let again = tenant.service.post(CHAT, &body).await.expect(200);
    assert_eq!(again.header("x-insula-cache"), "miss");
    assert!(!again.text().contains(CANARY), "{}", again.text());
}

#[tokio::test]
async fn what_was_answered_from_others_stays() {
    let node = Node::start().await;
    let (tenant, _) = planted(&node, "stays").await;
    let other = publish(&tenant, "other.md", "Parking is free.").await;
    let body = asking("what is the word of the lease?", json!({"limit": 1}));
    keyed(&tenant, CHAT, &body).await.expect(200);
    let response = json!({"model": "sim-small", "input": "the word of the lease?", "insula": {"retrieval": {"limit": 1}}});
    let response = tenant.service.post(RESPONSES, &response).await.expect(200).json();
    remove(&tenant, &other).await;
    assert_eq!(keyed(&tenant, CHAT, &body).await.expect(200).header("idempotent-replayed"), "true");
    tenant.service.get(&format!("{RESPONSES}/{}", response["id"].as_str().unwrap())).await.expect(200);
}

#[tokio::test]
async fn a_document_more_makes_another_question() {
    let node = Node::start().await;
    let (tenant, _) = planted(&node, "more").await;
    let body = asking("what is the word of the lease?", json!({"limit": 1}));
    let asked = async || tenant.service.post(CHAT, &body).await.expect(200).header("x-insula-cache").to_owned();
    assert_eq!((asked().await, asked().await), ("miss".to_owned(), "hit".to_owned()));
    publish(&tenant, "other.md", "Parking is free.").await;
    assert_eq!(asked().await, "miss");
}

#[tokio::test]
async fn a_store_whose_time_has_come_answers_nothing_before_it_is_swept() {
    let node = Node::clustered().await;
    let tenant = node.tenant("withdrawn").await;
    let caller = &tenant.service;
    let store = stores::store(caller, &json!({"expires_after": {"anchor": "last_active_at", "days": 1}})).await;
    stores::publish(caller, &store, &format!("And the word of the lease is {CANARY}."), json!({})).await;
    node.scenario(quoting());
    let body = asking("what is the word of the lease?", json!({"vector_store_ids": [store]}));
    assert!(keyed(&tenant, CHAT, &body).await.expect(200).text().contains(CANARY));
    assert!(keyed(&tenant, CHAT, &body).await.expect(200).text().contains(CANARY));
    let ask = json!({"model": "sim-small", "input": "the word of the lease?", "insula": {"retrieval": {"vector_store_ids": [store]}}});
    let response = caller.post(RESPONSES, &ask).await.expect(200).json();
    assert!(response.to_string().contains(CANARY));
    // Nobody waits a day: it is over in the books, and no run has looked at it.
    let id = store.parse::<insula_model::VectorStoreId>().unwrap().as_bytes().to_vec();
    let database = node.database().superuser().await;
    database.execute("UPDATE insula_tenant.vector_stores SET expires_at = 1 WHERE id = $1", &[&id]).await.unwrap();
    keyed(&tenant, CHAT, &body).await.openai_error(409, "conflict");
    let on = json!({"model": "sim-small", "input": "and then?", "previous_response_id": response["id"]});
    caller.post(RESPONSES, &on).await.openai_error(404, "not_found");
    caller.get(&format!("{RESPONSES}/{}", response["id"].as_str().unwrap())).await.openai_error(404, "not_found");
}
