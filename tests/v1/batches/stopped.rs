//! A batch that does not come to its end by itself.

use insula_simulator::Scenario;
use insula_tests::batch::{CHAT, chats, output, over, read, start};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::{Node, TestTenant, eventually};
use serde_json::{Value, json};

/// Lines that a batch has under way at once.
const AT_ONCE: u64 = 16;

/// Waits until some lines are done.
async fn begun(tenant: &TestTenant, id: &str) {
    eventually("some lines are done", || async {
        (read(&tenant.admin, id).await["request_counts"]["completed"].as_u64().unwrap() >= 1).then_some(())
    })
    .await;
}

/// The batch ended as `status`; lines without an answer say `code`, and every line is somewhere.
async fn ended(tenant: &TestTenant, id: &str, status: &str, code: &str, lines: usize) -> Value {
    let batch = over(&tenant.admin, id).await;
    assert_eq!(batch["status"], status, "{batch}");
    let answers = output(&tenant.admin, &batch["output_file_id"]).await;
    let errors = output(&tenant.admin, &batch["error_file_id"]).await;
    assert!(errors.values().all(|line| line["error"]["code"] == code && line["response"].is_null()), "{errors:?}");
    assert!(!errors.is_empty());
    assert_eq!(answers.len() + errors.len(), lines);
    assert_eq!(batch["request_counts"]["completed"], answers.len());
    assert_eq!(batch["request_counts"]["failed"], errors.len());
    batch
}

#[tokio::test]
async fn it_is_cancelled() {
    let node = Node::start().await;
    let tenant = node.tenant("cancelled").await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let id = start(&tenant.service, &chats(400), CHAT).await;
    begun(&tenant, &id).await;
    let path = format!("/v1/batches/{id}/cancel");
    let cancelling = tenant.service.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(cancelling["status"], "cancelling");
    let batch = ended(&tenant, &id, "cancelled", "batch_cancelled", 400).await;
    assert!(batch["cancelling_at"].is_i64() && batch["cancelled_at"].is_i64(), "{batch}");
    assert_eq!(node.simulator().count(), batch["request_counts"]["completed"].as_u64().unwrap());
    assert_eq!(tenant.service.post(&path, &json!({})).await.expect(200).json()["status"], "cancelled");
    let done = start(&tenant.service, &chats(1), CHAT).await;
    over(&tenant.service, &done).await;
    tenant.service.post(&format!("/v1/batches/{done}/cancel"), &json!({})).await.openai_error(409, "conflict");
}

#[tokio::test]
async fn its_time_runs_out() {
    let more = vec![("batches", "window_seconds = 2".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("expired").await;
    node.scenario(Scenario { latency_ms: 300, ..Scenario::default() });
    let id = start(&tenant.service, &chats(400), CHAT).await;
    ended(&tenant, &id, "expired", "batch_expired", 400).await;
}

#[tokio::test]
async fn its_key_is_revoked() {
    let node = Node::start().await;
    let tenant = node.tenant("revoked").await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let id = start(&tenant.service, &chats(400), CHAT).await;
    begun(&tenant, &id).await;
    tenant.operator.delete(&tenant.path(&format!("/keys/{}", tenant.service_key))).await.expect(204);
    let batch = ended(&tenant, &id, "failed", "key_withdrawn", 400).await;
    assert_eq!(batch["errors"]["data"][0]["code"], "key_withdrawn");
}

#[tokio::test]
async fn its_tenant_is_suspended_and_resumed() {
    let node = Node::start().await;
    let tenant = node.tenant("paused").await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let id = start(&tenant.service, &chats(120), CHAT).await;
    begun(&tenant, &id).await;
    tenant.operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200);
    let managed = tenant.path(&format!("/batches/{id}"));
    let paused = eventually("it waits", || async {
        let batch = tenant.operator.get(&managed).await.expect(200).json();
        (batch["waiting_for"] == "suspended").then_some(batch)
    })
    .await;
    assert!(paused["completed"].as_u64().unwrap() < 120, "{paused}");
    tenant.operator.post(&tenant.path("/resume"), &json!({})).await.expect(200);
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 120, "completed": 120, "failed": 0}), "{batch}");
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    assert_eq!(found.len(), 120);
}

#[tokio::test]
async fn its_tenant_is_erased() {
    let node = Node::start().await;
    let tenant = node.tenant("erased").await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let id = start(&tenant.service, &chats(2_000), CHAT).await;
    begun(&tenant, &id).await;
    tenant.operator.delete(&tenant.path("")).await.expect(200);
    let sent = node.simulator().count();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    // What was under way may still have arrived.
    assert!(node.simulator().count() <= sent + 16, "{} after {sent}", node.simulator().count());
    tenant.operator.get("/readyz").await.expect(200);
}

/// A server that is asked to stop lays its batches down, and its next run goes on with them: no line is answered twice. Those that the
/// stop did not wait for are sent again.
#[tokio::test]
async fn its_server_is_restarted() {
    let mut node = Node::start().await;
    let tenant = node.tenant("restarted").await;
    node.scenario(Scenario { latency_ms: 100, ..Scenario::default() });
    let id = start(&tenant.service, &chats(200), CHAT).await;
    begun(&tenant, &id).await;
    node.stop();
    node.start_again().await;
    let tenant = tenant.at(&node.anyone);
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 200, "completed": 200, "failed": 0}), "{batch}");
    assert_eq!(output(&tenant.service, &batch["output_file_id"]).await.len(), 200);
    let sent = node.simulator().count();
    assert!((200..=200 + AT_ONCE).contains(&sent), "{sent} upstream calls");
}
