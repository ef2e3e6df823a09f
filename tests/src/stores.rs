//! Vector stores as a tenant's product uses them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::batch;
use crate::http::Caller;
use crate::wait::eventually_within;

/// Where they are.
pub const STORES: &str = "/v1/vector_stores";

/// No file of a test takes longer to be read.
const OVER_WITHIN: Duration = Duration::from_secs(60);

/// Uploads a text for vector stores; the file's id.
pub async fn upload(caller: &Caller, text: &str) -> String {
    let made = batch::upload(caller, &[("purpose", "assistants"), ("file", text)]).send().await.expect(200).json();
    made["id"].as_str().unwrap().to_owned()
}

/// Makes a store; its id.
pub async fn store(caller: &Caller, body: &Value) -> String {
    caller.post(STORES, body).await.expect(200).json()["id"].as_str().unwrap().to_owned()
}

/// Puts a file into a store; it, once nothing follows.
pub async fn attach(caller: &Caller, store: &str, body: &Value) -> Value {
    let made = caller.post(&format!("{STORES}/{store}/files"), body).await.expect(200).json();
    over(caller, &format!("{STORES}/{store}/files/{}", made["id"].as_str().unwrap())).await
}

/// Uploads a text and puts it into a store with these attributes; the file's id, once it can be searched.
pub async fn publish(caller: &Caller, store: &str, text: &str, attributes: Value) -> String {
    let file = upload(caller, text).await;
    let attached = attach(caller, store, &json!({"file_id": file, "attributes": attributes})).await;
    assert_eq!(attached["status"], "completed", "{attached}");
    file
}

/// Puts files into a store together; the batch, once nothing follows.
pub async fn batch(caller: &Caller, store: &str, body: &Value) -> Value {
    let made = caller.post(&format!("{STORES}/{store}/file_batches"), body).await.expect(200).json();
    over(caller, &format!("{STORES}/{store}/file_batches/{}", made["id"].as_str().unwrap())).await
}

/// What is at this path, once it is not in progress any more.
pub async fn over(caller: &Caller, path: &str) -> Value {
    eventually_within(OVER_WITHIN, "the files are read", || async {
        let found = caller.get(path).await.expect(200).json();
        (found["status"] != "in_progress").then_some(found)
    })
    .await
}

/// What is found in a store.
pub async fn search(caller: &Caller, store: &str, body: &Value) -> Vec<Value> {
    let found = caller.post(&format!("{STORES}/{store}/search"), body).await.expect(200).json();
    assert_eq!((&found["object"], &found["has_more"]), (&json!("vector_store.search_results.page"), &json!(false)));
    found["data"].as_array().unwrap().clone()
}

/// The files in which something is found, each as often as it is.
pub async fn found(caller: &Caller, store: &str, body: &Value) -> Vec<String> {
    search(caller, store, body).await.iter().map(|hit| hit["file_id"].as_str().unwrap().to_owned()).collect()
}

/// The ids on a page, and whether another follows.
pub async fn page(caller: &Caller, path: &str) -> (Vec<String>, bool) {
    let page = caller.get(path).await.expect(200).json();
    let ids: Vec<String> =
        page["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(page["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(page["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, page["has_more"].as_bool().unwrap())
}
