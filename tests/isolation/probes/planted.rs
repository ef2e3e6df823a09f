//! A tenant with one of everything that a search could find of it.

use insula_tests::corpora::{granted, publish as publish_law};
use insula_tests::documents::publish_with;
use insula_tests::stores::{STORES, attach, batch, store, upload};
use insula_tests::{Caller, Node, TestTenant};
use serde_json::{Value, json};

/// Documents of each tenant, and files in its store.
pub const DOCUMENTS: usize = 4;
/// Chunks of a tenant and of its corpus together: each text is one.
pub const CHUNKS: usize = 2 * DOCUMENTS + 1;
/// An end user whom each tenant has, by the same name.
pub const END_USER: &str = "both";

/// A tenant with documents, a store, a corpus, an answer, and words of its own in all of them that nobody else may see.
#[derive(Clone)]
pub struct Planted {
    pub tenant: TestTenant,
    /// The token of its [`END_USER`].
    pub token: Caller,
    /// Stands in each of its texts, names, values and readers, and nowhere else.
    pub canary: String,
    pub documents: Vec<String>,
    pub store: String,
    pub files: Vec<String>,
    pub batch: String,
    /// A reference corpus that it alone may read, by its id, its name, and its document's id.
    pub corpus: String,
    pub corpus_name: String,
    pub law: String,
    /// A response that was made of its documents.
    pub response: String,
    pub request: String,
}

impl Planted {
    /// Makes it.
    pub async fn plant(node: &Node, slug: &str) -> Planted {
        let tenant = node.tenant(slug).await;
        let canary = format!("CANARY{}", slug.replace('-', "").to_uppercase());
        let documents = documents(&tenant, &canary).await;
        let (store, files, batch) = stored(&tenant.service, &canary).await;
        let corpus_name = format!("law_{}", slug.replace('-', "_"));
        let jurisdiction = format!("land_{}", slug.replace('-', "_"));
        let corpus = granted(&tenant, &corpus_name, &jurisdiction).await;
        let body =
            json!({"name": format!("{canary}-law"), "text": format!("The law of the quince and the medlar. {canary}law")});
        let law = publish_law(&node.operator(), &corpus, &body).await;
        let profile = json!({"text": format!("{canary}-profile"), "jurisdictions": [jurisdiction]});
        tenant.admin.put(&tenant.path("/profile"), &profile).await.expect(200);
        let made = tenant.admin.post(&tenant.path("/tokens"), &json!({"end_user": END_USER, "ttl_seconds": 3600})).await;
        let token = tenant.admin.with(made.expect(201).json()["token"].as_str().unwrap());

        let body = json!({
            "model": "sim-small", "input": "the quince and the medlar", "user": END_USER, "include": ["file_search_call.results"],
            "tools": [{"type": "file_search", "vector_store_ids": [store]}],
        });
        let answered = tenant.service.post("/v1/responses", &body).await.expect(200);
        let (response, request) = (answered.json()["id"].as_str().unwrap().to_owned(), answered.request_id().to_owned());
        tenant.request(&request).await;
        Planted { tenant, token, canary, documents, store, files, batch, corpus, corpus_name, law, response, request }
    }

    /// A path below its own.
    pub fn path(&self, rest: &str) -> String {
        self.tenant.path(rest)
    }

    /// A path below its store.
    pub fn store_path(&self, rest: &str) -> String {
        format!("{STORES}/{}{rest}", self.store)
    }

    /// Every id that names something of it.
    pub fn ids(&self) -> Vec<&str> {
        let one = [&self.tenant.id, &self.store, &self.batch, &self.corpus, &self.law, &self.response, &self.request];
        one.into_iter().chain(&self.documents).chain(&self.files).map(String::as_str).collect()
    }

    /// All of it as it stands, as it sees that itself. When its store was last used is left out: this uses it.
    pub async fn state(&self) -> Vec<Value> {
        let (admin, service) = (&self.tenant.admin, &self.tenant.service);
        let mut state = Vec::new();
        for path in ["/documents?limit=200", "/corpora", "/profile", "/vectors"] {
            state.push(admin.get(&self.path(path)).await.expect(200).json());
        }
        let mut its_store = service.get(&self.store_path("")).await.expect(200).json();
        its_store.as_object_mut().unwrap().remove("last_active_at");
        state.push(its_store);
        for rest in ["/files?limit=100".to_owned(), format!("/file_batches/{}", self.batch)] {
            state.push(service.get(&self.store_path(&rest)).await.expect(200).json());
        }
        for file in &self.files {
            state.push(service.get(&self.store_path(&format!("/files/{file}/content"))).await.expect(200).json());
            state.push(service.get(&format!("/v1/files/{file}")).await.expect(200).json());
        }
        state.push(service.get(&format!("/v1/responses/{}", self.response)).await.expect(200).json());
        let found = json!({"query": "the quince and the medlar", "limit": 50, "corpora": "all"});
        state.push(admin.post(&self.path("/search"), &found).await.expect(200).json());
        let found = json!({"query": "the quince and the medlar", "max_num_results": 50});
        state.push(service.post(&self.store_path("/search"), &found).await.expect(200).json());
        state
    }
}

/// Publishes documents with a canary in everything that can be said of them; their ids.
pub async fn documents(tenant: &TestTenant, canary: &str) -> Vec<String> {
    let mut documents = Vec::new();
    for n in 0..DOCUMENTS {
        let metadata = json!({"shared": "yes", "own": format!("{canary}-value-{n}")});
        let body = json!({
            "name": format!("{canary}-name-{n}"), "text": text(canary, n), "metadata": metadata, "access": access(canary),
        });
        documents.push(publish_with(tenant, &body).await);
    }
    documents
}

/// The same words for every tenant but for the canary: what is found by them must be one's own.
fn text(canary: &str, n: usize) -> String {
    format!("Both speak of the quince and the medlar. {canary}text{n} is said here.")
}

fn access(canary: &str) -> Value {
    json!([format!("{canary}-reader"), END_USER])
}

/// A store with files that came one by one and, the last of them, in a batch.
async fn stored(caller: &Caller, canary: &str) -> (String, Vec<String>, String) {
    let id = store(caller, &json!({"name": format!("{canary}-store"), "metadata": {"own": format!("{canary}-value")}})).await;
    let (mut files, mut batched) = (Vec::new(), String::new());
    for n in 0..DOCUMENTS {
        let file = upload(caller, &text(canary, n)).await;
        let attributes = json!({"shared": "yes", "own": format!("{canary}-value-{n}")});
        if n + 1 < DOCUMENTS {
            let body = json!({"file_id": file, "attributes": attributes, "access": access(canary)});
            assert_eq!(attach(caller, &id, &body).await["status"], "completed");
        } else {
            let body = json!({"file_ids": [file], "attributes": attributes, "access": access(canary)});
            batched = batch(caller, &id, &body).await["id"].as_str().unwrap().to_owned();
        }
        files.push(file);
    }
    (id, files, batched)
}
