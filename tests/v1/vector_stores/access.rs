//! Who finds what is in a tenant's stores: nobody of another tenant, and an end user only what names that one or nobody.

use insula_tests::stores::{STORES, attach, batch, found, page, publish, search, store, upload};
use insula_tests::{Caller, Node, TestTenant};
use serde_json::json;

async fn token(tenant: &TestTenant, end_user: &str) -> Caller {
    let made = tenant.admin.post(&tenant.path("/tokens"), &json!({"end_user": end_user, "ttl_seconds": 600})).await;
    tenant.admin.with(made.expect(201).json()["token"].as_str().unwrap())
}

async fn end_users_see_what_is_theirs(node: &Node) {
    let tenant = node.tenant("readers").await;
    let caller = &tenant.service;
    let id = store(caller, &json!({})).await;
    let open = publish(caller, &id, "The quince is yellow.", json!({})).await;
    let anns = upload(caller, "The quince is ann's.").await;
    attach(caller, &id, &json!({"file_id": anns, "access": ["ann"]})).await;
    let bobs = upload(caller, "The quince is bob's.").await;
    batch(caller, &id, &json!({"file_ids": [bobs], "access": ["bob"]})).await;

    let files = format!("{STORES}/{id}/files");
    let sorted = |mut files: Vec<String>| {
        files.sort();
        files
    };
    let all = sorted(vec![open.clone(), anns.clone(), bobs.clone()]);
    let ann = token(&tenant, "ann").await;
    let (anns_own, theirs) = (sorted(vec![open.clone(), anns.clone()]), &bobs);
    assert_eq!(sorted(found(&ann, &id, &json!({"query": "quince"})).await), anns_own);
    // A token's own end user counts, whoever else the body names.
    assert_eq!(sorted(found(&ann, &id, &json!({"query": "quince", "user": "bob"})).await), anns_own);
    assert_eq!(sorted(page(&ann, &files).await.0), anns_own);
    assert_eq!(page(&ann, &format!("{files}?limit=2")).await.0.len(), 2, "what is not seen makes no page shorter");
    ann.get(&format!("{files}/{anns}")).await.expect(200);
    for path in [format!("{files}/{theirs}"), format!("{files}/{theirs}/content")] {
        let hidden = ann.get(&path).await.openai_error(404, "not_found");
        let never = ann.get(&path.replace(theirs, "file_00000000000000000000000000")).await.openai_error(404, "not_found");
        assert_eq!(hidden["message"], never["message"]);
    }
    // What is hidden is no place in a list, and nobody is told who else may see what one sees.
    let hidden = ann.get(&format!("{files}?after={theirs}")).await.openai_error(400, "invalid_request");
    let never = ann.get(&format!("{files}?after=file_00000000000000000000000000")).await.openai_error(400, "invalid_request");
    assert_eq!(hidden["message"], never["message"]);
    attach(caller, &id, &json!({"file_id": anns, "access": ["ann", "bob"]})).await;
    assert_eq!(ann.get(&format!("{files}/{anns}")).await.expect(200).json()["access"], json!(["ann"]));
    // Whoever asks with a key may say for whom.
    assert_eq!(sorted(found(caller, &id, &json!({"query": "quince", "user": "ann"})).await), anns_own);
    assert_eq!(found(caller, &id, &json!({"query": "quince", "user": "carl"})).await, std::slice::from_ref(&open));
    assert_eq!(sorted(found(caller, &id, &json!({"query": "quince"})).await), all);
    assert_eq!(sorted(page(caller, &files).await.0), all);

    // A token of an end user changes nothing that is everybody's.
    let path = format!("{STORES}/{id}");
    for refused in [
        ann.post(STORES, &json!({})).await,
        ann.post(&path, &json!({"name": "ann's"})).await,
        ann.delete(&path).await,
        ann.post(&files, &json!({"file_id": anns})).await,
        ann.post(&format!("{files}/{anns}"), &json!({"attributes": {}})).await,
        ann.delete(&format!("{files}/{anns}")).await,
        ann.post(&format!("{path}/file_batches"), &json!({"file_ids": [anns]})).await,
    ] {
        refused.openai_error(403, "forbidden");
    }
    assert_eq!(sorted(page(caller, &files).await.0), all);
}

#[tokio::test]
async fn an_end_user_finds_what_it_may_see() {
    end_users_see_what_is_theirs(&Node::start().await).await;
}

#[tokio::test]
async fn an_end_user_finds_what_it_may_see_in_a_cluster() {
    end_users_see_what_is_theirs(&Node::clustered().await).await;
}

async fn nothing_of_another_tenant(node: &Node) {
    let (one, other) = (node.tenant("owner").await, node.tenant("prober").await);
    let id = store(&one.service, &json!({"name": "CANARY-STORE"})).await;
    let file = publish(&one.service, &id, "CANARY-TEXT speaks of the quince.", json!({"word": "CANARY-VALUE"})).await;
    let came = batch(&one.service, &id, &json!({"file_ids": [upload(&one.service, "CANARY-TEXT two").await]})).await;
    let came = came["id"].as_str().unwrap();
    let own = store(&other.service, &json!({})).await;
    let own_file = publish(&other.service, &own, "The quince is mine.", json!({})).await;
    let before =
        (one.service.get(&format!("{STORES}/{id}")).await.json(), page(&one.service, &format!("{STORES}/{id}/files")).await);

    let theirs = format!("{STORES}/{id}");
    let prober = &other.service;
    for reply in [
        prober.get(&theirs).await,
        prober.post(&theirs, &json!({"name": "mine"})).await,
        prober.delete(&theirs).await,
        prober.post(&format!("{theirs}/search"), &json!({"query": "quince"})).await,
        prober.get(&format!("{theirs}/files")).await,
        prober.post(&format!("{theirs}/files"), &json!({"file_id": own_file})).await,
        prober.get(&format!("{theirs}/files/{file}")).await,
        prober.get(&format!("{theirs}/files/{file}/content")).await,
        prober.post(&format!("{theirs}/files/{file}"), &json!({"attributes": {}})).await,
        prober.delete(&format!("{theirs}/files/{file}")).await,
        prober.post(&format!("{theirs}/file_batches"), &json!({"file_ids": [own_file]})).await,
        prober.get(&format!("{theirs}/file_batches/{came}")).await,
        prober.get(&format!("{theirs}/file_batches/{came}/files")).await,
        prober.post(&format!("{theirs}/file_batches/{came}/cancel"), &json!({})).await,
        // With a store of one's own, what is in another's.
        prober.get(&format!("{STORES}/{own}/files/{file}")).await,
        prober.get(&format!("{STORES}/{own}/files/{file}/content")).await,
        prober.delete(&format!("{STORES}/{own}/files/{file}")).await,
        prober.get(&format!("{STORES}/{own}/file_batches/{came}")).await,
        prober.post(&format!("{STORES}/{own}/files"), &json!({"file_id": file})).await,
        prober.post(&format!("{STORES}/{own}/file_batches"), &json!({"file_ids": [file]})).await,
        prober.post(STORES, &json!({"file_ids": [file]})).await,
    ] {
        assert!(!reply.text().contains("CANARY"), "{}", reply.text());
        reply.openai_error(404, "not_found");
    }
    for query in ["CANARY-TEXT", "quince", "CANARY-VALUE"] {
        let hits = search(prober, &own, &json!({"query": query, "max_num_results": 50})).await;
        assert_eq!(hits.len(), 1, "{hits:?}");
        assert_eq!(hits[0]["file_id"], own_file.as_str());
    }
    let filter = json!({"type": "eq", "key": "word", "value": "CANARY-VALUE"});
    assert!(search(prober, &own, &json!({"query": "quince", "filters": filter})).await.is_empty());
    assert_eq!(page(prober, STORES).await.0, [own]);
    let after =
        (one.service.get(&format!("{STORES}/{id}")).await.json(), page(&one.service, &format!("{STORES}/{id}/files")).await);
    assert_eq!(after, before, "a probe had an effect");
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    nothing_of_another_tenant(&Node::start().await).await;
}

#[tokio::test]
async fn another_tenant_finds_nothing_in_a_cluster() {
    nothing_of_another_tenant(&Node::clustered().await).await;
}
