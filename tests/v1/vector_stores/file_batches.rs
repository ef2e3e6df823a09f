//! `/v1/vector_stores/{vector_store_id}/file_batches`.

use std::sync::Arc;

use insula_tests::Node;
use insula_tests::cluster::Shared;
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::stores::{STORES, batch, found, page, store, upload};
use serde_json::json;

#[tokio::test]
async fn files_come_together() {
    let node = Node::start().await;
    let tenant = node.tenant("together").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let files = [upload(caller, "The quince is yellow.").await, upload(caller, "").await, upload(caller, "Medlars.").await];
    let made = batch(caller, &id, &json!({"file_ids": files, "attributes": {"kind": "fruit"}})).await;
    assert_eq!((&made["object"], &made["vector_store_id"]), (&json!("vector_store.files_batch"), &json!(id)));
    assert_eq!(made["status"], "completed", "whether each could be read or not");
    assert_eq!(made["file_counts"], json!({"in_progress": 0, "completed": 2, "failed": 1, "cancelled": 0, "total": 3}));
    let path = format!("{STORES}/{id}/file_batches/{}", made["id"].as_str().unwrap());
    let (mut listed, more) = page(caller, &format!("{path}/files")).await;
    listed.sort();
    let mut all = files.to_vec();
    all.sort();
    assert_eq!((listed, more), (all, false));
    assert_eq!(page(caller, &format!("{path}/files?filter=failed")).await, (vec![files[1].clone()], false));
    // It is over: there is nothing to cancel.
    assert_eq!(caller.post(&format!("{path}/cancel"), &json!({})).await.expect(200).json(), made);

    // Each with what is said of it alone.
    let each = json!({
        "files": [{"file_id": files[0], "attributes": {"kind": "tree"}}, {"file_id": files[2]}], "attributes": {"kind": "none"},
    });
    batch(caller, &id, &each).await;
    let of = |kind: &str| json!({"query": "quince", "filters": {"type": "eq", "key": "kind", "value": kind}});
    assert_eq!(found(caller, &id, &of("tree")).await, [files[0].clone()]);
    assert!(found(caller, &id, &of("fruit")).await.is_empty() && found(caller, &id, &of("none")).await.is_empty());
    assert_eq!(caller.get(&path).await.expect(200).json()["file_counts"]["total"], 1, "the others came anew");
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_in_the_queue() {
    let more = vec![("knowledge", "documents_per_tenant_max = 1".to_owned())];
    let shared = Arc::new(Shared::create(None, None).await);
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).shared(shared).start().await;
    let tenant = node.tenant("greedy").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let files = [upload(caller, "The quince is yellow.").await, upload(caller, "Medlars.").await];
    for _ in 0..3 {
        let refused = caller.post(&format!("{STORES}/{id}/file_batches"), &json!({"file_ids": files})).await;
        refused.openai_error(413, "too_large");
    }
    let queued = "SELECT COUNT(*) FROM insula_control.runs WHERE kind = 'document'";
    let queued: i64 = node.database().superuser().await.query_one(queued, &[]).await.unwrap().get(0);
    assert_eq!(queued, 0);
}

#[tokio::test]
async fn what_is_not_read_yet_is_cancelled() {
    let node = Node::start().await;
    let tenant = node.tenant("cancelled").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let mut files = Vec::new();
    for n in 0..8 {
        files.push(upload(caller, &format!("The quince has {n} seeds. ").repeat(4_000)).await);
    }
    let path = format!("{STORES}/{id}/file_batches");
    let made = caller.post(&path, &json!({"file_ids": files})).await.expect(200).json();
    assert_eq!((&made["status"], &made["file_counts"]["in_progress"]), (&json!("in_progress"), &json!(8)));
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    let cancelled = caller.post(&format!("{path}/cancel"), &json!({})).await.expect(200).json();
    let counts = &cancelled["file_counts"];
    assert_eq!((&cancelled["status"], &counts["in_progress"]), (&json!("cancelled"), &json!(0)), "{cancelled}");
    assert!(counts["cancelled"].as_u64().unwrap() >= 7, "they are read one after the other: {cancelled}");
    let (stopped, _) = page(caller, &format!("{path}/files?filter=cancelled")).await;
    let one = caller.get(&format!("{STORES}/{id}/files/{}", stopped[0])).await.expect(200).json();
    assert_eq!((&one["status"], &one["last_error"]), (&json!("cancelled"), &json!(null)));
    let ready: Vec<String> = found(caller, &id, &json!({"query": "quince", "max_num_results": 50})).await;
    assert!(stopped.iter().all(|file| !ready.contains(file)));
    // It can come again.
    let again = batch(caller, &id, &json!({"file_ids": [stopped[0]]})).await;
    assert_eq!(again["file_counts"]["completed"], 1);
    assert_eq!(caller.get(&path).await.expect(200).json()["status"], "cancelled");
}

#[tokio::test]
async fn all_files_come_or_none() {
    let node = Node::start().await;
    let tenant = node.tenant("none").await;
    let (caller, other) = (&tenant.service, node.tenant("other").await);
    let id = store(caller, &json!({})).await;
    let (file, foreign) = (upload(caller, "x").await, upload(&other.service, "x").await);
    let path = format!("{STORES}/{id}/file_batches");
    for (body, status, param) in [
        (json!({}), 400, "file_ids"),
        (json!({"file_ids": [], "files": []}), 400, "file_ids"),
        (json!({"file_ids": []}), 400, "file_ids"),
        (json!({"files": []}), 400, "files"),
        (json!({"file_ids": [file, file]}), 400, "file_ids"),
        (json!({"file_ids": [file, foreign]}), 404, "file_ids"),
        (json!({"files": [{"file_id": file}, {"file_id": "nonsense"}]}), 404, "files"),
    ] {
        let code = if status == 404 { "not_found" } else { "invalid_request" };
        let error = caller.post(&path, &body).await.openai_error(status, code);
        assert_eq!(error["param"], param, "{body}");
    }
    assert_eq!(page(caller, &format!("{STORES}/{id}/files")).await, (vec![], false));
    for gone in ["vsfb_00000000000000000000000000", "nonsense"] {
        caller.get(&format!("{path}/{gone}")).await.openai_error(404, "not_found");
    }
}
