//! `/v1/files`.

use insula_tests::batch::{chats, content, create, file, form, form_type, upload};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::list;
use insula_tests::{Node, eventually};

const FILES: &str = "/v1/files";

#[tokio::test]
async fn what_is_uploaded_is_downloaded() {
    let node = Node::start().await;
    let tenant = node.tenant("files").await;
    // More than a few chunks, the last one not full; and exactly one; and none.
    for text in ["ü and more\n".repeat(70_000), "x".repeat(256 * 1024), String::new()] {
        let made = upload(&tenant.service, &[("file", &text), ("purpose", "batch")]).send().await.expect(200).json();
        assert_eq!(made["bytes"], text.len());
        assert_eq!((&made["object"], &made["purpose"]), (&"file".into(), &"batch".into()));
        assert_eq!(made["filename"], "lines.jsonl");
        let id = made["id"].as_str().unwrap();
        assert_eq!(tenant.service.get(&format!("{FILES}/{id}")).await.expect(200).json(), made);
        assert!(content(&tenant.service, id).await == text, "{} bytes", text.len());
    }
}

#[tokio::test]
async fn a_file_is_for_what_it_is_said_to_be() {
    let node = Node::start().await;
    let tenant = node.tenant("purposes").await;
    for purpose in ["assistants", "user_data", "vision", "evals"] {
        // Before the file, and behind it.
        let first = upload(&tenant.service, &[("purpose", purpose), ("file", "x")]).send().await.expect(200).json();
        let last = upload(&tenant.service, &[("file", "x"), ("purpose", purpose)]).send().await.expect(200).json();
        assert_eq!((&first["purpose"], &last["purpose"]), (&purpose.into(), &purpose.into()));
        let id = first["id"].as_str().unwrap();
        assert_eq!(tenant.service.get(&format!("{FILES}/{id}")).await.expect(200).json(), first);
        assert_eq!(content(&tenant.service, id).await, "x", "whatever it is for, it can be read again");
        assert_eq!(list(tenant.service.get(&format!("{FILES}?purpose={purpose}")).await).len(), 2);
        // It is no input of a batch.
        create(&tenant.service, id, "/v1/embeddings").await.openai_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn files_are_listed_by_pages_and_deleted() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("listed").await, node.tenant("unlisted").await);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(file(&tenant.service, &format!("{n}\n")).await);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let read = async |query: &str| {
        let page = tenant.service.get(&format!("{FILES}?{query}")).await.expect(200).json();
        let found: Vec<String> =
            page["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(page["first_id"].as_str(), found.first().map(String::as_str));
        assert_eq!(page["last_id"].as_str(), found.last().map(String::as_str));
        (found, page["has_more"].as_bool().unwrap())
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(read("").await, (newest.clone(), false));
    assert_eq!(read("limit=2").await, (newest[..2].to_vec(), true));
    assert_eq!(read(&format!("limit=3&after={}", newest[1])).await, (newest[2..].to_vec(), false));
    assert_eq!(read("order=asc&purpose=batch").await, (ids.clone(), false));
    assert_eq!(read("purpose=batch_output").await, (vec![], false));
    assert_eq!(read("purpose=assistants").await, (vec![], false));
    for wrong in ["limit=0", "limit=1001", "after=x", "order=up", "purpose=nothing", "page=2"] {
        tenant.service.get(&format!("{FILES}?{wrong}")).await.openai_error(400, "invalid_request");
    }
    assert!(list(other.service.get(FILES).await).is_empty());

    let path = format!("{FILES}/{}", ids[2]);
    other.service.delete(&path).await.openai_error(404, "not_found");
    assert_eq!(tenant.service.delete(&path).await.expect(200).json()["deleted"], true);
    for gone in [tenant.service.get(&path).await, tenant.service.get(&format!("{path}/content")).await] {
        gone.openai_error(404, "not_found");
    }
    tenant.service.delete(&path).await.openai_error(404, "not_found");
    assert_eq!(read("").await.0.len(), 4);
}

#[tokio::test]
async fn wrong_uploads_leave_nothing() {
    let more = vec![("files", "file_bytes_max = 1000\nper_tenant_max = 2\ntenant_bytes_max = 1500".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("wrong").await;
    let small = "x".repeat(900);
    let wrong: [(&[(&str, &str)], &str); 6] = [
        (&[("file", "x")], "purpose"),
        (&[("purpose", "batch")], "file"),
        (&[("purpose", "document"), ("file", "x")], "purpose"),
        (&[("file", "x"), ("purpose", "fine-tune")], "purpose"),
        (&[("file", "x"), ("purpose", "batch"), ("expires_after[seconds]", "3600")], "expires_after[seconds]"),
        (&[("file", "x"), ("file", "y"), ("purpose", "batch")], "file"),
    ];
    for (fields, param) in wrong {
        let error = upload(&tenant.service, fields).send().await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param, "{fields:?}");
    }
    tenant.service.post(FILES, &serde_json::json!({})).await.openai_error(400, "invalid_request");
    let whole = form(&[("purpose", "batch"), ("file", "x")]);
    for cut in [10, whole.len() / 2, whole.len() - 10] {
        let call = tenant.service.call(http::Method::POST, FILES).header("content-type", &form_type());
        call.body(whole[..cut].to_owned()).send().await.openai_error(400, "invalid_request");
    }
    let large = "x".repeat(1001);
    upload(&tenant.service, &[("purpose", "batch"), ("file", &large)]).send().await.openai_error(413, "too_large");

    let first = file(&tenant.service, &small).await;
    upload(&tenant.service, &[("purpose", "batch"), ("file", &small)]).send().await.openai_error(413, "too_large");
    file(&tenant.service, "x").await;
    upload(&tenant.service, &[("purpose", "batch"), ("file", "x")]).send().await.openai_error(413, "too_large");
    assert_eq!(list(tenant.service.get(FILES).await).len(), 2);
    tenant.service.delete(&format!("{FILES}/{first}")).await.expect(200);
    file(&tenant.service, &small).await;

    let blobs = node.data_dir().join("tenants").join(tenant.id.trim_start_matches("ten_")).join("blobs");
    eventually("only what is shown is on the disk", || async {
        (std::fs::read_dir(&blobs).unwrap().count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_on_the_disk_can_be_read_and_erasing_removes_it() {
    let node = Node::start().await;
    let tenant = node.tenant("sealed").await;
    let id = file(&tenant.service, &"CANARY-FILE ".repeat(30_000)).await;
    let dir = node.data_dir().join("tenants").join(tenant.id.trim_start_matches("ten_"));
    let blob = std::fs::read(dir.join("blobs").join(id.trim_start_matches("file_"))).unwrap();
    assert!(blob.len() > 360_000 && !blob.windows(6).any(|six| six == b"CANARY"));
    node.operator().delete(&format!("/api/v1/tenants/{}", tenant.id)).await.expect(200);
    assert!(!dir.exists());
}

/// A chunk that is taken away or moved is noticed: a download breaks off, it is never another text.
#[tokio::test]
async fn a_damaged_file_is_never_shown_as_another() {
    let node = Node::start().await;
    let tenant = node.tenant("damaged").await;
    let id = file(&tenant.service, &chats(3_000)).await;
    let blob = node.data_dir().join("tenants").join(tenant.id.trim_start_matches("ten_")).join("blobs");
    let blob = blob.join(id.trim_start_matches("file_"));
    let whole = std::fs::read(&blob).unwrap();
    let first = 4 + u32::from_le_bytes(whole[..4].try_into().unwrap()) as usize;
    for damaged in [whole[first..].to_vec(), whole[..first].to_vec(), [&whole[..first], &whole[..first]].concat()] {
        std::fs::write(&blob, damaged).unwrap();
        let read = tenant.service.call(http::Method::GET, &format!("{FILES}/{id}/content")).try_send().await;
        assert!(read.is_err(), "it was read");
    }
}

#[tokio::test]
async fn a_file_that_a_batch_reads_stays() {
    let node = Node::start().await;
    let tenant = node.tenant("in-use").await;
    node.scenario(insula_simulator::Scenario { latency_ms: 400, ..Default::default() });
    let id = file(&tenant.service, &chats(40)).await;
    let batch = create(&tenant.service, &id, "/v1/chat/completions").await.expect(200).json();
    tenant.service.delete(&format!("{FILES}/{id}")).await.openai_error(409, "conflict");
    insula_tests::batch::over(&tenant.service, batch["id"].as_str().unwrap()).await;
    tenant.service.delete(&format!("{FILES}/{id}")).await.expect(200);
}

#[tokio::test]
async fn a_token_of_an_end_user_removes_nothing() {
    let node = Node::start().await;
    let tenant = node.tenant("removers").await;
    let made = file(&tenant.service, &chats(1)).await;
    let ada = tenant.token("ada").await;
    ada.delete(&format!("{FILES}/{made}")).await.openai_error(403, "forbidden");
    // Also one that never was: nothing is told of it.
    ada.delete(&format!("{FILES}/file_00000000000000000000000000")).await.openai_error(403, "forbidden");
    tenant.service.get(&format!("{FILES}/{made}")).await.expect(200);
    tenant.service.delete(&format!("{FILES}/{made}")).await.expect(200);
}
