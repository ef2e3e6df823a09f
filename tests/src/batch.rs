//! Files and batches as a tenant's program uses them.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::http::{Call, Caller, Reply};
use crate::wait::eventually_within;

/// The path of chats, as lines name it.
pub const CHAT: &str = "/v1/chat/completions";
/// The path of embeddings, as lines name it.
pub const EMBEDDINGS: &str = "/v1/embeddings";

const BOUNDARY: &str = "----the-tests";
/// No batch of a test takes longer.
const OVER_WITHIN: Duration = Duration::from_secs(90);

/// The content type of [`form`].
pub fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A form with these fields; those that are called `file` are files.
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        let file = if *name == "file" { "; filename=\"lines.jsonl\"\r\ncontent-type: application/jsonl" } else { "" };
        form.push_str(&format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"));
    }
    form.push_str(&format!("--{BOUNDARY}--\r\n"));
    form
}

/// An upload, about to be sent.
pub fn upload(caller: &Caller, fields: &[(&str, &str)]) -> Call {
    caller.call(Method::POST, "/v1/files").header("content-type", &form_type()).body(form(fields))
}

/// Uploads a file for a batch; its id.
pub async fn file(caller: &Caller, content: &str) -> String {
    let made = upload(caller, &[("purpose", "batch"), ("file", content)]).send().await.expect(200).json();
    made["id"].as_str().unwrap().to_owned()
}

/// A line.
pub fn line(custom_id: &str, url: &str, body: &Value) -> String {
    format!("{}\n", json!({"custom_id": custom_id, "method": "POST", "url": url, "body": body}))
}

/// So many lines with a chat each, `line-0` and on.
pub fn chats(count: usize) -> String {
    let body = |n| json!({"model": "sim-small", "messages": [{"role": "user", "content": format!("line {n}")}]});
    (0..count).map(|n| line(&format!("line-{n}"), CHAT, &body(n))).collect()
}

/// What the line of this number asks to be embedded: texts of many lengths.
pub fn embed(n: usize) -> Value {
    json!({"model": "sim-embed", "input": format!("line {n} {}", "and so on ".repeat(n % 7))})
}

/// So many lines with a text to be embedded each, `line-0` and on.
pub fn embeds(count: usize) -> String {
    (0..count).map(|n| line(&format!("line-{n}"), EMBEDDINGS, &embed(n))).collect()
}

/// Asks for a batch over a file.
pub async fn create(caller: &Caller, file: &str, endpoint: &str) -> Reply {
    let body = json!({"input_file_id": file, "endpoint": endpoint, "completion_window": "24h"});
    caller.post("/v1/batches", &body).await
}

/// Asks for a batch over these lines; its id.
pub async fn start(caller: &Caller, content: &str, endpoint: &str) -> String {
    let made = create(caller, &file(caller, content).await, endpoint).await.expect(200).json();
    made["id"].as_str().unwrap().to_owned()
}

/// A batch as it stands.
pub async fn read(caller: &Caller, batch: &str) -> Value {
    caller.get(&format!("/v1/batches/{batch}")).await.expect(200).json()
}

/// The batch, once nothing follows.
pub async fn over(caller: &Caller, batch: &str) -> Value {
    eventually_within(OVER_WITHIN, "the batch is over", || async {
        let batch = read(caller, batch).await;
        ["completed", "failed", "expired", "cancelled"].contains(&batch["status"].as_str().unwrap()).then_some(batch)
    })
    .await
}

/// A file's content.
pub async fn content(caller: &Caller, file: &str) -> String {
    caller.get(&format!("/v1/files/{file}/content")).await.expect(200).text()
}

/// The lines of a batch's output or error file by their `custom_id`; panics where one is there twice.
pub async fn output(caller: &Caller, file: &Value) -> BTreeMap<String, Value> {
    let Some(file) = file.as_str() else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for text in content(caller, file).await.lines() {
        let line: Value = serde_json::from_str(text).unwrap();
        let id = line["custom_id"].as_str().unwrap().to_owned();
        assert!(found.insert(id, line).is_none(), "twice in the output: {text}");
    }
    found
}
