//! `/v1/vector_stores` and `/v1/vector_stores/{vector_store_id}`.

use insula_tests::documents;
use insula_tests::stores::{STORES, found, over, page, publish, store, upload};
use insula_tests::tenant::list;
use insula_tests::{Node, TestTenant, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn a_store_is_made_of_files_and_changed() {
    let node = Node::start().await;
    let tenant = node.tenant("made").await;
    let caller = &tenant.service;
    let files = [upload(caller, "The quince is yellow.").await, upload(caller, "The medlar is brown.").await];
    let body = json!({
        "name": "fruit", "description": "what is ripe", "file_ids": files, "metadata": {"for": "tests"},
        "expires_after": {"anchor": "last_active_at", "days": 7},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}},
    });
    let made = caller.post(STORES, &body).await.expect(200).json();
    assert_eq!((&made["object"], &made["status"]), (&json!("vector_store"), &json!("in_progress")));
    assert_eq!(made["file_counts"], json!({"in_progress": 2, "completed": 0, "failed": 0, "cancelled": 0, "total": 2}));
    let path = format!("{STORES}/{}", made["id"].as_str().unwrap());
    let ready = over(caller, &path).await;
    assert_eq!(ready["status"], "completed");
    assert_eq!(ready["file_counts"], json!({"in_progress": 0, "completed": 2, "failed": 0, "cancelled": 0, "total": 2}));
    assert_eq!(ready["usage_bytes"], 41);
    for field in ["name", "description", "metadata", "expires_after"] {
        assert_eq!(ready[field], body[field], "{field}");
    }
    assert_eq!(ready["expires_at"].as_i64().unwrap() - ready["last_active_at"].as_i64().unwrap(), 7 * 86_400);
    let file = caller.get(&format!("{path}/files/{}", files[0])).await.expect(200).json();
    assert_eq!(file["chunking_strategy"], body["chunking_strategy"]);

    let changed = caller.post(&path, &json!({"name": "fruits", "metadata": {}})).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("fruits"), &json!({})));
    assert_eq!((&changed["description"], &changed["expires_after"]), (&body["description"], &body["expires_after"]));
    let kept = caller.post(&path, &json!({"expires_after": null})).await.expect(200).json();
    assert_eq!((&kept["expires_after"], &kept["expires_at"], &kept["name"]), (&Value::Null, &Value::Null, &json!("fruits")));
    assert_eq!(caller.get(&path).await.expect(200).json(), kept);

    // They are documents of the tenant like any other.
    let documents = list(tenant.admin.get(&tenant.path("/documents")).await);
    assert!(documents.iter().all(|document| document["vector_store"] == made["id"]), "{documents:?}");
    assert_eq!(documents.len(), 2);
    assert_eq!(documents::found(&tenant, &json!({"query": "quince"})).await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_made() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let caller = &tenant.service;
    let file = upload(caller, "x").await;
    let long = "x".repeat(257);
    let strategy = |tokens: u32, overlap: u32| json!({"type": "static", "static": {"max_chunk_size_tokens": tokens, "chunk_overlap_tokens": overlap}});
    for (body, param) in [
        (json!({"name": long}), "name"),
        (json!({"metadata": {"x": "y".repeat(513)}}), "metadata"),
        (json!({"expires_after": {"anchor": "created_at", "days": 1}}), "expires_after.anchor"),
        (json!({"expires_after": {"anchor": "last_active_at", "days": 0}}), "expires_after.days"),
        (json!({"expires_after": {"anchor": "last_active_at", "days": 366}}), "expires_after.days"),
        (json!({"file_ids": [file, file]}), "file_ids"),
        (json!({"chunking_strategy": {"type": "other"}}), "chunking_strategy"),
        (json!({"chunking_strategy": strategy(99, 0)}), "chunking_strategy.static.max_chunk_size_tokens"),
        (json!({"chunking_strategy": strategy(100, 51)}), "chunking_strategy.static.chunk_overlap_tokens"),
        (json!({"of_next_year": 1}), "of_next_year"),
    ] {
        let error = caller.post(STORES, &body).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param, "{body}");
    }
    for id in ["file_00000000000000000000000000", "nonsense"] {
        let error = caller.post(STORES, &json!({"file_ids": [file, id]})).await.openai_error(404, "not_found");
        assert_eq!(error["param"], "file_ids");
    }
    assert_eq!(page(caller, STORES).await, (vec![], false));
    for wrong in ["limit=0", "limit=101", "after=x", "before=x", "order=up", "page=2"] {
        caller.get(&format!("{STORES}?{wrong}")).await.openai_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn stores_are_listed_by_pages() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("listed").await, node.tenant("unlisted").await);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(store(&tenant.service, &json!({"name": n.to_string()})).await);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    let read = async |query: &str| page(&tenant.service, &format!("{STORES}?{query}")).await;
    assert_eq!(read("").await, (newest.clone(), false));
    assert_eq!(read("limit=2").await, (newest[..2].to_vec(), true));
    assert_eq!(read(&format!("limit=2&after={}", newest[1])).await, (newest[2..4].to_vec(), true));
    assert_eq!(read(&format!("limit=2&after={}", newest[3])).await, (newest[4..].to_vec(), false));
    assert_eq!(read(&format!("limit=2&before={}", newest[3])).await, (newest[1..3].to_vec(), true));
    assert_eq!(read(&format!("limit=2&before={}", newest[2])).await, (newest[..2].to_vec(), false));
    assert_eq!(read(&format!("after={}&before={}", newest[0], newest[3])).await, (newest[1..3].to_vec(), false));
    assert_eq!(read("order=asc&limit=4").await, (ids[..4].to_vec(), true));
    assert_eq!(read(&format!("order=asc&after={}", ids[2])).await, (ids[3..].to_vec(), false));
    assert_eq!(page(&other.service, STORES).await, (vec![], false));
}

/// What is left of a tenant's documents once everything of a store is gone.
async fn documents_left(tenant: &TestTenant, count: usize) {
    eventually("what is removed is gone", || async {
        (list(tenant.admin.get(&tenant.path("/documents")).await).len() == count).then_some(())
    })
    .await;
}

async fn a_store_goes_and_its_files_stay(node: &Node) {
    let tenant = node.tenant("goes").await;
    let caller = &tenant.service;
    let (gone, stays) = (store(caller, &json!({})).await, store(caller, &json!({})).await);
    let file = publish(caller, &gone, "The quince is yellow.", json!({})).await;
    let kept = publish(caller, &stays, "The quince is sour.", json!({})).await;
    let path = format!("{STORES}/{gone}");
    let deleted = caller.delete(&path).await.expect(200).json();
    assert_eq!(deleted, json!({"id": gone, "object": "vector_store.deleted", "deleted": true}));

    // At once, also where its documents are still going.
    assert_eq!(documents::found(&tenant, &json!({"query": "quince"})).await.len(), 1);
    for reply in [
        caller.get(&path).await,
        caller.delete(&path).await,
        caller.post(&path, &json!({"name": "x"})).await,
        caller.get(&format!("{path}/files")).await,
        caller.get(&format!("{path}/files/{file}")).await,
        caller.post(&format!("{path}/files"), &json!({"file_id": kept})).await,
        caller.post(&format!("{path}/search"), &json!({"query": "quince"})).await,
    ] {
        reply.openai_error(404, "not_found");
    }
    assert_eq!(page(caller, STORES).await.0, std::slice::from_ref(&stays));
    documents_left(&tenant, 1).await;
    assert_eq!(found(caller, &stays, &json!({"query": "quince"})).await, [kept]);
    caller.get(&format!("/v1/files/{file}")).await.expect(200);
}

#[tokio::test]
async fn a_store_that_is_deleted_is_gone_and_its_files_stay() {
    a_store_goes_and_its_files_stay(&Node::start().await).await;
}

#[tokio::test]
async fn a_store_that_is_deleted_is_gone_and_its_files_stay_in_a_cluster() {
    a_store_goes_and_its_files_stay(&Node::clustered().await).await;
}

#[tokio::test]
async fn a_store_goes_also_where_the_server_is_killed() {
    let mut node = Node::start().await;
    let tenant = node.tenant("killed").await;
    let caller = &tenant.service;
    let mut files = Vec::new();
    for n in 0..12 {
        files.push(upload(caller, &format!("The quince has {n} seeds.")).await);
    }
    let id = store(caller, &json!({"file_ids": files})).await;
    over(caller, &format!("{STORES}/{id}")).await;
    caller.delete(&format!("{STORES}/{id}")).await.expect(200);
    node.kill();
    node.start_again().await;
    let tenant = tenant.at(&node.anyone);
    tenant.service.get(&format!("{STORES}/{id}")).await.openai_error(404, "not_found");
    assert_eq!(documents::found(&tenant, &json!({"query": "quince"})).await, Vec::<String>::new());
    documents_left(&tenant, 0).await;
}

#[tokio::test]
async fn a_store_whose_time_has_come_finds_nothing_and_is_emptied() {
    let node = Node::clustered().await;
    let tenant = node.tenant("expired").await;
    let caller = &tenant.service;
    let expires = json!({"expires_after": {"anchor": "last_active_at", "days": 1}});
    let (id, stays) = (store(caller, &expires).await, store(caller, &expires).await);
    let file = publish(caller, &id, "The quince is yellow.", json!({})).await;
    let kept = publish(caller, &stays, "The quince is sour.", json!({})).await;
    // Nobody waits a day: it is over in the books.
    let bytes = id_bytes(&id);
    let database = node.database().superuser().await;
    database.execute("UPDATE insula_tenant.vector_stores SET expires_at = 1 WHERE id = $1", &[&bytes]).await.unwrap();

    let path = format!("{STORES}/{id}");
    let expired = caller.get(&path).await.expect(200).json();
    assert_eq!((&expired["status"], &expired["file_counts"]["total"]), (&json!("expired"), &json!(0)));
    for reply in [
        caller.post(&format!("{path}/search"), &json!({"query": "quince"})).await,
        caller.get(&format!("{path}/files")).await,
        caller.get(&format!("{path}/files/{file}")).await,
        caller.post(&format!("{path}/files"), &json!({"file_id": file})).await,
        caller.post(&format!("{path}/file_batches"), &json!({"file_ids": [file]})).await,
        caller.post(&path, &json!({"expires_after": null})).await,
    ] {
        reply.openai_error(400, "invalid_request");
    }
    assert_eq!(documents::found(&tenant, &json!({"query": "quince"})).await.len(), 1, "before it is swept");
    caller.post(&path, &json!({"name": "over"})).await.expect(200);

    database.execute("UPDATE insula_control.runs SET claimed_until = 1 WHERE id = $1", &[&bytes]).await.unwrap();
    documents_left(&tenant, 1).await;
    assert_eq!(caller.get(&path).await.expect(200).json()["status"], "expired");
    assert_eq!(found(caller, &stays, &json!({"query": "quince"})).await, [kept]);
    caller.delete(&path).await.expect(200);
}

/// A store's id as it is kept.
fn id_bytes(id: &str) -> Vec<u8> {
    id.parse::<insula_model::VectorStoreId>().unwrap().as_bytes().to_vec()
}
