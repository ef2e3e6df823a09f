//! How much may be handed in: what is under way counts.

use http::Method;
use insula_tests::batch::{form, form_type, upload};
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

/// An upload of so many bytes that stops short of its end, for as long as this is kept.
async fn begun(caller: &Caller, path: &str, bytes: usize) -> TcpStream {
    let whole = form(&[("purpose", "batch"), ("file", &"x".repeat(bytes))]);
    // Documents take no purpose.
    let whole = if path.ends_with("/documents") { form(&[("file", &"x".repeat(bytes))]) } else { whole };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: insula\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        caller.credential().unwrap(),
        form_type(),
        whole.len()
    );
    let mut socket = raw::connect(caller.base()).await;
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&whole.as_bytes()[..whole.len() - 64]).await.unwrap();
    socket
}

async fn document(caller: &Caller, path: &str, bytes: usize) -> Reply {
    let form = form(&[("file", &"x".repeat(bytes))]);
    caller.call(Method::POST, path).header("content-type", &form_type()).body(form).send().await
}

#[tokio::test]
async fn documents_under_way_take_room_from_each_other() {
    let node = node(&[("knowledge", "tenant_bytes_max = 4194304")]).await;
    let tenant = node.tenant("parallel").await;
    let path = tenant.path("/documents");
    let half = begun(&tenant.admin, &path, 5 * MIB / 2).await;
    let refused = eventually("the other counts", || async {
        let reply = document(&tenant.admin, &path, 5 * MIB / 2).await;
        (reply.status != 201).then_some(reply)
    });
    // Whichever came first, both together do not fit.
    let refused = refused.await;
    refused.problem(413, "too_large");
    assert!(refused.text().contains("handed in"), "{}", refused.text());
    drop(half);
    eventually("its room is free again", || async { (document(&tenant.admin, &path, MIB).await.status == 201).then_some(()) })
        .await;
    let other = node.tenant("roomy").await;
    document(&other.admin, &other.path("/documents"), 5 * MIB / 2).await.expect(201);
}

#[tokio::test]
async fn files_under_way_take_room_from_each_other() {
    let node = node(&[("files", "tenant_bytes_max = 4194304")]).await;
    let tenant = node.tenant("parallel").await;
    let caller = &tenant.service;
    let half = begun(caller, "/v1/files", 5 * MIB / 2).await;
    let text = "x".repeat(5 * MIB / 2);
    let refused = eventually("the other counts", || async {
        let reply = upload(caller, &[("purpose", "batch"), ("file", &text)]).send().await;
        match reply.status {
            200 => {
                let made = reply.json();
                caller.delete(&format!("/v1/files/{}", made["id"].as_str().unwrap())).await.expect(200);
                None
            }
            _ => Some(reply),
        }
    });
    let refused = refused.await;
    refused.openai_error(413, "too_large");
    assert!(refused.text().contains("being uploaded"), "{}", refused.text());
    // What is left is there to be used.
    upload(caller, &[("purpose", "batch"), ("file", &"x".repeat(MIB / 2))]).send().await.expect(200);
    drop(half);
    let text = "x".repeat(5 * MIB / 2);
    let sent = || async { (upload(caller, &[("purpose", "batch"), ("file", &text)]).send().await.status == 200).then_some(()) };
    eventually("its room is free again", sent).await;
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
    let half = begun(&tenant.service, "/v1/files", 5 * MIB / 2).await;
    let text = "x".repeat(5 * MIB / 2);
    let fields = [("purpose", "batch"), ("file", text.as_str())];
    eventually("it is under way", || async {
        let reply = upload(&tenant.service, &fields).send().await;
        match reply.status {
            200 => {
                let made = reply.json();
                tenant.service.delete(&format!("/v1/files/{}", made["id"].as_str().unwrap())).await.expect(200);
                None
            }
            _ => Some(()),
        }
    })
    .await;
    node.kill();
    drop(half);
    node.start_again().await;
    let tenant = tenant.at(&node.operator());
    upload(&tenant.service, &fields).send().await.expect(200);
}
