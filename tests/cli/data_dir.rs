//! Commands with `--data-dir`: beside a running server, and without one.

use insula_tests::Node;

use super::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_work_beside_a_running_server_and_without_one() {
    let mut node = Node::start().await;
    json(&node.insula(&["tenant", "create", "beside", "--data-dir", "data", "--json"]).await);
    node.operator().get("/api/v1/tenants/beside").await.expect(200);
    node.stop();
    json(&node.insula(&["tenant", "create", "without", "--data-dir", "data", "--json"]).await);
    let key = node.insula(&["key", "create", "without", "--name", "ci", "--data-dir", "data"]).await;
    let proof = json(&node.insula(&["ledger", "verify", "--data-dir", "data", "--json"]).await);
    assert_eq!(proof["difference_usd"], "0.00");
    node.start_again().await;
    node.operator().get("/api/v1/tenants/without").await.expect(200);
    node.anyone.with(key.stdout.trim()).get("/v1/models").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_find_their_way_after_a_crash() {
    let mut node = Node::start().await;
    node.kill();
    // server.json is still there and names a server that is not.
    let listed = json(&node.insula(&["tenant", "list", "--data-dir", "data", "--json"]).await);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_data_is_not_filled_with_some() {
    let node = Node::start().await;
    let refused = node.insula(&["tenant", "list", "--data-dir", "nowhere"]).await;
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("nowhere"), "{refused:?}");
    assert!(!node.folder().join("nowhere").exists());
}
