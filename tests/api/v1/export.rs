//! `/api/v1/usage/export` and `/api/v1/tenants/{tenant}/usage/export`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_tests::cluster::Shared;
use insula_tests::node::Setup;
use insula_tests::{Node, TestTenant, bill};
use serde_json::Value;

/// How long the export may wait for transactions of others on the database server.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

/// `cargo xtask bench bill` sends more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_books_agree_to_the_picodollar() {
    agrees(Setup::default(), 3_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_books_of_a_cluster_agree_to_the_picodollar() {
    agrees(Setup::default().shared(Arc::new(Shared::create(None, None).await)), 600).await;
}

async fn agrees(setup: Setup, requests: usize) {
    let bill = bill::check(setup, requests, 1).await;
    println!("{bill}");
    assert!(bill.attempts > requests * 9 / 10 && bill.estimates > 0, "{bill}");
}

/// One page of a tenant's rows, and where to go on.
async fn page(tenant: &TestTenant, cursor: &str) -> (Vec<String>, String) {
    let reply = tenant.admin.get(&tenant.path(&format!("/usage/export?limit=3{cursor}"))).await.expect(200);
    let rows = reply.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert!(rows.iter().all(|row| row["tenant"] == tenant.id.as_str()), "{rows:?}");
    let ids = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    (ids, format!("&cursor={}", reply.header("x-next-cursor")))
}

/// Reads while requests are made, also across a restart; each row comes once.
async fn nothing_is_missed(mut node: Node) {
    const REQUESTS: usize = 40;
    let (mut tenant, other) = (node.tenant("exporter").await, node.tenant("beside").await);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for number in 0..REQUESTS {
        tenant.chat("once").await.expect(200);
        other.at(&node.anyone).chat("not mine").await.expect(200);
        if number == REQUESTS / 2 {
            node.stop();
            node.start_again().await;
            tenant = tenant.at(&node.anyone);
            continue;
        }
        if number % 3 == 0 {
            let (ids, next) = page(&tenant, &cursor).await;
            seen.extend(ids);
            cursor = next;
        }
    }
    let deadline = Instant::now() + COMPLETE_WITHIN;
    while seen.len() < REQUESTS && Instant::now() < deadline {
        let (ids, next) = page(&tenant, &cursor).await;
        seen.extend(ids);
        cursor = next;
    }
    assert_eq!(seen.len(), REQUESTS);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), REQUESTS, "each once");
    assert!(page(&tenant, &cursor).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_keeps_the_cursor_reads_each_row_once() {
    nothing_is_missed(Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_cluster_reads_each_row_once() {
    nothing_is_missed(Node::clustered().await).await;
}
