use insula_simulator::{FaultKind, Scenario};
use insula_tests::eventually;
use insula_tests::tenant::chat;
use serde_json::json;

use super::{CHAT, Two, always};

const WATCHFUL: (&str, &str) =
    ("routing", "retry_wait_ms_first = 1\ncircuit_outcomes_min = 4\ncircuit_open_ms = 1500\nattempts_max = 2");

#[tokio::test]
async fn a_circuit_opens_and_lets_one_probe_through() {
    let two = Two::start(&[WATCHFUL]).await;
    let tenant = two.node.tenant("watched").await;
    two.node.scenario(always(FaultKind::ServerError));
    for n in 0..6 {
        tenant.chat(&format!("all the same {n}")).await.expect(200);
    }
    let (failed, served) = two.counts();
    assert_eq!((failed, served), (4, 6), "after the fourth failure nothing goes there");
    let reply = tenant.chat("around it").await.expect(200);
    let trace = tenant.request(reply.request_id()).await;
    let reasons: Vec<_> = trace["route"]["candidates"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
    assert_eq!(reasons, [json!("circuit_open"), json!(null)]);
    // Well again: once it had its rest it is tried, and then serves as before.
    two.node.scenario(Scenario::default());
    let before = two.counts().0;
    eventually("it serves again", || async {
        tenant.chat("well?").await.expect(200);
        (two.counts().0 > before).then_some(())
    })
    .await;
    let served = two.counts().1;
    tenant.chat("as before").await.expect(200);
    assert_eq!(two.counts().1, served);
}

#[tokio::test]
async fn one_tenants_bad_requests_close_nobody_elses_way() {
    let two = Two::start(&[WATCHFUL]).await;
    let (bad, good) = (two.node.tenant("bad").await, two.node.tenant("good").await);
    let mut body = chat("hi");
    body["response_format"] = json!({"type": "nonesuch"});
    for _ in 0..8 {
        bad.service.post(CHAT, &body).await.openai_error(400, "provider_rejected");
    }
    // What it is refused opens nothing, not even for itself.
    bad.chat("well behaved").await.expect(200);
    // Failures that it alone sees close the way for it alone.
    two.node.scenario(always(FaultKind::ServerError));
    for n in 0..6 {
        bad.chat(&format!("failing {n}")).await.expect(200);
    }
    two.node.scenario(Scenario::default());
    let seen = two.counts().0;
    bad.chat("around it").await.expect(200);
    assert_eq!(two.counts().0, seen, "closed for the one");
    good.chat("straight").await.expect(200);
    assert_eq!(two.counts().0, seen + 1, "and open for the other");
}

#[tokio::test]
async fn a_slower_pace_is_no_failure() {
    let two = Two::start(&[WATCHFUL]).await;
    let tenant = two.node.tenant("paced").await;
    two.node.scenario(always(FaultKind::RateLimit));
    tenant.chat("elsewhere at once").await.expect(200);
    for n in 0..5 {
        let reply = tenant.chat(&format!("elsewhere {n}")).await.expect(200);
        let trace = tenant.request(reply.request_id()).await;
        // Until it has had its pause it comes last; it is never given up.
        let first = &trace["route"]["candidates"][0];
        assert!(first["rank"].is_u64() && (first["reason"] == "paced" || first["reason"].is_null()), "{first}");
    }
}
