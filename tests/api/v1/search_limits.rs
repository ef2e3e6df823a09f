//! Searches count as requests, and take turns.

use std::sync::Arc;

use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::documents::publish;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Reply, TestTenant, eventually, stores};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

async fn search(tenant: &TestTenant) -> Reply {
    tenant.admin.post(&tenant.path("/search"), &json!({"query": "deposit"})).await
}

async fn store_search(tenant: &TestTenant, store: &str, query: Value) -> Reply {
    tenant.service.post(&format!("{}/{store}/search", stores::STORES), &json!({"query": query})).await
}

#[track_caller]
fn assert_when(reply: &Reply) {
    let wait: u64 = reply.header("retry-after").parse().expect("retry-after in seconds");
    assert!((1..=60).contains(&wait), "{wait}");
}

/// Refused in the words of management.
#[track_caller]
fn assert_refused(reply: &Reply) {
    reply.problem(429, "rate_limit_exceeded");
    assert_when(reply);
}

/// Refused in OpenAI's words.
#[track_caller]
fn assert_limited(reply: &Reply) {
    reply.openai_error(429, "rate_limit_exceeded");
    assert_when(reply);
}

async fn counted(node: &Node) {
    let tenant = node.tenant("counted").await;
    publish(&tenant, "lease", "The deposit is returned.").await;
    let store = stores::store(&tenant.service, &json!({})).await;
    tenant.set_limits(json!({"requests_per_minute": 4})).await;
    search(&tenant).await.expect(200);
    tenant.chat("hi").await.expect(200);
    let found = store_search(&tenant, &store, json!("deposit")).await.expect(200);
    assert_eq!((found.header("x-ratelimit-limit-requests"), found.header("x-ratelimit-remaining-requests")), ("4", "1"));
    search(&tenant).await.expect(200);
    assert_refused(&search(&tenant).await);
    assert_limited(&store_search(&tenant, &store, json!("deposit")).await);
    assert_limited(&tenant.chat("hi").await);
    // What is wrong is told for nothing, and another tenant does not notice.
    tenant.admin.post(&tenant.path("/search"), &json!({"query": " "})).await.problem(400, "invalid_request");
    search(&node.tenant("other").await).await.expect(200);
}

#[tokio::test]
async fn a_search_counts_as_a_request() {
    counted(&Node::start().await).await;
}

#[tokio::test]
async fn a_search_counts_as_a_request_in_a_cluster() {
    counted(&Node::clustered().await).await;
}

#[tokio::test]
async fn each_question_counts() {
    let node = Node::start().await;
    let tenant = node.tenant("questions").await;
    let store = stores::store(&tenant.service, &json!({})).await;
    tenant.set_limits(json!({"requests_per_minute": 8})).await;
    let found = store_search(&tenant, &store, json!(["one", "two", "three"])).await.expect(200);
    assert_eq!(found.header("x-ratelimit-remaining-requests"), "5");
    let found = store_search(&tenant, &store, json!(["one", "two", "three", "four"])).await.expect(200);
    assert_eq!(found.header("x-ratelimit-remaining-requests"), "1");
    assert_limited(&store_search(&tenant, &store, json!(["one", "two"])).await);
    store_search(&tenant, &store, json!("one")).await.expect(200);
}

#[tokio::test]
async fn a_key_has_limits_of_its_own() {
    let node = Node::start().await;
    let tenant = node.tenant("keys").await;
    let (id, admin) = tenant.key("admin").await;
    tenant.operator.put(&tenant.path(&format!("/keys/{id}/limits")), &json!({"requests_per_minute": 1})).await.expect(200);
    let ask = json!({"query": "deposit"});
    admin.post(&tenant.path("/search"), &ask).await.expect(200);
    assert_refused(&admin.post(&tenant.path("/search"), &ask).await);
    search(&tenant).await.expect(200);
}

#[tokio::test]
async fn a_search_takes_a_seat() {
    let node = Node::start().await;
    let tenant = node.tenant("seats").await;
    let store = stores::store(&tenant.service, &json!({})).await;
    tenant.set_limits(json!({"concurrency": 1})).await;
    node.scenario(Scenario { chunks: 60, gap_ms: 500, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("one")).await.expect_open();
    stream.first_content().await;
    assert_refused(&search(&tenant).await);
    assert_limited(&store_search(&tenant, &store, json!("deposit")).await);
    drop(stream);
    eventually("the seat is free again", || async { (search(&tenant).await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn what_is_searched_before_an_answer_belongs_to_its_request() {
    let node = Node::start().await;
    let tenant = node.tenant("grounded").await;
    publish(&tenant, "lease", "The deposit is returned.").await;
    tenant.set_limits(json!({"requests_per_minute": 1, "concurrency": 1})).await;
    let mut body = chat("When is the deposit returned?");
    body["insula"] = json!({"retrieval": {}});
    tenant.service.post(CHAT, &body).await.expect(200);
    assert_limited(&tenant.service.post(CHAT, &body).await);
}

/// A node that makes one search of a tenant at a time.
async fn narrow() -> Node {
    let more = vec![("knowledge", "searches_per_tenant_max = 1".to_owned())];
    Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await
}

/// So many searches at once; their replies.
async fn at_once(tenant: &Arc<TestTenant>, count: usize) -> Vec<Reply> {
    let searches: Vec<_> = (0..count)
        .map(|_| {
            let tenant = Arc::clone(tenant);
            tokio::spawn(async move { search(&tenant).await })
        })
        .collect();
    let mut replies = Vec::new();
    for search in searches {
        replies.push(search.await.unwrap());
    }
    replies
}

#[tokio::test]
async fn searches_of_a_tenant_wait_for_each_other() {
    let node = narrow().await;
    let tenant = Arc::new(node.tenant("turns").await);
    let text: String = (0..200).map(|n| format!("## Clause {n}\n\n{}\n\n", "The deposit is returned. ".repeat(40))).collect();
    publish(&tenant, "lease.md", &text).await;
    for reply in at_once(&tenant, 30).await {
        reply.expect(200);
    }
    // Where few may wait the rest are told when to come again.
    tenant.set_limits(json!({"queue_depth_max": 1})).await;
    let replies = at_once(&tenant, 60).await;
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert!(!served.is_empty() && !refused.is_empty(), "{} served", served.len());
    for reply in refused {
        assert_refused(reply);
        assert!(reply.text().contains("knowledge.searches_per_tenant_max"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_filter_has_so_many_values_in_all() {
    let node = Node::start().await;
    let tenant = node.tenant("values").await;
    let values = json!({"in": (0..200).collect::<Vec<_>>()});
    let ask = |filter: Value| json!({"query": "deposit", "filter": filter});
    tenant.admin.post(&tenant.path("/search"), &ask(json!({"a": values}))).await.expect(200);
    let problem = tenant.admin.post(&tenant.path("/search"), &ask(json!({"a": values, "b": values}))).await;
    assert_eq!(problem.problem(400, "invalid_request")["param"], "filter");
}
