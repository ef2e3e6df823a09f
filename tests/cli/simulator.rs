//! `insula simulator`.

use std::time::Duration;

use insula_tests::Caller;
use insula_tests::binary;
use insula_tests::child::{Child, command};
use insula_tests::node::Setup;
use insula_tests::tenant::chat;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulator_of_its_own_serves_a_server() {
    let mut start = command(binary::insula());
    start.args(["simulator", "--listen", "127.0.0.1:0"]);
    let mut child = Child::start(start);
    let ready = child.wait_for_line("Ready", Duration::from_secs(30)).unwrap();
    let url = ready.split_whitespace().last().unwrap().to_owned();
    let simulator = Caller::anonymous(&url);
    simulator.post("/_sim/scenario", &json!({"output_tokens": 7})).await.expect(200);

    let node = Setup::default().simulator_at(&url).start().await;
    assert_eq!(node.dev_env()["INSULA_SIMULATOR_URL"], url);
    let tenant = node.tenant("outside").await;
    let answer = tenant.chat("hi").await.expect(200).json();
    assert_eq!(answer["usage"]["completion_tokens"], 7);
    let log = simulator.get("/_sim/requests").await.expect(200).json();
    assert_eq!(log["data"].as_array().unwrap().len(), 1);
    let logged = &log["data"][0];
    assert!(logged["attempt_id"].as_str().unwrap().starts_with("att_"), "{logged}");
    assert_eq!((&logged["path"], &logged["finished"]), (&json!("/v1/chat/completions"), &json!(true)));
    assert_eq!(logged["body"]["messages"], chat("hi")["messages"]);
    simulator.post("/_sim/reset", &json!({})).await.expect(200);
    assert_eq!(simulator.get("/_sim/count").await.expect(200).json(), json!({"count": 0}));
    assert!(child.stop(Duration::from_secs(10)).success());
}
