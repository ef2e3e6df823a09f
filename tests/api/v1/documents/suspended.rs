//! A suspended tenant's documents rest.

use std::time::Duration;

use insula_tests::config::ServeConfig;
use insula_tests::documents::{found, hand_in, over, publish};
use insula_tests::node::Setup;
use insula_tests::tenant::{TestTenant, list};
use insula_tests::{Node, stores};
use serde_json::json;

use super::long;

async fn suspend(tenant: &TestTenant) {
    tenant.operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200);
}

async fn resume(tenant: &TestTenant) {
    tenant.operator.post(&tenant.path("/resume"), &json!({})).await.expect(200);
}

/// How many documents stand so, as the operator sees it.
async fn count(tenant: &TestTenant, statuses: &[&str]) -> usize {
    let documents = list(tenant.operator.get(&tenant.path("/documents?limit=100")).await);
    documents.iter().filter(|document| statuses.contains(&document["status"].as_str().unwrap())).count()
}

async fn rests(node: &Node) {
    let tenant = node.tenant("resting").await;
    let first = publish(&tenant, "first", "The quince is ripe.").await;
    let store = stores::store(&tenant.service, &json!({})).await;
    let handed_in = 12;
    for _ in 0..handed_in {
        hand_in(&tenant, &json!({"name": "long.md", "text": long(60)})).await;
    }
    suspend(&tenant).await;
    // No search, by whichever key.
    tenant.admin.post(&tenant.path("/search"), &json!({"query": "quince"})).await.problem(403, "tenant_suspended");
    let store_search = tenant.service.post(&format!("{}/{store}/search", stores::STORES), &json!({"query": "quince"})).await;
    store_search.openai_error(403, "tenant_suspended");
    // An operator hands in for it, and that rests too.
    let added = tenant.operator.post(&tenant.path("/documents"), &json!({"name": "late", "text": "The quince is late."})).await;
    let late = added.expect(201).json()["id"].as_str().unwrap().to_owned();

    // What was at its last step may come to its end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (ready, resting) = (count(&tenant, &["ready"]).await, count(&tenant, &["queued", "reading", "embedding"]).await);
    assert!(resting > 1 && ready + resting == handed_in + 2, "{ready} ready, {resting} rest");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        (count(&tenant, &["ready"]).await, count(&tenant, &["failed"]).await),
        (ready, 0),
        "nothing goes on, and nothing fails"
    );
    // Another tenant's are read meanwhile, and what is deleted is deleted.
    publish(&node.tenant("awake").await, "x", "text").await;
    tenant.operator.delete(&tenant.path(&format!("/documents/{first}"))).await.expect(204);

    resume(&tenant).await;
    for document in list(tenant.admin.get(&tenant.path("/documents?limit=100")).await) {
        let path = tenant.path(&format!("/documents/{}", document["id"].as_str().unwrap()));
        assert_eq!(over(&tenant.admin, &path).await["status"], "ready");
    }
    assert_eq!(found(&tenant, &json!({"query": "quince", "limit": 1})).await, [late]);
}

/// Slow enough to be caught in the middle.
fn one_at_a_time() -> ServeConfig {
    ServeConfig { more: vec![("knowledge", "reading_max = 1".to_owned())], ..ServeConfig::default() }
}

#[tokio::test]
async fn a_suspended_tenants_documents_rest() {
    rests(&Setup::default().serve(one_at_a_time()).start().await).await;
}

#[tokio::test]
async fn a_suspended_tenants_documents_rest_in_a_cluster() {
    rests(&Node::clustered().await).await;
}
