//! `/api/v1/tenants`.

use std::time::Instant;

use insula_tests::tenant::list;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

const TENANTS: &str = "/api/v1/tenants";

#[tokio::test]
async fn a_tenant_is_created_and_found_by_slug_and_id() {
    let node = Node::start().await;
    let operator = node.operator();
    let body = json!({
        "slug": "umbrella", "name": "Umbrella Corp", "external_id": "crm-17", "region": "eu",
        "placement": "shared", "tags": {"team": "blue"}
    });
    let reply = operator.post(TENANTS, &body).await.expect(201);
    let created = reply.json();
    assert!(created["id"].as_str().unwrap().starts_with("ten_"));
    for field in ["slug", "name", "external_id", "region", "placement", "tags"] {
        assert_eq!(created[field], body[field], "{field}");
    }
    assert_eq!(created["state"], "active");
    for named in ["umbrella", created["id"].as_str().unwrap()] {
        assert_eq!(operator.get(&format!("{TENANTS}/{named}")).await.expect(200).json(), created);
    }
    let listed = list(operator.get(TENANTS).await);
    assert!(listed.contains(&created), "{listed:?}");
}

#[tokio::test]
async fn a_tenant_is_ready_in_one_quick_call() {
    let node = Node::start().await;
    let operator = node.operator();
    // The first call pays for what all share: connection, template.
    operator.post(TENANTS, &json!({"slug": "warm", "name": "warm"})).await.expect(201);
    let started = Instant::now();
    let tenant = TestTenant::create(&operator, "quick").await;
    tenant.chat("ready").await.expect(200);
    assert!(started.elapsed().as_millis() < 1_000, "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let operator = node.operator();
    let cases = [
        ("slug", json!({"name": "n"})),
        ("slug", json!({"slug": "Not A Slug", "name": "n"})),
        ("slug", json!({"slug": "", "name": "n"})),
        ("slug", json!({"slug": "x".repeat(64), "name": "n"})),
        ("slug", json!({"slug": "-edge", "name": "n"})),
        ("slug", json!({"slug": 7, "name": "n"})),
        ("name", json!({"slug": "s"})),
        ("name", json!({"slug": "s", "name": "a\u{0}b"})),
        ("name", json!({"slug": "s", "name": ""})),
        ("placement", json!({"slug": "s", "name": "n", "placement": "moon"})),
        ("region", json!({"slug": "s", "name": "n", "region": "../etc"})),
        ("tags", json!({"slug": "s", "name": "n", "tags": ["a"]})),
        ("surprise", json!({"slug": "s", "name": "n", "surprise": true})),
    ];
    for (field, body) in cases {
        let reply = operator.post(TENANTS, &body).await;
        reply.problem(400, "invalid_request");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
    for body in ["", "{", "[]", "null", "{\"slug\":\"a\",\"slug\":\"b\",\"name\":\"n\"}"] {
        let call = operator.call(http::Method::POST, TENANTS).header("content-type", "application/json").body(body);
        call.send().await.problem(400, "invalid_request");
    }
    let deep = format!("{{\"slug\":\"s\",\"name\":\"n\",\"tags\":{}1{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let call = operator.call(http::Method::POST, TENANTS).header("content-type", "application/json").body(deep);
    let reply = call.send().await;
    assert!((400..500).contains(&reply.status), "{}", reply.text());
}

#[tokio::test]
async fn slugs_and_external_ids_are_unique() {
    let node = Node::start().await;
    let operator = node.operator();
    operator.post(TENANTS, &json!({"slug": "one", "name": "n", "external_id": "e"})).await.expect(201);
    operator.post(TENANTS, &json!({"slug": "one", "name": "n"})).await.problem(409, "conflict");
    operator.post(TENANTS, &json!({"slug": "two", "name": "n", "external_id": "e"})).await.problem(409, "conflict");
    operator.post(TENANTS, &json!({"slug": "two", "name": "n"})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_that_want_one_slug_one_gets_it() {
    let node = Node::start().await;
    let operator = node.operator();
    let calls = (0..20).map(|_| {
        let operator = operator.clone();
        tokio::spawn(async move { operator.post(TENANTS, &json!({"slug": "wanted", "name": "n"})).await.status })
    });
    let mut statuses = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        statuses.push(call.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
}

#[tokio::test]
async fn a_change_needs_the_version_it_was_made_from() {
    let node = Node::start().await;
    let tenant = node.tenant("change").await;
    let etag = |reply: &insula_tests::Reply| reply.header("etag").to_owned();
    let first = tenant.operator.get(&tenant.path("")).await.expect(200);
    assert!(!etag(&first).is_empty());
    let change = |name: &str, version: &str| {
        let call = tenant.operator.call(http::Method::PATCH, &tenant.path("")).json(&json!({"name": name}));
        let call = if version.is_empty() { call } else { call.header("if-match", version) };
        call.send()
    };
    let second = change("Second", &etag(&first)).await.expect(200);
    assert_eq!(second.json()["name"], "Second");
    assert_ne!(etag(&second), etag(&first));
    change("Third", &etag(&first)).await.problem(412, "precondition_failed");
    let now = tenant.operator.get(&tenant.path("")).await.expect(200).json();
    assert_eq!(now["name"], "Second", "a stale change changes nothing");
    change("Fourth", &etag(&second)).await.expect(200);
    change("Fifth", "\"nonsense\"").await.problem(412, "precondition_failed");
}

#[tokio::test]
async fn an_admin_changes_only_what_is_its_own() {
    let node = Node::start().await;
    let tenant = node.tenant("own").await;
    let path = tenant.path("");
    assert_eq!(tenant.admin.patch(&path, &json!({"name": "Renamed"})).await.expect(200).json()["name"], "Renamed");
    tenant.admin.patch(&path, &json!({"tags": {"a": "b"}})).await.expect(200);
    for body in [json!({"region": "eu"}), json!({"placement": "shared"}), json!({"external_id": "x"})] {
        tenant.admin.patch(&path, &body).await.problem(403, "forbidden");
    }
    for body in [json!({"slug": "other"}), json!({"state": "active"}), json!({"id": "ten_x"}), json!({"version": 9})] {
        let reply = tenant.admin.patch(&path, &body).await;
        assert!(reply.status == 400 || reply.status == 403, "{body}: {}", reply.text());
    }
    tenant.service.patch(&path, &json!({"name": "no"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn deleting_answers_a_receipt_and_leaves_nothing() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("gone").await, node.tenant("kept").await);
    tenant.chat("forget this").await.expect(200);
    let receipt = tenant.operator.delete(&tenant.path("")).await.expect(200).json();
    assert_eq!(receipt["tenant"], tenant.id);
    for field in ["erased_at", "keys_gone_after"] {
        let time = receipt[field].as_str().unwrap_or_else(|| panic!("no `{field}`: {receipt}"));
        assert!(insula_model::Timestamp::parse(time).is_ok(), "{receipt}");
    }
    tenant.operator.get(&tenant.path("")).await.problem(404, "not_found");
    tenant.operator.get("/api/v1/tenants/gone").await.problem(404, "not_found");
    assert_eq!(tenant.chat("hello?").await.status, 401);
    assert_eq!(tenant.admin.get(&tenant.path("/keys")).await.status, 401);
    assert!(!list(tenant.operator.get(TENANTS).await).iter().any(|row| row["id"] == tenant.id.as_str()));
    other.chat("still here").await.expect(200);
    // The slug is free again, and the new tenant has nothing of the old one.
    let again = node.tenant("gone").await;
    assert_ne!(again.id, tenant.id);
    assert!(list(again.admin.get(&again.path("/requests")).await).is_empty());
    assert!(again.usage().await.is_null());
}

/// Killed in the middle of an erasure, again and again: the tenant is there, or it is gone; never half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_interrupted_is_completed() {
    let mut node = Node::start().await;
    for round in 0..6 {
        let tenant = node.tenant(&format!("interrupted-{round}")).await;
        tenant.chat("remember me").await.expect(200);
        let folder = node.data_dir().join("tenants").join(tenant.id.trim_start_matches("ten_"));
        let erasing = {
            let (operator, path) = (node.operator(), tenant.path(""));
            tokio::spawn(async move { operator.call(http::Method::DELETE, &path).try_send().await.map(|reply| reply.status) })
        };
        tokio::time::sleep(std::time::Duration::from_millis(round * 3)).await;
        node.kill();
        let answered = erasing.await.unwrap();
        node.start_again().await;
        let there = node.operator().get(&tenant.path("")).await.status;
        let service = node.anyone.with(tenant.service.credential().unwrap());
        let served = service.post("/v1/chat/completions", &insula_tests::tenant::chat("and now?")).await.status;
        match there {
            200 => assert!(served == 200 && answered.is_err(), "{answered:?}, {served}"),
            404 => {
                assert_eq!(served, 401);
                assert!(!folder.exists(), "a restart completes what was begun");
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn suspending_twice_is_suspending_once() {
    let node = Node::start().await;
    let tenant = node.tenant("twice").await;
    for _ in 0..2 {
        let state = tenant.operator.post(&tenant.path("/suspend"), &Value::Null).await.expect(200).json();
        assert_eq!(state["state"], "suspended");
    }
    for _ in 0..2 {
        assert_eq!(tenant.operator.post(&tenant.path("/resume"), &Value::Null).await.expect(200).json()["state"], "active");
    }
    tenant.admin.post(&tenant.path("/suspend"), &Value::Null).await.problem(403, "forbidden");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let node = Node::start().await;
    let operator = node.operator();
    for index in 0..7 {
        operator.post(TENANTS, &json!({"slug": format!("page-{index}"), "name": "n"})).await.expect(201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = operator.get(&format!("{TENANTS}?limit=2{cursor}")).await.expect(200).json();
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| row["slug"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole: Vec<_> = list(operator.get(TENANTS).await).iter().map(|row| row["slug"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, whole, "no page skips or repeats");
    for wrong in ["limit=0", "limit=-1", "limit=100000", "limit=x", "cursor=nonsense", "nonsense=1"] {
        operator.get(&format!("{TENANTS}?{wrong}")).await.problem(400, "invalid_request");
    }
}
