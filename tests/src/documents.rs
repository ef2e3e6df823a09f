//! Documents and searches as a tenant's product uses them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Caller;
use crate::tenant::{TestTenant, list};
use crate::wait::eventually_within;

/// No document of a test takes longer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Hands in a document; its id.
pub async fn hand_in(tenant: &TestTenant, body: &Value) -> String {
    let added = tenant.admin.post(&tenant.path("/documents"), body).await.expect(201).json();
    added["id"].as_str().unwrap().to_owned()
}

/// Hands in a text and waits until it can be searched; its id.
pub async fn publish(tenant: &TestTenant, name: &str, text: &str) -> String {
    publish_with(tenant, &json!({"name": name, "text": text})).await
}

/// The same with metadata, or what else there may be.
pub async fn publish_with(tenant: &TestTenant, body: &Value) -> String {
    let id = hand_in(tenant, body).await;
    let document = over(&tenant.admin, &tenant.path(&format!("/documents/{id}"))).await;
    assert_eq!(document["status"], "ready", "{document}");
    id
}

/// The document at this path, once nothing follows.
pub async fn over(caller: &Caller, path: &str) -> Value {
    eventually_within(READY_WITHIN, "the document is read", || async {
        let document = caller.get(path).await.expect(200).json();
        ["ready", "failed"].contains(&document["status"].as_str().unwrap()).then_some(document)
    })
    .await
}

/// What a search finds.
pub async fn search(tenant: &TestTenant, body: &Value) -> Vec<Value> {
    list(tenant.admin.post(&tenant.path("/search"), body).await)
}

/// The documents that a search finds, each as often as it is.
pub async fn found(tenant: &TestTenant, body: &Value) -> Vec<String> {
    search(tenant, body).await.iter().map(|hit| hit["document"].as_str().unwrap().to_owned()).collect()
}
