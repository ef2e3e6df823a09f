//! Batches where several nodes share their storage.

use insula_simulator::Scenario;
use insula_tests::Cluster;
use insula_tests::batch::{CHAT, EMBEDDINGS, chats, content, embed, embeds, output, over, start};
use insula_tests::tenant::list;
use serde_json::json;

/// What one node took up another goes on with, and every node shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_outlives_its_node() {
    let mut cluster = Cluster::start(2).await;
    let tenant = cluster.tenant("outlived").await;
    cluster.simulator().set_scenario(Scenario { latency_ms: 200, ..Scenario::default() });
    let text = chats(300);
    let id = start(&tenant.service, &text, CHAT).await;
    insula_tests::eventually("lines are sent", || async { (cluster.simulator().count() >= 30).then_some(()) }).await;
    cluster.nodes[0].kill();
    let other = tenant.at(&cluster.nodes[1].anyone);
    let batch = over(&other.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 300, "completed": 300, "failed": 0}), "{batch}");
    assert_eq!(output(&other.service, &batch["output_file_id"]).await.len(), 300);
    let input = batch["input_file_id"].as_str().unwrap();
    assert!(content(&other.service, input).await == text);
    assert_eq!(list(other.service.get("/v1/files").await).len(), 2);
    // At most what was under way at the kill is sent a second time.
    assert!(cluster.simulator().count() <= 300 + 16, "{}", cluster.simulator().count());
}

/// Calls of many lines are found again by another node, and what was answered is not asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_go_together_outlive_their_node() {
    let mut cluster = Cluster::start(2).await;
    let tenant = cluster.tenant("outlived-together").await;
    cluster.simulator().set_scenario(Scenario { latency_ms: 400, ..Scenario::default() });
    let id = start(&tenant.service, &embeds(4_000), EMBEDDINGS).await;
    insula_tests::eventually("lines are sent", || async { (cluster.simulator().count() >= 18).then_some(()) }).await;
    cluster.nodes[0].kill();
    let other = tenant.at(&cluster.nodes[1].anyone);
    let batch = over(&other.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 4_000, "completed": 4_000, "failed": 0}), "{batch}");
    let found = output(&other.service, &batch["output_file_id"]).await;
    assert_eq!(found.len(), 4_000);
    assert!(cluster.simulator().count() <= 40 + 16, "{}", cluster.simulator().count());
    for n in (0..4_000).step_by(331) {
        let direct = other.service.post(EMBEDDINGS, &embed(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"], direct, "line {n}");
    }
}
