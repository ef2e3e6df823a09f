//! What is on the disk: content is sealed, and an erased tenant's is gone.

use std::fs;
use std::path::{Path, PathBuf};

use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, TestTenant};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// Every file below `folder` that contains `text`.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if contains(&fs::read(&path).unwrap_or_default(), text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Says the canary through every door through which content comes in.
async fn say_everywhere(tenant: &TestTenant, canary: &str) {
    for body in [chat(canary), streamed_chat(canary)] {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&body);
        let key = format!("key-{}", body["stream"]);
        let reply = call.header("idempotency-key", &key).send().await.expect(200);
        assert!(reply.text().contains(canary), "the answer holds it too");
        // Reading it back folds it into the tenant's file.
        assert!(tenant.content(reply.request_id()).await.contains(canary));
    }
    tenant.service.post("/v1/embeddings", &json!({"model": "sim-embed", "input": canary})).await.expect(200);
    tenant.service.post(CHAT, &json!({"model": "sim-small", "messages": [{"role": canary}]})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_found_in_no_file() {
    let mut node = Node::start().await;
    let tenant = node.tenant("sealed").await;
    say_everywhere(&tenant, "CANARYxSEALEDxCONTENT").await;
    // A control: what is not content is found, so the search works.
    assert!(!files_with(&node.data_dir(), "sealed").is_empty());
    assert_eq!(files_with(&node.data_dir(), "CANARYxSEALEDxCONTENT"), Vec::<PathBuf>::new());
    node.stop();
    assert_eq!(files_with(&node.data_dir(), "CANARYxSEALEDxCONTENT"), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_found_in_no_file_but_dev_env() {
    let mut node = Node::start().await;
    let tenant = node.tenant("hashed").await;
    tenant.chat("hi").await.expect(200);
    let credentials = [&tenant.service, &tenant.admin].map(|caller| caller.credential().unwrap().to_owned());
    let operator = node.dev_env()["INSULA_OPERATOR_KEY"].clone();
    node.stop();
    for credential in credentials {
        // The part after the id is the secret.
        let secret = credential.rsplit('_').next().unwrap();
        assert_eq!(files_with(&node.data_dir(), secret), Vec::<PathBuf>::new());
    }
    let secret = operator.rsplit('_').next().unwrap();
    assert_eq!(files_with(&node.data_dir(), secret), vec![node.data_dir().join("dev.env")]);
}

#[tokio::test]
async fn only_the_owner_may_read_the_data() {
    use std::os::unix::fs::PermissionsExt;
    let node = Node::start().await;
    node.tenant("modes").await.chat("hi").await.expect(200);
    for name in ["dev.env", "root.key"] {
        let mode = fs::metadata(node.data_dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}: {mode:o}");
    }
    let mode = fs::metadata(node.data_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the data directory: {mode:o}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_tenant_leaves_neither_data_nor_key() {
    let mut node = Node::start().await;
    let (tenant, other) = (node.tenant("to-erase").await, node.tenant("to-keep").await);
    tenant.chat("forget me").await.expect(200);
    other.chat("remember me").await.expect(200);
    let bare = tenant.id.trim_start_matches("ten_").to_owned();
    let folder = node.data_dir().join("tenants").join(&bare);
    assert!(folder.exists(), "a tenant has a folder of its own");
    node.operator().delete(&tenant.path("")).await.expect(200);
    assert!(!folder.exists(), "its folder is gone at once");
    assert_eq!(tenant.chat("still there?").await.status, 401);
    other.chat("still here").await.expect(200);
    node.stop();
    assert_eq!(files_with(&node.data_dir().join("keys"), "to-erase"), Vec::<PathBuf>::new());
    node.start_again().await;
    assert_eq!(node.operator().get(&tenant.path("")).await.status, 404, "erased stays erased");
    assert!(!folder.exists());
}
