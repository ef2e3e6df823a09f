//! `/api/v1/tenants/{tenant}/documents`.

mod reading;
mod room;
mod suspended;

use http::Method;
use insula_tests::config::ServeConfig;
use insula_tests::documents::{found, hand_in, over, publish, publish_with, search};
use insula_tests::node::Setup;
use insula_tests::tenant::list;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

async fn read(tenant: &TestTenant, id: &str) -> Value {
    tenant.admin.get(&tenant.path(&format!("/documents/{id}"))).await.expect(200).json()
}

/// Hands in, lists, shows, finds and removes.
async fn a_document_from_its_arrival_to_its_end(node: &Node) {
    let tenant = node.tenant("life").await;
    let metadata = json!({"kind": "lease", "year": 2024, "signed": true, "rooms": ["kitchen", "bath"]});
    let text = "The deposit is returned within two months.\r\n\r\nPets are welcome.";
    let id = publish_with(&tenant, &json!({"name": "lease.md", "text": text, "metadata": metadata, "access": ["ann"]})).await;
    let document = read(&tenant, &id).await;
    let told = ["id", "name", "error", "metadata", "access", "bytes"].map(|field| document[field].clone());
    assert_eq!(told, [json!(id), json!("lease.md"), Value::Null, metadata, json!(["ann"]), json!(text.len())]);
    assert_eq!(document["progress"], json!({"done": 1, "total": 1}));
    assert_eq!(document["embedding"], json!({"model": "lexical-hashing-1", "dimension": 384}));

    let second = publish(&tenant, "second", "Something else.").await;
    let path = tenant.path("/documents");
    let page = tenant.admin.get(&format!("{path}?limit=1")).await.expect(200).json();
    assert_eq!((&page["data"][0]["id"], page["data"].as_array().unwrap().len()), (&json!(second), 1));
    let next = page["next_cursor"].as_str().unwrap();
    let rest = tenant.admin.get(&format!("{path}?limit=1&cursor={next}")).await.expect(200).json();
    assert_eq!((&rest["data"][0]["id"], &rest["next_cursor"]), (&json!(id), &Value::Null));

    assert_eq!(found(&tenant, &json!({"query": "deposit", "limit": 1})).await, std::slice::from_ref(&id));
    let one = format!("{path}/{id}");
    assert_eq!(tenant.admin.delete(&one).await.expect(204).text(), "");
    tenant.admin.get(&one).await.problem(404, "not_found");
    tenant.admin.delete(&one).await.problem(404, "not_found");
    assert_eq!(found(&tenant, &json!({"query": "deposit"})).await, [second]);
}

#[tokio::test]
async fn from_its_arrival_to_its_end() {
    a_document_from_its_arrival_to_its_end(&Node::start().await).await;
}

#[tokio::test]
async fn from_its_arrival_to_its_end_in_a_cluster() {
    a_document_from_its_arrival_to_its_end(&Node::clustered().await).await;
}

const BOUNDARY: &str = "----the-tests";

/// Parts of a form: a name, what else stands in its head, and its bytes.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, more, value) in parts {
        form.extend(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n").bytes());
        form.extend_from_slice(value);
        form.extend(b"\r\n");
    }
    form.extend(format!("--{BOUNDARY}--\r\n").bytes());
    form
}

async fn upload(tenant: &TestTenant, parts: &[(&str, &str, &[u8])]) -> insula_tests::Reply {
    let call = tenant.admin.call(Method::POST, &tenant.path("/documents"));
    call.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}")).body(form(parts)).send().await
}

#[tokio::test]
async fn a_form_is_taken_as_it_arrives() {
    let node = Node::start().await;
    let tenant = node.tenant("form").await;
    let file = "; filename=\"notes.md\"\r\ncontent-type: text/markdown";
    let parts: [(&str, &str, &[u8]); 3] = [
        ("metadata", "", br#"{"kind": "note"}"#),
        ("file", file, "# Größe\n\nThe tower is 300 m high.".as_bytes()),
        ("access", "", b"[]"),
    ];
    let added = upload(&tenant, &parts).await.expect(201).json();
    let told = ["name", "media_type", "status"].map(|field| added[field].clone());
    assert_eq!(told, [json!("notes.md"), json!("text/markdown"), json!("queued")]);
    let path = tenant.path(&format!("/documents/{}", added["id"].as_str().unwrap()));
    assert_eq!(over(&tenant.admin, &path).await["status"], "ready");
    let hits = search(&tenant, &json!({"query": "how high is the tower", "filter": {"kind": "note"}})).await;
    assert_eq!(hits[0]["citation"]["quote"], "The tower is 300 m high.");
    let named = upload(&tenant, &[("file", file, b"x"), ("name", "", "Größe".as_bytes())]).await.expect(201).json();
    assert_eq!(named["name"], "Größe");

    for (parts, param) in [
        (vec![("name", "", &b"x"[..])], "file"),
        (vec![("file", file, b"x"), ("file", file, b"y")], "file"),
        (vec![("file", file, b"x"), ("purpose", "", b"y")], "purpose"),
        (vec![("file", file, b"x"), ("metadata", "", b"[1]")], "metadata"),
        (vec![("file", file, b"x"), ("metadata", "", br#"{"a": {}}"#)], "metadata.a"),
        (vec![("file", file, b"x"), ("access", "", br#"{"a": 1}"#)], "access"),
        (vec![("file", file, b"x"), ("name", "", b" ")], "name"),
    ] {
        let problem = upload(&tenant, &parts).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], param, "{problem}");
    }
    // Nothing of what was refused is kept.
    assert_eq!(list(tenant.admin.get(&tenant.path("/documents")).await).len(), 2);
    assert_eq!(tenant.service.get("/v1/files").await.expect(200).json()["data"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    for (field, body) in [
        ("name", json!({"text": "x"})),
        ("name", json!({"name": "\u{7}", "text": "x"})),
        ("text", json!({"name": "x"})),
        ("other", json!({"name": "x", "text": "x", "other": 1})),
        ("metadata.a", json!({"name": "x", "text": "x", "metadata": {"a": null}})),
        ("metadata.a", json!({"name": "x", "text": "x", "metadata": {"a": "x".repeat(513)}})),
        (
            "metadata",
            json!({"name": "x", "text": "x", "metadata": (0..33).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>()}),
        ),
        ("access", json!({"name": "x", "text": "x", "access": [""]})),
    ] {
        let problem = tenant.admin.post(&tenant.path("/documents"), &body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
    assert!(list(tenant.admin.get(&tenant.path("/documents")).await).is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let node = Node::start().await;
    let tenant = node.tenant("unread").await;
    for (name, text, code) in
        [("a.pdf", "%PDF-1.7", "damaged"), ("a.rtf", "{\\rtf1 text}", "unsupported"), ("a.txt", " \n", "empty")]
    {
        let id = hand_in(&tenant, &json!({"name": name, "text": text})).await;
        let document = over(&tenant.admin, &tenant.path(&format!("/documents/{id}"))).await;
        assert_eq!((&document["status"], &document["error"]["code"]), (&json!("failed"), &json!(code)), "{document}");
        tenant.admin.delete(&tenant.path(&format!("/documents/{id}"))).await.expect(204);
    }
}

#[tokio::test]
async fn operators_see_how_documents_stand_and_not_what_they_hold() {
    let node = Node::start().await;
    let tenant = node.tenant("blind").await;
    let path = tenant.path("/documents");
    let body =
        json!({"name": "secret-name", "text": "secret-text", "metadata": {"secret-field": 1}, "access": ["secret-user"]});
    let added = tenant.operator.post(&path, &body).await.expect(201);
    assert!(!added.text().contains("secret"), "{}", added.text());
    let id = added.json()["id"].as_str().unwrap().to_owned();
    over(&tenant.admin, &format!("{path}/{id}")).await;
    for shown in [tenant.operator.get(&path).await, tenant.operator.get(&format!("{path}/{id}")).await] {
        let shown = shown.expect(200).text();
        assert!(shown.contains("ready") && !shown.contains("secret"), "{shown}");
    }
    let asked = json!({"query": "secret-text"});
    tenant.operator.post(&tenant.path("/search"), &asked).await.problem(403, "forbidden");
    tenant.service.post(&tenant.path("/search"), &asked).await.problem(403, "forbidden");
    assert_eq!(found(&tenant, &asked).await, std::slice::from_ref(&id));
    tenant.operator.delete(&format!("{path}/{id}")).await.expect(204);
    assert!(found(&tenant, &asked).await.is_empty());
}

#[tokio::test]
async fn every_bound_holds() {
    let more = vec![
        ("knowledge", "document_bytes_max = 1000".to_owned()),
        ("knowledge", "documents_per_tenant_max = 3".to_owned()),
        ("knowledge", "tenant_bytes_max = 1500".to_owned()),
        ("knowledge", "chunk_characters_max = 50".to_owned()),
        ("knowledge", "chunks_per_tenant_max = 15".to_owned()),
    ];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("bounds").await;
    let path = tenant.path("/documents");
    let text = |bytes: usize| json!({"name": "x", "text": "word ".repeat(bytes / 5)});
    tenant.admin.post(&path, &text(1005)).await.problem(413, "too_large");
    let first = publish_with(&tenant, &text(600)).await;
    // 12 chunks are there; with 10 more there would be too many.
    let id = hand_in(&tenant, &text(500)).await;
    let document = over(&tenant.admin, &format!("{path}/{id}")).await;
    assert_eq!(document["error"]["code"], "too_many_chunks", "{document}");
    tenant.admin.post(&path, &text(500)).await.problem(413, "too_large");
    hand_in(&tenant, &text(5)).await;
    tenant.admin.post(&path, &text(5)).await.problem(413, "too_large");
    tenant.admin.delete(&format!("{path}/{first}")).await.expect(204);
    publish_with(&tenant, &text(500)).await;
    // Another tenant has all the room.
    publish(&node.tenant("roomy").await, "x", "text").await;
}

/// A text of so many chunks: each has a heading of its own.
fn long(chunks: usize) -> String {
    (0..chunks).map(|n| format!("## Part {n} begins\n\n{}\n\n", format!("Part {n} of it. ").repeat(70))).collect()
}

/// Kills in the middle of it all, however often.
const KILLS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_and_doubles_nothing() {
    let mut node = Node::start().await;
    let mut tenant = node.tenant("killed").await;
    let mut handed_in = Vec::new();
    for round in 0..KILLS {
        for n in 0..2 {
            let body = json!({"name": "long.md", "text": long(150), "metadata": {"which": format!("{round}-{n}")}});
            handed_in.push((hand_in(&tenant, &body).await, body["metadata"].clone()));
        }
        // Early ones find it reading, late ones publishing.
        tokio::time::sleep(std::time::Duration::from_millis(40 + 250 * round)).await;
        node.kill();
        node.start_again().await;
        tenant = tenant.at(&node.operator());
    }
    for (id, metadata) in &handed_in {
        let document = over(&tenant.admin, &tenant.path(&format!("/documents/{id}"))).await;
        assert_eq!((&document["status"], &document["progress"]["total"]), (&json!("ready"), &json!(150)), "{document}");
        let hits = search(&tenant, &json!({"query": "part", "limit": 50, "filter": metadata})).await;
        assert_eq!(hits.len(), 50);
        assert!(hits.iter().all(|hit| hit["document"] == json!(id)));
        let hits = search(&tenant, &json!({"query": "part 149", "limit": 1, "filter": metadata})).await;
        assert!(hits[0]["text"].as_str().unwrap().starts_with("Part 149 "), "{}", hits[0]);
    }
    assert_eq!(list(tenant.admin.get(&tenant.path("/documents?limit=200")).await).len(), handed_in.len());
}
