//! `GET /api/v1/ledger/verification`.

use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, usd};
use serde_json::json;

#[tokio::test]
async fn balances_follow_from_the_ledger() {
    let node = Node::start().await;
    let tenant = node.tenant("ledger").await;
    tenant.set_budgets(json!([{"window": "day", "limit_usd": "1"}])).await;
    for kind in [None, Some(FaultKind::Reset), Some(FaultKind::ServerError), Some(FaultKind::MissingUsage)] {
        let faults = kind.map(|kind| Fault::new(kind, 1.0)).into_iter().collect();
        node.scenario(Scenario { faults, ..Scenario::default() });
        tenant.service.post("/v1/chat/completions", &chat("plain")).await;
        tenant.service.stream("/v1/chat/completions", &streamed_chat("stream")).await.into_reply().await;
    }
    let settled = tenant.settled().await;
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!((&proof["difference_usd"], &proof["mismatches"]), (&json!("0.00"), &json!([])), "{proof}");
    assert_eq!(usd(&proof["ledger_usd"]), settled);
    assert_eq!(proof["rows"], node.simulator().count(), "a row for each call that arrived");
    tenant.admin.get("/api/v1/ledger/verification").await.problem(403, "forbidden");
}
