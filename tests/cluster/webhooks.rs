//! A budget that two nodes spend: whoever notices, it is told once.

use insula_tests::config::ServeConfig;
use insula_tests::receiver::Receiver;
use insula_tests::tenant::list;
use insula_tests::{ClusterSetup, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_told_once_by_all_nodes_together() {
    let more = vec![("webhooks", "allow_private = [\"127.0.0.0/8\"]".to_owned())];
    let cluster = ClusterSetup::new(2).serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = cluster.tenant("told").await;
    let receiver = Receiver::start().await;
    let made = cluster.operator().post("/api/v1/webhooks", &json!({"url": receiver.url})).await.expect(201).json();
    tenant.set_budgets(json!([{"window": "month", "limit_tokens": 8000, "mode": "hard", "alert_at": [0.5, 0.8]}])).await;
    let (mut refused, everywhere) = ([0, 0], cluster.everywhere(&tenant));
    while refused.iter().any(|refused| *refused < 2) {
        for (node, refused) in everywhere.iter().zip(&mut refused) {
            match node.chat("spend it").await.status {
                200 => {}
                429 => *refused += 1,
                other => panic!("unexpected {other}"),
            }
        }
    }
    receiver.nth(3).await;
    let path = format!("/api/v1/webhooks/{}", made["id"].as_str().unwrap());
    cluster.operator().post(&format!("{path}/test"), &json!({})).await.expect(202);
    eventually("the last one is told", || async {
        receiver.told().iter().any(|told| told.kind() == "webhook.test").then_some(())
    })
    .await;
    let log = list(cluster.operator().get(&format!("{path}/deliveries")).await);
    let mut kinds: Vec<_> = log.iter().map(|line| line["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["budget.alert", "budget.alert", "budget.exhausted", "webhook.test"]);
    assert_eq!(receiver.told().len(), 4, "each delivery is one node's to send");
}
