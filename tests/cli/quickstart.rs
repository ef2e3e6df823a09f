//! `insula quickstart`.

use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::Node;
use insula_tests::tenant::list;

use super::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_proves_each_step_and_leaves_nothing_behind() {
    let node = Node::start().await;
    let toured = node.insula(&["quickstart", "--data-dir", "data"]).await;
    assert_eq!(toured.code, 0, "{}\n{}", toured.stdout, toured.stderr);
    for proven in ["stream", "budget", "ledger"] {
        assert!(toured.stdout.contains(proven), "{}", toured.stdout);
    }
    assert_eq!(list(node.operator().get("/api/v1/tenants").await).len(), 2, "acme and globex");
    // And again, on a server that has seen one already.
    let steps = json(&node.insula(&["quickstart", "--data-dir", "data", "--json"]).await);
    assert!(steps["data"].as_array().unwrap().iter().all(|step| step["ok"] == true), "{steps}");
}

/// A control: it asserts, it does not only tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_fails_where_something_does_not_hold() {
    let node = Node::start().await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::NoDone, 1.0)], ..Scenario::default() });
    let toured = node.insula(&["quickstart", "--data-dir", "data"]).await;
    assert_eq!(toured.code, 1, "{}", toured.stdout);
    assert!(toured.stdout.contains("FAILED"), "{}", toured.stdout);
    assert_eq!(list(node.operator().get("/api/v1/tenants").await).len(), 2, "it cleans up all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_it_says_how_to_start_one() {
    let mut node = Node::start().await;
    node.stop();
    let refused = node.insula(&["quickstart", "--data-dir", "data"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let refused = node.insula(&["quickstart", "--data-dir", "nowhere"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("insula dev"), "{refused:?}");
}
