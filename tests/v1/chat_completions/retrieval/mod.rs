//! Documents before an answer: `insula.retrieval` and the tool `file_search` in chat completions.

mod citations;
mod corpora;
mod deletion;
mod readers;
mod search;
mod tools;

use insula_tests::{Node, TestTenant, documents::publish, tenant::chat};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// Two documents of few words: what is asked of one of them finds both.
const LEASE: &str = "The deposit of the lease is returned within 30 days. Tenants are unable to terminate the lease early.";
const PARKING: &str = "Parking beside the lease costs 40 EUR a month. Visitors of the lease park for free.";

/// A short chat before which documents are searched.
fn asking(text: &str, retrieval: Value) -> Value {
    let mut body = chat(text);
    body["insula"] = json!({"retrieval": retrieval});
    body
}

/// A tenant with both documents; their ids.
async fn with_documents(node: &Node, slug: &str) -> (TestTenant, String, String) {
    let tenant = node.tenant(slug).await;
    let (lease, parking) = (publish(&tenant, "lease.md", LEASE).await, publish(&tenant, "parking.md", PARKING).await);
    (tenant, lease, parking)
}

/// What the model was sent last.
fn sent(node: &Node) -> Value {
    node.simulator().requests().pop().unwrap().body.unwrap()
}

/// The text of all that the model was sent last.
fn sent_text(node: &Node) -> String {
    let messages = sent(node)["messages"].take();
    let texts = messages.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap_or_default());
    texts.collect::<Vec<_>>().join("\n")
}

/// What an answer tells of its documents.
fn told(answer: &Value) -> &Value {
    &answer["insula"]["retrieval"]
}

/// The number of the document among the sources of an answer.
fn number(answer: &Value, document: &str) -> u64 {
    let sources = told(answer)["sources"].as_array().unwrap();
    sources.iter().find(|source| source["document"] == document).unwrap()["number"].as_u64().unwrap()
}
