//! Reference corpora as an operator keeps them.

use serde_json::{Value, json};

use crate::documents::over;
use crate::http::Caller;
use crate::tenant::{TestTenant, list};

/// Makes a corpus of this name; its id.
pub async fn create(operator: &Caller, name: &str, jurisdiction: &str) -> String {
    let order = json!({"name": name, "title": format!("The corpus {name}"), "jurisdiction": jurisdiction});
    let made = operator.post("/api/v1/corpora", &order).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// Lets a tenant read a corpus.
pub async fn grant(tenant: &TestTenant, corpus: &str) {
    tenant.operator.put(&tenant.path(&format!("/corpora/{corpus}")), &json!({})).await.expect(200);
}

/// Takes that back.
pub async fn revoke(tenant: &TestTenant, corpus: &str) {
    tenant.operator.delete(&tenant.path(&format!("/corpora/{corpus}"))).await.expect(204);
}

/// Makes a corpus that this tenant may read; its id.
pub async fn granted(tenant: &TestTenant, name: &str, jurisdiction: &str) -> String {
    let id = create(&tenant.operator, name, jurisdiction).await;
    grant(tenant, &id).await;
    id
}

/// Hands in a document of a corpus and waits until it can be searched; its id.
pub async fn publish(operator: &Caller, corpus: &str, body: &Value) -> String {
    let documents = format!("/api/v1/corpora/{corpus}/documents");
    let added = operator.post(&documents, body).await.expect(201).json();
    let id = added["id"].as_str().unwrap().to_owned();
    let document = over(operator, &format!("{documents}/{id}")).await;
    assert_eq!(document["status"], "ready", "{document}");
    id
}

/// The names of the corpora that a tenant may read, as its admin sees them.
pub async fn readable(tenant: &TestTenant) -> Vec<String> {
    let corpora = list(tenant.admin.get(&tenant.path("/corpora")).await);
    corpora.iter().map(|corpus| corpus["name"].as_str().unwrap().to_owned()).collect()
}
