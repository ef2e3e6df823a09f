//! Reference corpora: a tenant that may read one can do nothing else with it, and one that may not cannot tell that it is there.

use std::path::Path;

use insula_tests::corpora::{create, granted, publish};
use insula_tests::documents::{publish as publish_own, search};
use insula_tests::tenant::list;
use insula_tests::{Caller, Node, TestTenant};
use serde_json::{Value, json};

/// What stands in the corpus, and nowhere else.
const CANARY: &str = "CANARYCORPUS";

/// A corpus with a document that one tenant may read and another may not.
struct Planted {
    corpus: String,
    document: String,
    reader: TestTenant,
    stranger: TestTenant,
}

async fn plant(node: &Node) -> Planted {
    let (reader, stranger) = (node.tenant("corpus-reader").await, node.tenant("corpus-stranger").await);
    let corpus = granted(&reader, "eu_gdpr", "eu").await;
    let text = format!("The law of the quince. {CANARY}TEXT");
    let body = json!({"name": format!("{CANARY}NAME"), "text": text, "metadata": {"kind": "law"}});
    let document = publish(&node.operator(), &corpus, &body).await;
    for tenant in [&reader, &stranger] {
        publish_own(tenant, "own", &format!("{} grows the quince.", tenant.slug)).await;
    }
    Planted { corpus, document, reader, stranger }
}

/// The home of a corpus, written as if it were a tenant's id.
fn as_tenant(corpus: &str) -> String {
    corpus.replace("cor_", "ten_")
}

async fn state(operator: &Caller, planted: &Planted) -> (Value, Value, Vec<Value>) {
    let path = format!("/api/v1/corpora/{}", planted.corpus);
    let corpus = operator.get(&path).await.expect(200).json();
    let documents = operator.get(&format!("{path}/documents")).await.expect(200).json();
    let hits = search(&planted.reader, &json!({"query": "quince", "corpora": "all"})).await;
    (corpus, documents, hits)
}

async fn nothing_is_written(node: &Node) {
    let planted = plant(node).await;
    let before = state(&node.operator(), &planted).await;
    assert!(before.2.iter().any(|hit| hit["text"].as_str().unwrap().contains(CANARY)), "a control: it does read");
    let (corpus, document) = (&planted.corpus, &planted.document);
    let forged = json!({"name": "forged", "text": "forged"});
    let order = json!({"name": "mine", "title": "Mine", "jurisdiction": "eu"});
    for tenant in [&planted.reader, &planted.stranger] {
        for caller in [&tenant.admin, &tenant.service] {
            // Of corpora themselves a tenant learns nothing, whatever it names.
            for name in [corpus.as_str(), "eu_gdpr", "nobody", "cor_00000000000000000000000000"] {
                let path = format!("/api/v1/corpora/{name}");
                for refused in [
                    caller.get(&path).await,
                    caller.delete(&path).await,
                    caller.call(http::Method::PATCH, &path).json(&json!({"title": "Mine"})).send().await,
                    caller.get(&format!("{path}/documents")).await,
                    caller.post(&format!("{path}/documents"), &forged).await,
                    caller.get(&format!("{path}/documents/{document}")).await,
                    caller.delete(&format!("{path}/documents/{document}")).await,
                ] {
                    refused.problem(403, "forbidden");
                }
            }
            caller.post("/api/v1/corpora", &order).await.problem(403, "forbidden");
            caller.get("/api/v1/corpora").await.problem(403, "forbidden");
            for change in [
                caller.put(&tenant.path(&format!("/corpora/{corpus}")), &json!({})).await,
                caller.delete(&tenant.path(&format!("/corpora/{corpus}"))).await,
            ] {
                change.problem(403, "forbidden");
            }
        }
        // Below its own path its own documents alone are there.
        let own = |rest: &str| tenant.path(&format!("/documents{rest}"));
        tenant.admin.get(&own(&format!("/{document}"))).await.problem(404, "not_found");
        tenant.admin.delete(&own(&format!("/{document}"))).await.problem(404, "not_found");
        let listed = tenant.admin.get(&own("")).await.expect(200);
        assert!(!listed.text().contains(document) && !listed.text().contains(CANARY), "{}", listed.text());
    }
    assert_eq!(state(&node.operator(), &planted).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_writes_nothing() {
    nothing_is_written(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_writes_nothing_in_a_cluster() {
    nothing_is_written(&Node::clustered().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corpus_is_no_tenant() {
    let node = Node::start().await;
    let planted = plant(&node).await;
    let operator = node.operator();
    for name in [as_tenant(&planted.corpus), planted.corpus.clone(), "eu_gdpr".to_owned()] {
        let path = |rest: &str| format!("/api/v1/tenants/{name}{rest}");
        let token = json!({"ttl_seconds": 60});
        let budgets = json!([{"window": "month", "limit_usd": "1.00"}]);
        let document = json!({"name": "x", "text": "x"});
        for refused in [
            operator.get(&path("")).await,
            operator.delete(&path("")).await,
            operator.get(&path("/documents")).await,
            operator.post(&path("/documents"), &document).await,
            operator.get(&path(&format!("/documents/{}", planted.document))).await,
            operator.post(&path("/keys"), &json!({"name": "x", "role": "admin"})).await,
            operator.post(&path("/tokens"), &token).await,
            operator.put(&path("/budgets"), &budgets).await,
            operator.put(&path("/limits"), &json!({"requests_per_minute": 1})).await,
            operator.put(&path("/corpora/eu_gdpr"), &json!({})).await,
            operator.post(&path("/search"), &json!({"query": "quince"})).await,
            operator.post(&path("/suspend"), &json!({})).await,
            planted.reader.admin.get(&path("/documents")).await,
            planted.reader.admin.post(&path("/search"), &json!({"query": "quince"})).await,
        ] {
            refused.problem(404, "not_found");
        }
    }
    let tenants = list(operator.get("/api/v1/tenants?limit=200").await);
    assert!(tenants.iter().all(|tenant| tenant["id"] != json!(as_tenant(&planted.corpus))), "{tenants:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corpus_that_is_not_granted_is_one_that_never_was() {
    let node = Node::start().await;
    let planted = plant(&node).await;
    let stranger = &planted.stranger;
    let normal = |text: String, name: &str| text.replace(name, "{name}");
    let mut answers = Vec::new();
    for name in [planted.corpus.as_str(), "eu_gdpr", "nobody", "cor_00000000000000000000000000", "%ff", "x%2Fy"] {
        let shown = stranger.admin.get(&stranger.path(&format!("/corpora/{name}"))).await;
        let body = json!({"query": "quince", "corpora": [name]});
        let found = stranger.admin.post(&stranger.path("/search"), &body).await;
        let told = |reply: &insula_tests::Reply| normal(reply.text().replace(reply.request_id(), "{id}"), name);
        answers.push((shown.status, told(&shown), found.status, told(&found)));
    }
    assert_eq!((answers[0].0, answers[0].2), (404, 404), "{answers:?}");
    // A text that does not decode names nothing in a path, and is a name like any other in a body.
    assert!(answers.iter().take(4).all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers.iter().all(|answer| (answer.0, answer.2) == (404, 404)), "{answers:?}");
    for corpora in [Value::Null, json!("all"), json!([])] {
        let body = json!({"query": format!("the law of the quince {CANARY}TEXT"), "corpora": corpora, "limit": 50});
        let hits = search(stranger, &body).await;
        assert_eq!(hits.len(), 1, "{hits:?}");
        assert_eq!(hits[0]["source"], json!({"kind": "tenant"}));
    }
    assert!(list(stranger.admin.get(&stranger.path("/corpora")).await).is_empty());
    // Each tenant finds its own beside the corpus, and never the other's.
    let hits = search(&planted.reader, &json!({"query": "who grows the quince?", "limit": 50})).await;
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| !hit["text"].as_str().unwrap().contains("corpus-stranger")), "{hits:?}");
}

/// Whether any file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(&path).unwrap_or_default().windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corpus_and_a_profile_are_on_no_disk_in_plain_words() {
    let mut node = Node::start().await;
    let planted = plant(&node).await;
    let profile = json!({"text": format!("{CANARY}PROFILE"), "jurisdictions": ["canary_land"]});
    planted.reader.admin.put(&planted.reader.path("/profile"), &profile).await.expect(200);
    let home = node.data_dir().join("tenants").join(planted.corpus.trim_start_matches("cor_"));
    assert!(home.exists(), "a corpus has a home of its own");
    let empty = create(&node.operator(), "empty", "eu").await;
    assert!(node.data_dir().join("tenants").join(empty.trim_start_matches("cor_")).exists());
    node.operator().delete("/api/v1/corpora/eu_gdpr").await.expect(200);
    assert!(!home.exists());
    node.stop();
    for word in [CANARY, "quince", "canary_land"] {
        assert!(!holds(&node.data_dir(), word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_corpus_leaves_nothing_in_a_database() {
    let node = Node::clustered().await;
    let planted = plant(&node).await;
    let home = insula_model::TenantId::from_bare(planted.corpus.trim_start_matches("cor_")).unwrap();
    let rows = async || {
        let (mut rows, superuser) = (Vec::new(), node.database().superuser().await);
        for table in ["documents", "chunks", "vectors", "postings", "facets", "corpus", "files", "file_chunks", "homes"] {
            let sql = format!("SELECT count(*) FROM insula_tenant.{table} WHERE uuid_send(tenant_id) = $1");
            rows.push(superuser.query_one(&sql, &[&home.as_bytes().as_slice()]).await.unwrap().get::<_, i64>(0));
        }
        for (table, column) in [("corpora", "id"), ("corpus_grants", "corpus"), ("runs", "tenant")] {
            let sql = format!("SELECT count(*) FROM insula_control.{table} WHERE {column} = $1");
            rows.push(superuser.query_one(&sql, &[&home.as_bytes().as_slice()]).await.unwrap().get::<_, i64>(0));
        }
        rows
    };
    assert!(rows().await.iter().filter(|rows| **rows > 0).count() >= 10, "a control");
    node.operator().delete(&format!("/api/v1/corpora/{}", planted.corpus)).await.expect(200);
    assert!(rows().await.iter().all(|rows| *rows == 0), "{:?}", rows().await);
    let hits = search(&planted.reader, &json!({"query": "quince", "limit": 50})).await;
    assert_eq!(hits.len(), 1, "the tenant's own stay: {hits:?}");
}
