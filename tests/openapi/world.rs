//! Two tenants with one of everything, and everybody who might call.

use insula_tests::tenant::chat;
use insula_tests::{Caller, TestTenant, batch, corpora, documents, stores};
use serde_json::json;

/// Who calls, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Nobody,
    Garbage,
    ForeignService,
    ForeignToken,
    ForeignAdmin,
    OwnService,
    OwnToken,
    OwnAdmin,
    Operator,
}

/// All of them. Those who may do most come last, so that what they change disturbs nobody before.
pub const EVERYBODY: [Who; 9] = [
    Who::Nobody,
    Who::Garbage,
    Who::ForeignService,
    Who::ForeignToken,
    Who::ForeignAdmin,
    Who::OwnService,
    Who::OwnToken,
    Who::OwnAdmin,
    Who::Operator,
];

/// A tenant with one of everything that an id can name.
pub struct Household {
    pub tenant: TestTenant,
    pub token: String,
    /// A key that nobody in these tests holds.
    pub key: String,
    pub request: String,
    /// A response that is kept.
    pub response: String,
    pub webhook: String,
    /// What that webhook was told.
    pub event: String,
    /// A file that nothing reads.
    pub file: String,
    /// A batch that is cancelled.
    pub batch: String,
    /// A document that can be searched.
    pub document: String,
    /// A corpus that this tenant alone may read.
    pub corpus: String,
    /// A vector store.
    pub vector_store: String,
    /// A file in it that can be searched.
    pub store_file: String,
    /// What that came with.
    pub file_batch: String,
}

/// What a walk over one operation happens in.
pub struct World {
    pub own: Household,
    pub foreign: Household,
}

impl Household {
    async fn create(operator: &Caller, slug: &str) -> Household {
        let tenant = TestTenant::create(operator, slug).await;
        let (key, _) = tenant.key("service").await;
        for catalogue in ["plans", "segments"] {
            operator.put(&format!("/api/v1/{catalogue}/{slug}"), &json!({})).await.expect(200);
        }
        let token = tenant.admin.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 3_600})).await.expect(201).json();
        let call = tenant.service.call(http::Method::POST, "/v1/chat/completions").json(&chat("walk"));
        let request = call.header("idempotency-key", IDEMPOTENCY_KEY).send().await.expect(200).request_id().to_owned();
        tenant.request(&request).await;
        let made =
            tenant.service.post("/v1/responses", &json!({"model": "sim-small", "input": "walk"})).await.expect(200).json();
        let response = made["id"].as_str().unwrap().to_owned();
        let (webhook, event) = webhook(&tenant).await;
        let own_account = tenant.path(&format!("/provider-credentials/{PROVIDER}"));
        tenant.admin.put(&own_account, &json!({"api_key": "sk-walked"})).await.expect(200);
        let file = batch::file(&tenant.service, "walked").await;
        let batch = cancelled_batch(&tenant).await;
        let document = documents::publish(&tenant, "walked", "walk on").await;
        let corpus = corpora::granted(&tenant, slug, "eu").await;
        let token = token["token"].as_str().unwrap().to_owned();
        let (vector_store, store_file, file_batch) = vector_store(&tenant).await;
        Household {
            tenant,
            token,
            key,
            request,
            response,
            webhook,
            event,
            file,
            batch,
            document,
            corpus,
            vector_store,
            store_file,
            file_batch,
        }
    }

    /// Its own id for what a path, query or header calls `name`; `None` for names that are no ids of a tenant.
    pub fn id(&self, name: &str) -> Option<&str> {
        match name {
            "tenant" | "other" => Some(&self.tenant.id),
            "key" => Some(&self.key),
            "request" => Some(&self.request),
            "response" => Some(&self.response),
            // The plan and the segment that nobody else in these tests uses.
            "name" => Some(&self.tenant.slug),
            "webhook" => Some(&self.webhook),
            "event" => Some(&self.event),
            "file_id" | "input_file_id" | "file_ids" => Some(&self.file),
            "vector_store_id" => Some(&self.vector_store),
            "store_file_id" => Some(&self.store_file),
            "file_batch_id" => Some(&self.file_batch),
            "batch_id" | "batch" => Some(&self.batch),
            "document" => Some(&self.document),
            "corpus" => Some(&self.corpus),
            _ => None,
        }
    }
}

/// A vector store, a file in it, and the batch that it came with.
async fn vector_store(tenant: &TestTenant) -> (String, String, String) {
    let (store, file) = (stores::store(&tenant.service, &json!({})).await, stores::upload(&tenant.service, "walk on").await);
    let batch = stores::batch(&tenant.service, &store, &json!({"file_ids": [file]})).await;
    assert_eq!(batch["file_counts"]["completed"], 1, "{batch}");
    (store, file, batch["id"].as_str().unwrap().to_owned())
}

/// A batch that was cancelled long before its last line: whoever cancels it once more changes nothing.
async fn cancelled_batch(tenant: &TestTenant) -> String {
    let batch = batch::start(&tenant.service, &batch::chats(400), batch::CHAT).await;
    tenant.service.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).await.expect(200);
    batch
}

/// A webhook where nobody listens, and an event that it was to be told.
async fn webhook(tenant: &TestTenant) -> (String, String) {
    let path = tenant.path("/webhooks");
    let made = tenant.admin.post(&path, &json!({"url": "https://hooks.invalid/walked"})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let sent = tenant.admin.post(&format!("{path}/{id}/test"), &json!({})).await.expect(202).json();
    (id, sent["event"].as_str().unwrap().to_owned())
}

/// The provider for which every household has a credential of its own.
pub const PROVIDER: &str = "simulator";

/// The `Idempotency-Key` that every household has used once.
pub const IDEMPOTENCY_KEY: &str = "walked-before";

impl World {
    /// A fresh world; `name` keeps its slugs apart from those of others.
    pub async fn create(operator: &Caller, name: &str) -> World {
        let own = Household::create(operator, &format!("{name}-own")).await;
        let foreign = Household::create(operator, &format!("{name}-foreign")).await;
        World { own, foreign }
    }

    /// The credential of `who`; `None` for nobody.
    pub fn credential<'a>(&'a self, who: Who, operator: &'a Caller) -> Option<&'a str> {
        match who {
            Who::Nobody => None,
            Who::Garbage => Some("ins_live_garbage"),
            Who::ForeignService => self.foreign.tenant.service.credential(),
            Who::ForeignToken => Some(&self.foreign.token),
            Who::ForeignAdmin => self.foreign.tenant.admin.credential(),
            Who::OwnService => self.own.tenant.service.credential(),
            Who::OwnToken => Some(&self.own.token),
            Who::OwnAdmin => self.own.tenant.admin.credential(),
            Who::Operator => operator.credential(),
        }
    }
}
