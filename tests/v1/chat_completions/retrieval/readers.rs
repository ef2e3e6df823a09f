//! Whose documents an answer is made of: the tenant's own, and of those what its end user may see.

use insula_tests::{Node, TestTenant, documents::publish_with};
use serde_json::{Value, json};

use super::{CHAT, asking, sent_text, told};

async fn sources(tenant: &TestTenant, user: Option<&str>) -> Vec<Value> {
    let mut body = asking("the quince and the medlar", json!({"limit": 50}));
    if let Some(user) = user {
        body["user"] = json!(user);
    }
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    let mut names: Vec<Value> =
        told(&answer)["sources"].as_array().unwrap().iter().map(|source| source["name"].clone()).collect();
    names.sort_by_key(Value::to_string);
    names
}

async fn publish(tenant: &TestTenant, name: &str, access: Value) {
    let text = format!("The quince and the medlar of {name} CANARY{}.", tenant.slug.to_uppercase());
    publish_with(tenant, &json!({"name": name, "text": text, "access": access})).await;
}

#[tokio::test]
async fn an_end_user_is_told_what_that_one_may_see() {
    let node = Node::start().await;
    let tenant = node.tenant("readers").await;
    publish(&tenant, "all", json!([])).await;
    publish(&tenant, "ada", json!(["ada"])).await;
    publish(&tenant, "both", json!(["ada", "bob"])).await;
    assert_eq!(sources(&tenant, Some("ada")).await, ["ada", "all", "both"]);
    assert_eq!(sources(&tenant, Some("bob")).await, ["all", "both"]);
    // Who forgets to say for whom shows nothing that is not for all.
    assert_eq!(sources(&tenant, None).await, ["all"]);
    // A token's end user counts, whatever the body says.
    let body = json!({"ttl_seconds": 60, "end_user": "bob"});
    let issued = tenant.admin.post(&tenant.path("/tokens"), &body).await.expect(201).json();
    let bob = node.anyone.with(issued["token"].as_str().unwrap());
    let mut asked = asking("the quince and the medlar", json!({"limit": 50}));
    asked["user"] = json!("ada");
    let answer = bob.post(CHAT, &asked).await.expect(200).json();
    assert_eq!(told(&answer)["sources"].as_array().unwrap().len(), 2);
    assert!(!sent_text(&node).contains("of ada"));
}

#[tokio::test]
async fn no_answer_is_shared_between_readers() {
    let node = Node::start().await;
    let tenant = node.tenant("shared").await;
    tenant.admin.put(&tenant.path("/cache"), &json!({"enabled": true, "per_end_user": false})).await.expect(200);
    publish(&tenant, "ada", json!(["ada"])).await;
    publish(&tenant, "all", json!([])).await;
    assert_eq!(sources(&tenant, Some("ada")).await, ["ada", "all"]);
    assert_eq!(sources(&tenant, Some("bob")).await, ["all"]);
    assert_eq!(sources(&tenant, Some("ada")).await, ["ada", "all"]);
    assert_eq!(node.simulator().count(), 2, "the last one was a hit");
}

#[tokio::test]
async fn another_tenants_documents_are_none() {
    let node = Node::start().await;
    let (one, other) = (node.tenant("owner").await, node.tenant("prober").await);
    publish(&one, "theirs", json!([])).await;
    assert_eq!(sources(&other, None).await, Vec::<Value>::new());
    publish(&other, "own", json!([])).await;
    for user in [None, Some("ada"), Some("")] {
        assert_eq!(sources(&other, user).await, ["own"]);
        assert!(!sent_text(&node).contains("CANARYOWNER"));
    }
}
