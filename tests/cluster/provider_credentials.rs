//! What one node stores another sends, and what one removes no other sends any more.

use insula_simulator::RequestRecord;
use insula_tests::Cluster;
use serde_json::json;

fn last(cluster: &Cluster) -> Option<String> {
    cluster.simulator().requests().pop().and_then(|record: RequestRecord| record.credential)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_counts_on_every_node_when_its_call_returns() {
    let cluster = Cluster::start(2).await;
    let tenant = cluster.tenant("owner").await;
    let nodes = cluster.everywhere(&tenant);
    let path = tenant.path("/provider-credentials/sim");
    for round in 0..4 {
        let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        there.chat("before").await.expect(200);
        assert_eq!(last(&cluster), None, "by the platform's, which has no key here");
        for key in ["sk-own-0123456789-aaa1", "sk-own-0123456789-aaa2"] {
            here.admin.put(&path, &json!({"api_key": key})).await.expect(200);
            for node in [there, here] {
                node.chat("with it").await.expect(200);
                assert_eq!(last(&cluster), Some(format!("authorization ...{}", &key[key.len() - 4..])));
            }
            assert_eq!(there.admin.get(&path).await.expect(200).json()["ends_with"], key[key.len() - 4..]);
        }
        here.admin.delete(&path).await.expect(204);
        for node in [there, here] {
            node.chat("without").await.expect(200);
            assert_eq!(last(&cluster), None);
        }
    }
}
