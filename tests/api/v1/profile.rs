//! `/api/v1/tenants/{tenant}/profile`.

use insula_tests::corpora::{granted, publish};
use insula_tests::documents::search;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

async fn found_in(tenant: &TestTenant, body: &Value) -> Vec<String> {
    let hits = search(tenant, body).await;
    let mut corpora: Vec<String> = hits.iter().map(|hit| hit["source"]["corpus"].as_str().unwrap().to_owned()).collect();
    corpora.sort();
    corpora
}

async fn a_profile_is_kept(node: &Node) {
    let tenant = node.tenant("profiled").await;
    let path = tenant.path("/profile");
    let none = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!(none, json!({"text": "", "jurisdictions": [], "changed_at": null}));
    let order = json!({"text": "A bank in Berlin with 40 people. Lends to farmers.", "jurisdictions": ["eu", "de", "eu"]});
    let kept = tenant.admin.put(&path, &order).await.expect(200).json();
    assert_eq!((&kept["text"], &kept["jurisdictions"]), (&order["text"], &json!(["de", "eu"])));
    assert_eq!(tenant.admin.get(&path).await.expect(200).json(), kept);
    for call in
        [tenant.operator.get(&path).await, tenant.operator.put(&path, &order).await, tenant.operator.delete(&path).await]
    {
        call.problem(403, "forbidden");
    }

    // It is the default among what the tenant may read, and widens nothing.
    for (name, jurisdiction) in [("eu_gdpr", "eu"), ("bafin", "de"), ("federal", "us")] {
        granted(&tenant, name, jurisdiction).await;
        publish(&node.operator(), name, &json!({"name": name, "text": "The law of loans to farmers."})).await;
    }
    let ask = json!({"query": "loans to farmers"});
    assert_eq!(found_in(&tenant, &ask).await, ["bafin", "eu_gdpr"]);
    assert_eq!(found_in(&tenant, &json!({"query": "loans", "corpora": "all"})).await, ["bafin", "eu_gdpr", "federal"]);
    assert_eq!(found_in(&tenant, &json!({"query": "loans", "corpora": ["federal"]})).await, ["federal"]);
    tenant.admin.put(&path, &json!({"text": "x", "jurisdictions": ["fr"]})).await.expect(200);
    assert!(found_in(&tenant, &ask).await.is_empty());
    tenant.admin.delete(&path).await.expect(204);
    tenant.admin.delete(&path).await.expect(204);
    assert_eq!(tenant.admin.get(&path).await.expect(200).json(), none);
    assert_eq!(found_in(&tenant, &ask).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_its_tenants_word() {
    a_profile_is_kept(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_its_tenants_word_in_a_cluster() {
    a_profile_is_kept(&Node::clustered().await).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong-profile").await;
    let many: Vec<String> = (0..65).map(|n| format!("j{n}")).collect();
    for (field, body) in [
        ("text", json!({})),
        ("text", json!({"text": "ü".repeat(8_001)})),
        ("jurisdictions[1]", json!({"text": "x", "jurisdictions": ["eu", "The EU"]})),
        ("jurisdictions", json!({"text": "x", "jurisdictions": many})),
        ("name", json!({"text": "x", "name": "y"})),
    ] {
        let problem = tenant.admin.put(&tenant.path("/profile"), &body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
    tenant.admin.put(&tenant.path("/profile"), &json!({"text": "ü".repeat(8_000)})).await.expect(200);
}
