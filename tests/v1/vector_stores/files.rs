//! `/v1/vector_stores/{vector_store_id}/files`.

use insula_tests::Node;
use insula_tests::batch::content;
use insula_tests::documents;
use insula_tests::stores::{STORES, attach, found, over, page, publish, search, store, upload};
use insula_tests::tenant::list;
use serde_json::json;

async fn a_file_comes_and_goes(node: &Node) {
    let tenant = node.tenant("files").await;
    let caller = &tenant.service;
    let (id, text) = (store(caller, &json!({})).await, "The quince is yellow.");
    let file = upload(caller, text).await;
    let made = caller.post(&format!("{STORES}/{id}/files"), &json!({"file_id": file, "attributes": {"ripe": true}})).await;
    let made = made.expect(200).json();
    assert_eq!((&made["object"], &made["id"]), (&json!("vector_store.file"), &json!(file)));
    assert_eq!((&made["vector_store_id"], &made["status"]), (&json!(id), &json!("in_progress")));
    let path = format!("{STORES}/{id}/files/{file}");
    let first = caller.get(&path).await.expect(200);
    assert_eq!(first.header("openai-poll-after-ms"), "250");
    let ready = over(caller, &path).await;
    assert_eq!((&ready["status"], &ready["last_error"]), (&json!("completed"), &json!(null)));
    assert_eq!((&ready["usage_bytes"], &ready["attributes"]), (&json!(text.len()), &json!({"ripe": true})));
    let auto = json!({"type": "static", "static": {"max_chunk_size_tokens": 400, "chunk_overlap_tokens": 50}});
    assert_eq!(ready["chunking_strategy"], auto);
    let read = caller.get(&format!("{path}/content")).await.expect(200).json();
    assert_eq!(read["object"], "vector_store.file_content.page");
    assert_eq!((&read["data"], &read["has_more"]), (&json!([{"type": "text", "text": text}]), &json!(false)));

    // It has a copy of its own: the upload can go.
    caller.delete(&format!("/v1/files/{file}")).await.expect(200);
    assert_eq!(found(caller, &id, &json!({"query": "quince"})).await, std::slice::from_ref(&file));
    assert_eq!(caller.get(&path).await.expect(200).json(), ready);

    // And the other way round.
    let other = publish(caller, &id, "The medlar is brown.", json!({})).await;
    let deleted = caller.delete(&format!("{STORES}/{id}/files/{other}")).await.expect(200).json();
    assert_eq!(deleted, json!({"id": other, "object": "vector_store.file.deleted", "deleted": true}));
    assert_eq!(content(caller, &other).await, "The medlar is brown.");
    assert_eq!(found(caller, &id, &json!({"query": "medlar"})).await, std::slice::from_ref(&file));
    for gone in [caller.get(&format!("{STORES}/{id}/files/{other}")).await, caller.get(&format!("{path}x")).await] {
        gone.openai_error(404, "not_found");
    }
    // Also where its document is removed.
    let document = list(tenant.admin.get(&tenant.path("/documents")).await).remove(0);
    assert_eq!((&document["vector_store"], &document["file"]), (&json!(id), &json!(file)));
    tenant.admin.delete(&tenant.path(&format!("/documents/{}", document["id"].as_str().unwrap()))).await.expect(204);
    assert_eq!(page(caller, &format!("{STORES}/{id}/files")).await, (vec![], false));
}

#[tokio::test]
async fn a_file_comes_into_a_store_and_goes() {
    a_file_comes_and_goes(&Node::start().await).await;
}

#[tokio::test]
async fn a_file_comes_into_a_store_and_goes_in_a_cluster() {
    a_file_comes_and_goes(&Node::clustered().await).await;
}

#[tokio::test]
async fn files_are_cut_as_is_said() {
    let node = Node::start().await;
    let tenant = node.tenant("cut").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let file = upload(caller, &"The quince is yellow and the medlar is brown. ".repeat(100)).await;
    let mut pieces = Vec::new();
    for tokens in [100, 400, 4_096] {
        let strategy = json!({"type": "static", "static": {"max_chunk_size_tokens": tokens, "chunk_overlap_tokens": 0}});
        let attached = attach(caller, &id, &json!({"file_id": file, "chunking_strategy": strategy})).await;
        assert_eq!((&attached["status"], &attached["chunking_strategy"]), (&json!("completed"), &strategy));
        let read = caller.get(&format!("{STORES}/{id}/files/{file}/content")).await.expect(200).json();
        let texts: Vec<usize> =
            read["data"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().len()).collect();
        assert!(texts.iter().all(|length| *length <= tokens * 4), "{texts:?}");
        pieces.push(texts.len());
    }
    assert!(pieces[0] > pieces[1] && pieces[1] > pieces[2] && pieces[2] == 1, "{pieces:?}");
    assert_eq!(page(caller, &format!("{STORES}/{id}/files")).await.0.len(), 1, "the same file comes once");
}

#[tokio::test]
async fn attributes_are_changed() {
    let node = Node::start().await;
    let tenant = node.tenant("attributes").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let file = publish(caller, &id, "The quince is yellow.", json!({"year": 2024, "kind": "fruit"})).await;
    let path = format!("{STORES}/{id}/files/{file}");
    let is = |key: &str, kind: &str, value: serde_json::Value| json!({"type": kind, "key": key, "value": value});
    let finds = async |filter: &serde_json::Value| {
        !search(caller, &id, &json!({"query": "quince", "filters": filter})).await.is_empty()
    };
    let (old, new) = (is("kind", "eq", json!("fruit")), is("kind", "eq", json!("tree")));
    let (before, since) = (is("year", "lt", json!(2025)), is("year", "gte", json!(2025)));
    assert!(finds(&old).await && !finds(&new).await && finds(&before).await && !finds(&since).await);
    let changed = caller.post(&path, &json!({"attributes": {"year": 2025, "kind": "tree"}})).await.expect(200).json();
    assert_eq!(changed["attributes"], json!({"year": 2025, "kind": "tree"}));
    assert!(!finds(&old).await && finds(&new).await && !finds(&before).await && finds(&since).await);
    assert_eq!(documents::found(&tenant, &json!({"query": "quince", "filter": {"kind": "tree"}})).await.len(), 1);
    caller.post(&path, &json!({"attributes": null})).await.expect(200);
    assert!(!finds(&new).await && !finds(&since).await);

    let many: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), json!(n))).collect();
    for (attributes, param) in [
        (json!({"a": ["x"]}), "attributes.a"),
        (json!({"a": null}), "attributes.a"),
        (json!({"a": "x".repeat(513)}), "attributes.a"),
        (json!(many), "attributes"),
    ] {
        let error = caller.post(&path, &json!({"attributes": attributes})).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param);
    }
}

#[tokio::test]
async fn files_are_listed_by_pages_and_by_how_they_stand() {
    let node = Node::start().await;
    let tenant = node.tenant("pages").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let mut files = Vec::new();
    for n in 0..4 {
        files.push(publish(caller, &id, &format!("The quince has {n} seeds."), json!({})).await);
    }
    let empty = upload(caller, "").await;
    let failed = attach(caller, &id, &json!({"file_id": empty})).await;
    assert_eq!((&failed["status"], &failed["usage_bytes"]), (&json!("failed"), &json!(0)));
    assert_eq!(failed["last_error"]["code"], "invalid_file");
    let path = format!("{STORES}/{id}/files");
    caller.get(&format!("{path}/{empty}/content")).await.openai_error(400, "invalid_request");

    let newest: Vec<String> = files.iter().rev().cloned().collect();
    let read = async |query: &str| page(caller, &format!("{path}?{query}")).await;
    assert_eq!(read("filter=completed").await, (newest.clone(), false));
    assert_eq!(read("filter=failed").await, (vec![empty.clone()], false));
    assert_eq!(read("filter=in_progress").await, (vec![], false));
    assert_eq!(read("filter=cancelled").await, (vec![], false));
    assert_eq!(read("limit=2").await, (vec![empty.clone(), newest[0].clone()], true));
    assert_eq!(read(&format!("after={empty}&limit=3")).await, (newest[..3].to_vec(), true));
    assert_eq!(read(&format!("before={}&limit=2", newest[2])).await, (newest[..2].to_vec(), true));
    assert_eq!(read("order=asc&filter=completed&limit=3").await, (files[..3].to_vec(), true));
    let counts = caller.get(&format!("{STORES}/{id}")).await.expect(200).json();
    assert_eq!(counts["file_counts"], json!({"in_progress": 0, "completed": 4, "failed": 1, "cancelled": 0, "total": 5}));

    // One that was never put into this store is no place to begin at, whether it exists or not.
    let elsewhere = upload(caller, "x").await;
    for wrong in ["filter=ready", &format!("after={elsewhere}"), "before=file_00000000000000000000000000", "limit=101"] {
        caller.get(&format!("{path}?{wrong}")).await.openai_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn an_upload_that_is_gone_before_it_is_read_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("gone").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    // A tenant's files are read one after the other: this one keeps the next waiting.
    let long = upload(caller, &"The quince is yellow. ".repeat(40_000)).await;
    let short = upload(caller, "The medlar is brown.").await;
    for file in [&long, &short] {
        caller.post(&format!("{STORES}/{id}/files"), &json!({"file_id": file})).await.expect(200);
    }
    caller.delete(&format!("/v1/files/{short}")).await.expect(200);
    let failed = over(caller, &format!("{STORES}/{id}/files/{short}")).await;
    assert_eq!((&failed["status"], &failed["last_error"]["code"]), (&json!("failed"), &json!("invalid_file")), "{failed}");
    assert_eq!(over(caller, &format!("{STORES}/{id}/files/{long}")).await["status"], "completed");
}

#[tokio::test]
async fn what_is_under_way_goes_on_where_the_server_is_killed() {
    let mut node = Node::start().await;
    let tenant = node.tenant("killed").await;
    let mut files = Vec::new();
    for n in 0..6 {
        files.push(upload(&tenant.service, &format!("The quince has {n} seeds. ").repeat(2_000)).await);
    }
    let id = store(&tenant.service, &json!({"file_ids": files})).await;
    node.kill();
    node.start_again().await;
    let caller = tenant.service.at(&node.anyone);
    let ready = over(&caller, &format!("{STORES}/{id}")).await;
    assert_eq!(ready["file_counts"]["completed"], 6, "{ready}");
    let (mut read, _) = page(&caller, &format!("{STORES}/{id}/files")).await;
    read.sort();
    files.sort();
    assert_eq!(read, files);
}
