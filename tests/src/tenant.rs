//! A tenant of a test's own.

use serde_json::{Value, json};

use crate::amounts::usd;
use crate::http::{Caller, Reply};
use crate::wait::eventually;
use insula_model::Money;

/// A tenant with a key of each role.
#[derive(Clone)]
pub struct TestTenant {
    /// Its id.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// The operator, who alone may change its budgets and limits.
    pub operator: Caller,
    /// Its key with the role `admin`.
    pub admin: Caller,
    /// That key's id.
    pub admin_key: String,
    /// Its key with the role `service`.
    pub service: Caller,
    /// That key's id.
    pub service_key: String,
}

impl TestTenant {
    /// Creates it and its two keys.
    pub async fn create(operator: &Caller, slug: &str) -> TestTenant {
        let created = operator.post("/api/v1/tenants", &json!({"slug": slug, "name": slug})).await.expect(201).json();
        let id = created["id"].as_str().unwrap().to_owned();
        let (admin_key, admin) = create_key(operator, &id, "admin").await;
        let (service_key, service) = create_key(operator, &id, "service").await;
        TestTenant { id, slug: slug.to_owned(), operator: operator.clone(), admin, admin_key, service, service_key }
    }

    /// The same tenant at the server that `other` speaks to.
    pub fn at(&self, other: &Caller) -> TestTenant {
        let [operator, admin, service] = [&self.operator, &self.admin, &self.service].map(|caller| caller.at(other));
        TestTenant { operator, admin, service, ..self.clone() }
    }

    /// A path below its own.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}{rest}", self.id)
    }

    /// One more key: its id and someone who holds it.
    pub async fn key(&self, role: &str) -> (String, Caller) {
        create_key(&self.operator, &self.id, role).await
    }

    /// Someone who holds a token of this end user's.
    pub async fn token(&self, end_user: &str) -> Caller {
        let body = json!({"end_user": end_user, "ttl_seconds": 600});
        let made = self.admin.post(&self.path("/tokens"), &body).await.expect(201).json();
        self.admin.with(made["token"].as_str().unwrap())
    }

    /// Replaces its budgets.
    pub async fn set_budgets(&self, budgets: Value) {
        self.operator.put(&self.path("/budgets"), &budgets).await.expect(200);
    }

    /// Gives it one hard budget a month.
    pub async fn set_monthly_budget(&self, limit: Money) {
        self.set_budgets(json!([{"window": "month", "limit_usd": limit.to_string(), "mode": "hard"}])).await;
    }

    /// Replaces its limits.
    pub async fn set_limits(&self, limits: Value) {
        self.operator.put(&self.path("/limits"), &limits).await.expect(200);
    }

    /// Lets its answers be given again.
    pub async fn enable_cache(&self) {
        self.admin.put(&self.path("/cache"), &json!({"enabled": true})).await.expect(200);
    }

    /// Its budgets as they stand.
    pub async fn budgets(&self) -> Vec<Value> {
        list(self.operator.get(&self.path("/budgets")).await)
    }

    /// What its first budget has settled, once nothing is reserved any more.
    pub async fn settled(&self) -> Money {
        eventually("nothing is reserved any more", || async {
            let budget = self.budgets().await.remove(0);
            (usd(&budget["reserved_usd"]) == Money::ZERO).then(|| usd(&budget["used_usd"]))
        })
        .await
    }

    /// Its usage so far, not grouped: one row, or `Null` when it never spent anything.
    pub async fn usage(&self) -> Value {
        let mut rows = list(self.operator.get(&self.path("/usage")).await);
        assert!(rows.len() <= 1, "{rows:?}");
        rows.pop().unwrap_or_default()
    }

    /// Its usage by group.
    pub async fn usage_by(&self, group_by: &str) -> Vec<Value> {
        list(self.operator.get(&self.path(&format!("/usage?group_by={group_by}"))).await)
    }

    /// One of its requests as it was traced, once it is.
    pub async fn request(&self, id: &str) -> Value {
        eventually("the request is traced", || async {
            let reply = self.admin.get(&format!("/api/v1/requests/{id}")).await;
            (reply.status == 200).then(|| reply.json())
        })
        .await
    }

    /// What was said in one of its requests, as its admin sees it.
    pub async fn content(&self, id: &str) -> String {
        self.request(id).await;
        self.admin.get(&format!("/api/v1/requests/{id}?include=content")).await.expect(200).json()["content"].to_string()
    }

    /// A short chat with the small model, not streamed.
    pub async fn chat(&self, text: &str) -> Reply {
        self.service.post("/v1/chat/completions", &chat(text)).await
    }
}

/// The body of a short chat with the small model.
pub fn chat(text: &str) -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": text}]})
}

/// The same, streamed.
pub fn streamed_chat(text: &str) -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": text}], "stream": true})
}

/// The `data` of a list.
#[track_caller]
pub fn list(reply: Reply) -> Vec<Value> {
    match reply.expect(200).json()["data"].take() {
        Value::Array(rows) => rows,
        other => panic!("`data` is not a list: {other}"),
    }
}

async fn create_key(operator: &Caller, tenant: &str, role: &str) -> (String, Caller) {
    let path = format!("/api/v1/tenants/{tenant}/keys");
    let created = operator.post(&path, &json!({"name": format!("{role} key"), "role": role})).await.expect(201).json();
    let caller = operator.with(created["key"].as_str().unwrap());
    (created["id"].as_str().unwrap().to_owned(), caller)
}
