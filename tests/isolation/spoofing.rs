//! The credential alone says whose request it is, whatever else a request claims.

use insula_tests::http::Call;
use insula_tests::tenant::{chat, list};
use insula_tests::{Caller, Node, TestTenant, raw};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// Header names by which gateways and SDKs have ever named a tenant.
const NAMES: [&str; 18] = [
    "x-tenant-id",
    "x-tenant",
    "tenant-id",
    "x-insula-tenant",
    "x-insula-scope",
    "x-organization-id",
    "x-org-id",
    "openai-organization",
    "openai-project",
    "x-project-id",
    "x-customer-id",
    "x-user-id",
    "x-forwarded-user",
    "x-forwarded-tenant",
    "x-forwarded-host",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
];

/// Every way in which the other tenant can be called by name.
fn claims(call: impl Fn() -> Call, other: &TestTenant) -> Vec<(String, Call)> {
    let other_key = other.admin.credential().unwrap();
    let mut calls = Vec::new();
    for name in NAMES {
        for value in [&other.id, &other.slug] {
            calls.push((format!("{name}: {value}"), call().header(name, value)));
        }
    }
    calls.push(("a cookie".into(), call().header("cookie", &format!("tenant={}; key={other_key}", other.id))));
    calls
}

/// Whose request it was: only its own tenant can read it.
async fn assert_owner(request: &str, owner: &TestTenant, other: &TestTenant, what: &str) {
    assert_eq!(owner.request(request).await["tenant"], owner.id, "{what}");
    let path = format!("/api/v1/requests/{request}");
    assert_eq!(other.admin.get(&path).await.status, 404, "{what}");
}

#[tokio::test]
async fn headers_choose_no_tenant() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    let call = || own.service.call(http::Method::POST, CHAT).json(&chat("whose?"));
    for (what, call) in claims(call, &other) {
        let reply = call.send().await.expect(200);
        assert_owner(reply.request_id(), &own, &other, &what).await;
    }
    assert!(list(other.admin.get(&other.path("/requests")).await).is_empty());
    assert!(other.usage().await.is_null());
}

#[tokio::test]
async fn bodies_choose_no_tenant() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    for field in ["user", "tenant", "tenant_id", "organization", "project", "safety_identifier", "prompt_cache_key", "metadata"]
    {
        let mut body = chat("whose?");
        body[field] = if field == "metadata" { json!({"tenant": other.id}) } else { json!(other.id) };
        let reply = own.service.post(CHAT, &body).await.expect(200);
        assert_owner(reply.request_id(), &own, &other, field).await;
    }
    let query = format!("{CHAT}?tenant={0}&tenant_id={0}&api_key={1}", other.id, other.admin.credential().unwrap());
    let reply = own.service.post(&query, &chat("whose?")).await.expect(200);
    assert_owner(reply.request_id(), &own, &other, "query").await;
    assert!(other.usage().await.is_null());
}

#[tokio::test]
async fn two_credentials_at_once_are_no_way_in() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    let other_key = other.service.credential().unwrap();
    // Which of two credentials counts must not be a matter of luck: refused, or the bearer alone.
    let call = own.service.call(http::Method::POST, CHAT).json(&chat("whose?"));
    let reply = call.header("x-api-key", other_key).send().await;
    if reply.status == 200 {
        assert_owner(reply.request_id(), &own, &other, "x-api-key beside a bearer").await;
    } else {
        assert!((400..=401).contains(&reply.status), "{}", reply.text());
    }
    let call = own.service.call(http::Method::POST, CHAT).json(&chat("whose?"));
    let reply = call.header("authorization", &format!("Bearer {other_key}")).send().await;
    assert!((400..=401).contains(&reply.status), "two bearers: {}", reply.text());
    let reply = node.anyone.post(&format!("{CHAT}?api_key={other_key}"), &chat("whose?")).await;
    assert_eq!(reply.status, 401, "a key in the address is no credential");
}

#[tokio::test]
async fn headers_open_no_management() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    let secret = other.path("/keys");
    let callers: [(&str, &Caller); 3] = [("admin", &own.admin), ("service", &own.service), ("nobody", &node.anyone)];
    for (who, caller) in callers {
        for (what, call) in claims(|| caller.call(http::Method::GET, &secret), &other) {
            let reply = call.send().await;
            assert_eq!(reply.status, if who == "nobody" { 401 } else { 404 }, "{who}, {what}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn paths_that_wind_lead_nowhere() {
    let node = Node::start().await;
    let (own, other) = (node.tenant("own").await, node.tenant("other").await);
    let winding = [
        format!("/api/v1/tenants/own/../{}/keys", other.id),
        format!("/api/v1/tenants/own/%2e%2e/{}/keys", other.id),
        format!("/api/v1/tenants/own%2f..%2f{}/keys", other.id),
        format!("/api/v1/tenants//{}/keys", other.id),
        format!("/api/v1/tenants/{}%00/keys", own.id),
        format!("/api/v1/tenants/{};{}/keys", own.id, other.id),
        format!("/api/v1/tenants/{},{}/keys", own.id, other.id),
        format!("/api/v1/tenants/{}/keys/../../{}/keys", own.id, other.id),
        format!("/api/v1/tenants/{}/", own.id.to_uppercase()),
        format!("/API/v1/tenants/{}", other.id),
        "/api/v1/tenants/*".to_owned(),
        "/api/v1/tenants/%25".to_owned(),
    ];
    for path in winding {
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\r\n", own.admin.credential().unwrap());
        let reply = raw::send(node.url(), head.as_bytes()).await.expect("an answer");
        assert!((400..500).contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        assert!(!reply.text().contains(&other.admin_key), "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_the_provider_is_told_names_no_tenant() {
    let node = Node::start().await;
    let tenant = node.tenant("nameless-tenant").await;
    let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("hello"));
    call.header("openai-organization", "org-of-the-caller").header("cookie", "a=b").send().await.expect(200);
    let sent = node.simulator().requests().remove(0).body.unwrap().to_string();
    for told in [&tenant.id, &tenant.slug, tenant.service.credential().unwrap()] {
        assert!(!sent.contains(told), "{sent}");
    }
}
