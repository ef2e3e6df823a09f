//! A canary in every tenant, looked for through every read path of every other.

use insula_tests::http::Call;
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Caller, Node, TestTenant, eventually};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const TENANTS: usize = 4;

/// A tenant full of things that nobody else may see.
struct Planted {
    tenant: TestTenant,
    canary: String,
    /// Everything that names or is content of this tenant.
    secrets: Vec<String>,
    /// Ids that exist here.
    requests: Vec<String>,
}

async fn plant(node: &Node, index: usize) -> Planted {
    let canary = format!("CANARY-{index}-{}", ["quince", "medlar", "sorb", "loquat"][index]);
    let operator = node.operator();
    let tenant = node.tenant(&format!("canary-{index}")).await;
    let tag = json!({"tags": {"team": format!("{canary}-tag")}, "name": format!("{canary}-name")});
    operator.patch(&tenant.path(""), &tag).await.expect(200);
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    let key = json!({"name": format!("{canary}-key"), "role": "service"});
    let key = operator.post(&tenant.path("/keys"), &key).await.expect(201).json();

    let mut requests = Vec::new();
    for body in [chat(&format!("{canary}-plain")), streamed_chat(&format!("{canary}-stream"))] {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&body).header("idempotency-key", "the same everywhere");
        let reply = call.send().await;
        // The key was used by the first body already: the second is another, and refused.
        assert!(reply.text().contains(&canary) || reply.status == 422, "{}", reply.text());
        requests.push(reply.request_id().to_owned());
    }
    let embed = json!({"model": "sim-embed", "input": format!("{canary}-embedding"), "user": format!("{canary}-user")});
    requests.push(tenant.service.post("/v1/embeddings", &embed).await.expect(200).request_id().to_owned());
    for request in &requests {
        tenant.request(request).await;
    }
    let mut secrets = vec![canary.clone(), tenant.id.clone(), tenant.slug.clone(), key["id"].as_str().unwrap().to_owned()];
    secrets.extend([tenant.admin_key.clone(), tenant.service_key.clone()]);
    secrets.extend(requests.iter().cloned());
    Planted { tenant, canary, secrets, requests }
}

/// Every address at which something of `of` could be read.
fn read_paths(of: &Planted) -> Vec<String> {
    let tenant = &of.tenant;
    let mut paths = vec!["/v1/models".to_owned(), "/api/v1/tenants".to_owned(), "/api/v1/platform/budgets".to_owned()];
    for named in [&tenant.id, &tenant.slug] {
        let below = |rest: &str| format!("/api/v1/tenants/{named}{rest}");
        let mut rests = vec![String::new()];
        rests.extend(["/keys", "/budgets", "/limits", "/usage", "/usage?group_by=model", "/requests"].map(str::to_owned));
        for key in [&tenant.admin_key, &tenant.service_key] {
            rests.extend(["", "/budgets", "/limits"].map(|rest| format!("/keys/{key}{rest}")));
        }
        paths.extend(rests.iter().map(|rest| below(rest)));
    }
    paths.extend(of.requests.iter().map(|id| format!("/api/v1/requests/{id}")));
    paths.extend(of.requests.iter().map(|id| format!("/api/v1/requests/{id}?include=content")));
    paths
}

/// A page of a list from where another tenant's item stands: a cursor is no way in either.
fn cursors(by: &TestTenant, of: &Planted) -> Vec<String> {
    let mut paths = Vec::new();
    for cursor in of.requests.iter().chain([&of.tenant.admin_key, &of.tenant.id]) {
        for rest in ["/requests", "/keys"] {
            paths.push(by.path(&format!("{rest}?cursor={cursor}")));
        }
    }
    paths
}

fn assert_clean(shown: &str, own: &Planted, all: &[Planted], what: &str) {
    for other in all.iter().filter(|other| other.canary != own.canary) {
        for secret in &other.secrets {
            assert!(!shown.contains(secret.as_str()), "{} sees {secret} through {what}:\n{shown}", own.canary);
        }
    }
}

#[tokio::test]
async fn no_read_path_shows_another_tenants_canary() {
    let node = Node::start().await;
    let mut all = Vec::new();
    for index in 0..TENANTS {
        all.push(plant(&node, index).await);
    }
    let mut probes = 0;
    for own in &all {
        let token = own.tenant.admin.post(&own.tenant.path("/tokens"), &json!({"ttl_seconds": 600})).await.expect(201).json();
        let token = node.anyone.with(token["token"].as_str().unwrap());
        let callers: [&Caller; 4] = [&own.tenant.admin, &own.tenant.service, &token, &node.anyone];
        for other in all.iter().filter(|other| other.canary != own.canary) {
            for path in read_paths(other).iter().chain(&cursors(&own.tenant, other)) {
                for caller in callers {
                    let reply = caller.get(path).await;
                    assert!(reply.status < 500, "{path}: {}", reply.text());
                    // The address itself is repeated by whoever quotes it; what else is shown is what counts.
                    let shown = format!("{:?} {}", reply.headers, reply.text()).replace(path.as_str(), "");
                    assert_clean(&shown, own, &all, path);
                    probes += 1;
                }
            }
        }
        // The very same body under the very same key: an answer of one's own, never the other's.
        for other in all.iter().filter(|other| other.canary != own.canary) {
            let call: Call = own.tenant.service.call(http::Method::POST, CHAT).json(&chat("what did the others say?"));
            let reply = call.header("idempotency-key", &format!("probe {}", other.canary)).send().await.expect(200);
            assert_clean(&reply.text(), own, &all, "a chat");
            probes += 1;
        }
    }
    println!("{probes} probes, 0 hits");
    assert!(probes > 500, "{probes}");
}

#[tokio::test]
async fn an_operator_sees_figures_but_no_content() {
    let node = Node::start().await;
    let planted = plant(&node, 0).await;
    let operator = node.operator();
    let content = [format!("{}-plain", planted.canary), format!("{}-embedding", planted.canary), "You said".to_owned()];
    for path in read_paths(&planted) {
        let shown = operator.get(&path).await.text();
        for secret in &content {
            assert!(!shown.contains(secret), "{path} shows {secret}");
        }
    }
    // Its own admin does see it.
    let own = planted.tenant.content(&planted.requests[0]).await;
    assert!(own.contains(&format!("{}-plain", planted.canary)), "{own}");
}

#[tokio::test]
async fn neither_logs_nor_errors_hold_content_or_keys() {
    let node = Node::start().await;
    let planted = plant(&node, 0).await;
    node.anyone.with(planted.tenant.service.credential().unwrap()).get("/v1/nonesuch").await;
    planted.tenant.service.post(CHAT, &json!({"model": planted.canary, "messages": planted.canary})).await;
    let keys = [planted.tenant.service.credential().unwrap(), planted.tenant.admin.credential().unwrap()];
    eventually("the log has been written", || async { node.said().contains("Ready").then_some(()) }).await;
    let log = node.said();
    for secret in keys.iter().copied().chain([format!("{}-plain", planted.canary).as_str(), "You said"]) {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[tokio::test]
async fn a_list_shows_only_its_own() {
    let node = Node::start().await;
    let (one, two) = (plant(&node, 0).await, plant(&node, 1).await);
    for own in [&one, &two] {
        let keys: Vec<Value> = list(own.tenant.admin.get(&own.tenant.path("/keys")).await);
        assert_eq!(keys.len(), 3, "{keys:?}");
        let requests = list(own.tenant.admin.get(&own.tenant.path("/requests")).await);
        assert_eq!(requests.len(), own.requests.len(), "{requests:?}");
    }
}
