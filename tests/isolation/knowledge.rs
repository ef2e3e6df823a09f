//! Documents: nothing of one tenant's is found, seen or removed by another, whatever it asks with; and nothing is left of them.

use std::path::{Path, PathBuf};

use insula_tests::documents::{found, hand_in, publish_with, search};
use insula_tests::tenant::list;
use insula_tests::{Node, Reply, TestTenant};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Probes of a tenant with what is another's, on each of the two engines: 10,000 together.
const PROBES: usize = 5_000;
const PROBES_AT_ONCE: usize = 8;

/// Documents of each tenant.
const DOCUMENTS: usize = 4;

/// A tenant with documents, and words of its own that nobody else may see.
#[derive(Clone)]
struct Planted {
    tenant: TestTenant,
    canary: String,
    documents: Vec<String>,
}

async fn plant(node: &Node, slug: &str) -> Planted {
    let tenant = node.tenant(slug).await;
    let canary = format!("CANARY{}", slug.replace('-', "").to_uppercase());
    let mut documents = Vec::new();
    for n in 0..DOCUMENTS {
        // The same words but for the canary: what is found by them must be one's own.
        let body = json!({
            "name": format!("{canary}-name-{n}"), "text": format!("Both speak of the quince and the medlar. {canary}text{n} is said here."),
            "metadata": {"shared": "yes", "own": format!("{canary}-value-{n}")}, "access": [format!("{canary}-reader"), "both"],
        });
        documents.push(publish_with(&tenant, &body).await);
    }
    Planted { tenant, canary, documents }
}

/// What is sent and must find nothing: with one's own credential, something of another's.
async fn probe(by: &Planted, of: &Planted, n: usize) -> Reply {
    let (admin, id, doc) = (&by.tenant.admin, &of.documents[n % DOCUMENTS], n % DOCUMENTS);
    let (own, theirs) = (|rest: &str| by.tenant.path(rest), |rest: &str| of.tenant.path(rest));
    let canary = &of.canary;
    let ask = |filter: Value, query: String| json!({"query": query, "filter": filter, "limit": 50});
    let search = async |path: String, body: Value| admin.post(&path, &body).await;
    match n / DOCUMENTS % 16 {
        0 => admin.get(&own(&format!("/documents/{id}"))).await,
        1 => admin.delete(&own(&format!("/documents/{id}"))).await,
        2 => admin.get(&theirs(&format!("/documents/{id}"))).await,
        3 => admin.delete(&theirs(&format!("/documents/{id}"))).await,
        4 => admin.get(&theirs("/documents")).await,
        5 => admin.get(&own(&format!("/documents?cursor={id}"))).await,
        6 => search(theirs("/search"), ask(json!({}), "quince".to_owned())).await,
        7 => search(own("/search"), ask(json!({}), format!("{canary}text{doc}"))).await,
        8 => search(own("/search"), ask(json!({}), "the quince and the medlar".to_owned())).await,
        9 => search(own("/search"), ask(json!({"own": format!("{canary}-value-{doc}")}), "quince".to_owned())).await,
        10 => search(own("/search"), ask(json!({"shared": "yes"}), format!("{canary}-name-{doc}"))).await,
        11 => search(own("/search"), ask(json!({"own": {"in": [format!("{canary}-value-{doc}"), "x"]}}), canary.clone())).await,
        12 => search(own("/search"), ask(json!({"document": id, "tenant": of.tenant.id}), id.clone())).await,
        13 => search(own("/search"), json!({"query": canary, "end_user": format!("{canary}-reader")})).await,
        14 => search(own("/search"), json!({"query": "quince", "end_user": "both", "limit": 50})).await,
        _ => admin.post(&theirs("/documents"), &json!({"name": "forged", "text": format!("forged {canary}")})).await,
    }
}

/// Panics where an answer holds anything of `of`.
fn assert_clean(n: usize, reply: &Reply, of: &Planted) {
    let text = reply.text();
    assert!(matches!(reply.status, 200 | 404), "probe {n}: {} {text}", reply.status);
    assert!(!text.contains(&of.canary), "probe {n}: {text}");
    assert!(of.documents.iter().all(|id| !text.contains(id)), "probe {n}: {text}");
}

async fn nothing_of_another(node: &Node) {
    let (one, other) = (plant(node, "owner-a").await, plant(node, "prober-b").await);
    let state = async |planted: &Planted| {
        let listed = planted.tenant.admin.get(&planted.tenant.path("/documents")).await.expect(200).json();
        let hits = search(&planted.tenant, &json!({"query": "quince", "limit": 50})).await;
        (listed, hits)
    };
    let before = state(&one).await;
    let (mut probes, mut answered) = (JoinSet::new(), 0);
    for n in 0..PROBES {
        if probes.len() == PROBES_AT_ONCE {
            answered += u32::from(probes.join_next().await.unwrap().unwrap());
        }
        let (one, other) = (one.clone(), other.clone());
        probes.spawn(async move {
            let reply = probe(&other, &one, n).await;
            assert_clean(n, &reply, &one);
            reply.status == 200
        });
    }
    for is_answered in probes.join_all().await {
        answered += u32::from(is_answered);
    }
    // A control: half of them are searches of one's own documents, which do find those.
    assert!(answered as usize >= PROBES / 2, "{answered}");
    let own = search(&other.tenant, &json!({"query": "quince", "end_user": "both", "limit": 50})).await;
    assert_eq!(own.len(), DOCUMENTS);
    assert_eq!(state(&one).await, before, "a probe had an effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing() {
    nothing_of_another(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_a_cluster() {
    nothing_of_another(&Node::clustered().await).await;
}

/// Files below a folder, the database's own aside.
fn blobs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { blobs(&path) } else { vec![path] };
    let is_blob = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with("tenant.db");
    paths.flat_map(below).filter(is_blob).collect()
}

/// Files below a folder that hold a text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &Path| std::fs::read(path).unwrap_or_default().windows(text.len()).any(|part| part == text.as_bytes());
    let below = |path: PathBuf| {
        if path.is_dir() { files_with(&path, text) } else { Some(path).filter(|path| holds(path)).into_iter().collect() }
    };
    all.flat_map(below).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_in_is_on_no_disk_and_what_is_removed_nowhere() {
    let mut node = Node::start().await;
    let planted = plant(&node, "sealed").await;
    let (tenant, words) = (&planted.tenant, [planted.canary.as_str(), "quince", "medlar"]);
    assert_eq!(search(tenant, &json!({"query": "quince", "limit": 50})).await.len(), DOCUMENTS);
    let home = node.data_dir().join("tenants").join(tenant.id.trim_start_matches("ten_"));
    assert_eq!(blobs(&home).len(), DOCUMENTS, "what was handed in is kept");
    for word in words {
        assert_eq!(files_with(&node.data_dir(), word), Vec::<PathBuf>::new());
    }
    for id in &planted.documents[1..] {
        tenant.admin.delete(&tenant.path(&format!("/documents/{id}"))).await.expect(204);
    }
    assert_eq!(blobs(&home).len(), 1);
    assert_eq!(found(tenant, &json!({"query": "quince", "limit": 50})).await, [planted.documents[0].clone()]);
    // One that is under way goes too.
    let long = json!({"name": "long", "text": "quince medlar ".repeat(20_000)});
    let id = hand_in(tenant, &long).await;
    tenant.admin.delete(&tenant.path(&format!("/documents/{id}"))).await.expect(204);
    assert_eq!((blobs(&home).len(), list(tenant.admin.get(&tenant.path("/documents")).await).len()), (1, 1));

    tenant.operator.delete(&tenant.path("")).await.expect(200);
    assert!(!home.exists(), "{:?}", blobs(&home));
    tenant.admin.post(&tenant.path("/search"), &json!({"query": "quince"})).await.problem(401, "invalid_api_key");
    node.stop();
    for word in words {
        assert_eq!(files_with(&node.data_dir(), word), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_tenant_leaves_nothing_in_a_database() {
    let node = Node::clustered().await;
    let planted = plant(&node, "erased").await;
    let stays = plant(&node, "stays").await;
    let long = json!({"name": "long", "text": "quince medlar ".repeat(20_000)});
    hand_in(&planted.tenant, &long).await;
    planted.tenant.operator.delete(&planted.tenant.path("")).await.expect(200);
    let tables = ["documents", "chunks", "vectors", "postings", "facets", "corpus", "files", "file_chunks"];
    let rows = async |tenant: &TestTenant| {
        let mut rows = Vec::new();
        for table in tables {
            rows.push(rows_of(&node, table, tenant).await);
        }
        rows
    };
    assert_eq!(rows(&planted.tenant).await, [0; 8]);
    assert!(rows(&stays.tenant).await.iter().all(|rows| *rows > 0), "another's stay");
    assert_eq!(search(&stays.tenant, &json!({"query": "quince"})).await.len(), DOCUMENTS);
}

/// Rows of a tenant in a table of its own, as nobody sees them who is held by a policy.
async fn rows_of(node: &Node, table: &str, tenant: &TestTenant) -> i64 {
    let bare = insula_model::TenantId::from_bare(tenant.id.trim_start_matches("ten_")).unwrap();
    let sql = format!("SELECT count(*) FROM insula_tenant.{table} WHERE uuid_send(tenant_id) = $1");
    node.database().superuser().await.query_one(&sql, &[&bare.as_bytes().as_slice()]).await.unwrap().get(0)
}
