//! Documents: what is handed in is on no disk in plain words, and nothing is left of what is removed or erased.

use std::path::{Path, PathBuf};

use insula_tests::documents::{found, hand_in, search};
use insula_tests::tenant::list;
use insula_tests::{Node, TestTenant};
use serde_json::json;

use super::probes::planted::{DOCUMENTS, documents};

/// A tenant with documents, and words of its own in all of them.
struct Planted {
    tenant: TestTenant,
    canary: String,
    documents: Vec<String>,
}

async fn plant(node: &Node, slug: &str) -> Planted {
    let tenant = node.tenant(slug).await;
    let canary = format!("CANARY{}", slug.to_uppercase());
    let documents = documents(&tenant, &canary).await;
    Planted { tenant, canary, documents }
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
