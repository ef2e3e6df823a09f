//! pgvector that is not there, that breaks, and whose whole database is away.

use std::time::Duration;

use insula_tests::child::{Finished, insula};
use insula_tests::config::ServeConfig;
use insula_tests::database::Database;
use insula_tests::documents::{hand_in, over, publish};
use insula_tests::stores::found;
use insula_tests::vectors::{Searched, pgvector};
use insula_tests::{ClusterSetup, Node, TestTenant, eventually_within};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::{
    LEASE, PETS, ask_all, assert_answered, assert_refused, chats_are_not_concerned, documents, search, search_store,
    store_with_a_file,
};

/// Without its database a node serves nothing new from then on.
const REFUSES_WITHIN: Duration = Duration::from_secs(7);
/// From then on everything is served again.
const SERVES_WITHIN: Duration = Duration::from_secs(15);
/// A document that could not be published is tried again by then.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A command with what the environment of a node holds that is told to search by pgvector.
fn told(database: &Database, arguments: &[&str]) -> Finished {
    let (folder, url) = (TempDir::new().unwrap(), database.url());
    let root_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let env = [("INSULA_POSTGRES_URL", url.as_str()), ("INSULA_VECTORS_ENGINE", "pgvector"), ("INSULA_ROOT_KEY", root_key)];
    insula(folder.path(), arguments, &env)
}

/// Neither starts, nor is silent about it.
async fn says(database: &Database, advice: &str) {
    let serve = block_in_place(|| told(database, &["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(serve.code, 1, "{serve:?}");
    assert!(serve.stderr.contains(advice), "{serve:?}");
    let doctor = block_in_place(|| told(database, &["doctor"]));
    assert_eq!(doctor.code, 1, "{doctor:?}");
    let mut lines = doctor.stdout.lines().skip_while(|line| !line.starts_with("FAIL  vectors"));
    assert!(lines.next().is_some_and(|line| line.contains(advice)), "{doctor:?}");
    assert!(lines.next().is_some_and(|line| line.contains("fix: ")), "{doctor:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_starts_without_it_and_each_says_what_is_missing() {
    let database = Database::create().await;
    says(&database, "CREATE EXTENSION vector SCHEMA public;").await;
    database.superuser().await.batch_execute("CREATE EXTENSION vector SCHEMA public").await.unwrap();
    says(&database, "run `insula migrate`").await;
}

async fn with_documents(node: &Node) -> (TestTenant, String, String, String) {
    let tenant = node.tenant("grounded").await;
    let (lease, pets) = (publish(&tenant, "lease", LEASE).await, publish(&tenant, "pets", PETS).await);
    let store = store_with_a_file(&tenant).await;
    (tenant, lease, pets, store)
}

/// The tables break under a node that runs: what is searched is refused, everything else goes on, and what came meanwhile is made up for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_searches_fail_while_it_is_broken() {
    let searching = Searched::Pgvector.start().await;
    let node = &searching.node;
    let (tenant, lease, pets, store) = with_documents(node).await;
    let superuser = node.database().superuser().await;
    let before = search(&tenant).await.expect(200).json();
    let break_it = "ALTER TABLE insula_tenant.embeddings RENAME TO broken";
    superuser.batch_execute(break_it).await.unwrap();

    let refused = search(&tenant).await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    refused.problem(503, "unavailable");
    search_store(&tenant.service, &store).await.openai_error(503, "unavailable");
    assert_refused(&ask_all(&tenant.service).await);
    chats_are_not_concerned(&tenant).await;
    tenant.admin.get(&tenant.path(&format!("/documents/{lease}"))).await.expect(200);
    // A document is taken in, and is neither lost nor given up. One that cannot be removed now is still there.
    let added =
        hand_in(&tenant, &json!({"name": "heating", "text": "The heating is serviced before the deposit is returned."})).await;
    tenant.admin.delete(&tenant.path(&format!("/documents/{pets}"))).await.problem(503, "unavailable");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waits = tenant.admin.get(&tenant.path(&format!("/documents/{added}"))).await.expect(200).json();
    assert!(["queued", "reading", "embedding"].contains(&waits["status"].as_str().unwrap()), "{waits}");

    superuser.batch_execute("ALTER TABLE insula_tenant.broken RENAME TO embeddings").await.unwrap();
    assert_eq!(search(&tenant).await.expect(200).json(), before);
    let ready = eventually_within(READY_WITHIN, "what came meanwhile is ready", || async {
        let document = over(&tenant.admin, &tenant.path(&format!("/documents/{added}"))).await;
        (document["status"] == "ready").then_some(document)
    });
    ready.await;
    tenant.admin.delete(&tenant.path(&format!("/documents/{pets}"))).await.expect(204);
    let answer = search(&tenant).await.expect(200).json();
    let left = documents(&answer);
    assert!(left.contains(&added.as_str()) && left.contains(&lease.as_str()) && !left.contains(&pets.as_str()), "{answer}");
    assert_answered(&ask_all(&tenant.service).await);
    assert_eq!(found(&tenant.service, &store, &json!({"query": "deposit"})).await.len(), 1);
    let audit = node.operator().post("/api/v1/vectors/audit", &json!({"tenants": ["grounded"]})).await.expect(200).json();
    assert_eq!(audit["found"], 0, "{audit}");
}

/// Its database is the nodes' own: what is searched is refused at once, all else as in every outage, and everything is there again after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_are_refused_while_the_database_is_away() {
    let config = ServeConfig { more: vec![("vectors", pgvector())], ..ServeConfig::default() };
    let mut cluster = ClusterSetup::new(1).serve(config).own_postgres().pgvector().start().await;
    let tenant = cluster.tenant("grounded").await;
    let lease = publish(&tenant, "lease", LEASE).await;
    let store = store_with_a_file(&tenant).await;
    let before = search(&tenant).await.expect(200).json();
    assert_answered(&ask_all(&tenant.service).await);

    block_in_place(|| cluster.postgres().stop()).unwrap();
    for _ in 0..3 {
        let refused = search(&tenant).await;
        assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0, "{}", refused.text());
        refused.problem(503, "unavailable");
        search_store(&tenant.service, &store).await.openai_error(503, "unavailable");
        for (path, reply) in ask_all(&tenant.service).await {
            assert_eq!(reply.status, 503, "{path}: {}", reply.text());
            assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0, "{path}: {}", reply.text());
        }
    }
    // Chats without retrieval come to the same a little later: what was admitted before is still answered.
    eventually_within(REFUSES_WITHIN, "chats are refused", || async {
        let reply = tenant.chat("is anybody there?").await;
        match reply.status {
            200 => None,
            _ => {
                assert!(reply.status == 503 && !reply.header("retry-after").is_empty(), "{}", reply.text());
                Some(())
            }
        }
    })
    .await;
    block_in_place(|| cluster.postgres().start_again()).unwrap();

    eventually_within(SERVES_WITHIN, "searches are answered again", || async {
        let reply = search(&tenant).await;
        (reply.status == 200).then(|| assert_eq!(reply.json(), before))
    })
    .await;
    assert_eq!(documents(&before)[0], lease, "{before}");
    eventually_within(SERVES_WITHIN, "so are chats", || async { (tenant.chat("back?").await.status == 200).then_some(()) })
        .await;
    assert_answered(&ask_all(&tenant.service).await);
    assert_eq!(found(&tenant.service, &store, &json!({"query": "deposit"})).await.len(), 1);
}
