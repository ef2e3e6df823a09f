//! `/api/v1/requests/{id}` and `/api/v1/tenants/{tenant}/requests`.

use insula_tests::Node;
use insula_tests::ledger::request_ids;
use insula_tests::tenant::{list, streamed_chat};
use serde_json::json;

#[tokio::test]
async fn requests_are_listed_latest_first_and_in_pages() {
    let node = Node::start().await;
    let tenant = node.tenant("list").await;
    let mut sent = Vec::new();
    for index in 0..5 {
        sent.push(tenant.chat(&format!("number {index}")).await.expect(200).request_id().to_owned());
    }
    sent.reverse();
    assert_eq!(request_ids(&tenant.admin, &tenant.id).await, sent);
    let page = tenant.admin.get(&tenant.path("/requests?limit=2")).await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    let next = page["next_cursor"].as_str().unwrap();
    let page = list(tenant.admin.get(&tenant.path(&format!("/requests?limit=2&cursor={next}"))).await);
    assert_eq!(page[0]["id"], sent[2]);
    for field in ["status", "model", "cost_usd", "started_at"] {
        assert!(page[0].get(field).is_some_and(|value| !value.is_null()), "no `{field}`: {}", page[0]);
    }
    assert!(!page[0].to_string().contains("number"), "a list shows no content");
}

#[tokio::test]
async fn its_admin_reads_what_was_said_and_the_operator_does_not() {
    let node = Node::start().await;
    let tenant = node.tenant("content").await;
    let stream = tenant.service.stream("/v1/chat/completions", &streamed_chat("between us")).await.expect_open();
    let id = stream.request_id();
    stream.collect().await.expect_complete();
    assert!(tenant.content(&id).await.contains("between us"));
    node.operator().get(&format!("/api/v1/requests/{id}?include=content")).await.problem(403, "forbidden");
    let shown = node.operator().get(&format!("/api/v1/requests/{id}")).await.expect(200);
    assert!(!shown.text().contains("between us"));
    assert_eq!(shown.json()["attempts"].as_array().unwrap().len(), 1);
    tenant.service.get(&format!("/api/v1/requests/{id}")).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_foreign_request_is_like_one_that_never_was() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    let id = other.chat("theirs").await.expect(200).request_id().to_owned();
    other.request(&id).await;
    let normal = |mut problem: serde_json::Value| {
        problem["request_id"] = json!(null);
        if let Some(instance) = problem.get_mut("instance") {
            *instance = json!(null);
        }
        problem
    };
    let foreign = normal(own.admin.get(&format!("/api/v1/requests/{id}")).await.problem(404, "not_found"));
    let mut other_id = id.clone();
    other_id.replace_range(id.len() - 3.., "000");
    for unknown in [other_id.as_str(), "req_00000000000000000000000000", "nonsense", "%00", "..%2f..%2fkeys"] {
        let reply = own.admin.get(&format!("/api/v1/requests/{unknown}")).await;
        assert_eq!(normal(reply.problem(404, "not_found")), foreign, "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_outlive_a_stop_and_a_crash() {
    let mut node = Node::start().await;
    let tenant = node.tenant("restart").await;
    let first = tenant.chat("before the stop").await.expect(200).request_id().to_owned();
    node.stop();
    node.start_again().await;
    let admin = node.anyone.with(tenant.admin.credential().unwrap());
    let read = async |admin: &insula_tests::Caller, id: &str| {
        admin.get(&format!("/api/v1/requests/{id}?include=content")).await.expect(200).text()
    };
    assert!(read(&admin, &first).await.contains("before the stop"));
    let service = node.anyone.with(tenant.service.credential().unwrap());
    let body = insula_tests::tenant::chat("before the crash");
    let second = service.post("/v1/chat/completions", &body).await.expect(200).request_id().to_owned();
    assert!(read(&admin, &second).await.contains("before the crash"));
    node.kill();
    node.start_again().await;
    let admin = node.anyone.with(tenant.admin.credential().unwrap());
    for (id, text) in [(&first, "before the stop"), (&second, "before the crash")] {
        assert!(read(&admin, id).await.contains(text));
    }
}
