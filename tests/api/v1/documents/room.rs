//! How much may be handed in: what is under way counts.

use std::time::Duration;

use insula_tests::batch::{form, form_type};
use insula_tests::config::ServeConfig;
use insula_tests::documents::{hand_in, publish_with};
use insula_tests::http::Caller;
use insula_tests::node::Setup;
use insula_tests::{Node, Reply, eventually, raw, stores};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::long;

const MIB: usize = 1024 * 1024;

async fn node(more: &[(&'static str, &str)]) -> Node {
    let more = more.iter().map(|(section, line)| (*section, (*line).to_owned())).collect();
    Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await
}

/// Of four mebibytes one upload of this size fits, and two do not.
const BYTES: usize = 5 * MIB / 2;

/// An upload of so many bytes to this path, as it goes over the wire.
fn sent(caller: &Caller, path: &str, bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes);
    // Documents take no purpose.
    let file = ("file", text.as_str());
    let form = if path.ends_with("/documents") { form(&[file]) } else { form(&[("purpose", "batch"), file]) };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: insula\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        caller.credential().unwrap(),
        form_type(),
        form.len()
    );
    [head.into_bytes(), form.into_bytes()].concat()
}

/// Uploads so many bytes; nothing where the connection was closed before it could be heard why.
async fn upload(caller: &Caller, path: &str, bytes: usize) -> Option<Reply> {
    raw::send(caller.base(), &sent(caller, path, bytes)).await
}

/// An upload that stops short of its end, and what another is told that does not fit beside it.
async fn crowded(caller: &Caller, path: &str) -> (TcpStream, Reply) {
    for _ in 0..20 {
        let mut half = raw::connect(caller.base()).await;
        let sent = sent(caller, path, BYTES);
        half.write_all(&sent[..sent.len() - 64]).await.unwrap();
        // So that it is the first; if it was not, it is refused itself.
        tokio::time::sleep(Duration::from_secs(1)).await;
        match upload(caller, path, BYTES).await {
            Some(reply) if reply.status == 413 => return (half, reply),
            Some(reply) => {
                let made = reply.json();
                caller.delete(&format!("{path}/{}", made["id"].as_str().unwrap())).await;
            }
            None => {}
        }
    }
    panic!("uploads take no room from each other");
}

/// Uploads once there is room.
async fn fits(caller: &Caller, path: &str) {
    let upload = || async { upload(caller, path, BYTES).await.filter(|reply| reply.status < 300) };
    eventually("there is room", upload).await;
}

#[tokio::test]
async fn documents_under_way_take_room_from_each_other() {
    let node = node(&[("knowledge", "tenant_bytes_max = 4194304")]).await;
    let tenant = node.tenant("parallel").await;
    let path = tenant.path("/documents");
    let (half, refused) = crowded(&tenant.admin, &path).await;
    refused.problem(413, "too_large");
    assert!(refused.text().contains("being handed in"), "{}", refused.text());
    // Another tenant has all the room.
    let other = node.tenant("roomy").await;
    fits(&other.admin, &other.path("/documents")).await;
    drop(half);
    fits(&tenant.admin, &path).await;
}

#[tokio::test]
async fn files_under_way_take_room_from_each_other() {
    let node = node(&[("files", "tenant_bytes_max = 4194304")]).await;
    let tenant = node.tenant("parallel").await;
    let caller = &tenant.service;
    let (half, refused) = crowded(caller, "/v1/files").await;
    refused.openai_error(413, "too_large");
    assert!(refused.text().contains("being uploaded"), "{}", refused.text());
    // What is left is there to be used.
    upload(caller, "/v1/files", MIB / 4).await.unwrap().expect(200);
    drop(half);
    fits(caller, "/v1/files").await;
}

#[tokio::test]
async fn chunks_are_counted_when_a_document_comes() {
    let node = node(&[("knowledge", "chunks_per_tenant_max = 40"), ("knowledge", "reading_max = 1")]).await;
    let tenant = node.tenant("chunks").await;
    let path = tenant.path("/documents");
    let text = |chunks: usize| json!({"name": "x.md", "text": long(chunks)});
    publish_with(&tenant, &text(20)).await;
    // Another tenant's is read first, and keeps what follows waiting.
    let busy = node.tenant("busy").await;
    hand_in(&busy, &json!({"name": "x.md", "text": long(39)})).await;
    // About 1.2 kilobytes a chunk: of those under way each 16 are one at least.
    let mut refused = None;
    for _ in 0..40 {
        let reply = tenant.admin.post(&path, &text(19)).await;
        if reply.status != 201 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("documents under way count");
    refused.problem(429, "rate_limit_exceeded");
    assert!(!refused.header("retry-after").is_empty() && refused.text().contains("being read"), "{}", refused.text());
}

#[tokio::test]
async fn files_that_come_together_count_together() {
    let node = node(&[("knowledge", "chunks_per_tenant_max = 3")]).await;
    let tenant = node.tenant("together").await;
    let caller = &tenant.service;
    let store = stores::store(caller, &json!({})).await;
    let mut files = Vec::new();
    for n in 0..4 {
        files.push(stores::upload(caller, &format!("A file that says {n}.")).await);
    }
    let batch = |files: &[String]| json!({"file_ids": files});
    let batches = format!("{}/{store}/file_batches", stores::STORES);
    let reply = caller.post(&batches, &batch(&files)).await;
    reply.openai_error(413, "too_large");
    let done = stores::batch(caller, &store, &batch(&files[..3])).await;
    assert_eq!(done["file_counts"]["completed"], 3, "{done}");
    // Now it is full.
    let attach: Value = json!({"file_id": files[3]});
    let reply = caller.post(&format!("{}/{store}/files", stores::STORES), &attach).await;
    reply.openai_error(413, "too_large");
    assert!(reply.text().contains("remove some"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kill_leaves_keeps_no_room() {
    let mut node = node(&[("files", "tenant_bytes_max = 4194304")]).await;
    let tenant = node.tenant("killed").await;
    let (half, _) = crowded(&tenant.service, "/v1/files").await;
    node.kill();
    drop(half);
    node.start_again().await;
    fits(&tenant.at(&node.operator()).service, "/v1/files").await;
}
