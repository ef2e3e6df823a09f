use insula_model::Money;
use insula_simulator::{FaultKind, Scenario};
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::usd;
use serde_json::json;

use super::{CHAT, Two, always};

#[tokio::test]
async fn a_change_is_flagged_on_the_request_that_shows_it() {
    let two = Two::start(&[]).await;
    let tenant = two.node.tenant("flagged").await;
    for kind in [FaultKind::ChangedFingerprint, FaultKind::ChangedModel] {
        let what = if kind == FaultKind::ChangedModel { "model" } else { "fingerprint" };
        for body in [chat("same"), streamed_chat("same")] {
            two.node.scenario(Scenario::default());
            tenant.service.post(CHAT, &body).await.expect(200);
            two.node.scenario(always(kind));
            let reply = tenant.service.post(CHAT, &body).await.expect(200);
            let trace = tenant.request(reply.request_id()).await;
            let found = trace["route"]["version_mismatches"].as_array().unwrap();
            assert_eq!(found.len(), 1, "{trace}");
            assert_eq!((&found[0]["what"], &found[0]["locked"]), (&json!(what), &json!(false)));
            let again = tenant.service.post(CHAT, &body).await.expect(200);
            let trace = tenant.request(again.request_id()).await;
            assert_eq!(trace["route"]["version_mismatches"], json!([]), "it is no change any more");
        }
    }
}

#[tokio::test]
async fn a_locked_version_is_kept_to() {
    let two = Two::start(&[]).await;
    let tenant = two.node.tenant("locked").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let fingerprint = tenant.chat("first").await.expect(200).json()["system_fingerprint"].clone();
    assert!(fingerprint.is_string());
    let lock = |on_mismatch| json!({"locks": [{"model": "sim-small", "snapshot": "sim-small", "fingerprint": fingerprint, "on_mismatch": on_mismatch}]});
    tenant.admin.put(&tenant.path("/routing"), &lock("refuse")).await.expect(200);
    tenant.chat("the same").await.expect(200);
    for kind in [FaultKind::ChangedFingerprint, FaultKind::ChangedModel] {
        two.node.scenario(always(kind));
        for body in [chat("another"), streamed_chat("another")] {
            let before = tenant.settled().await;
            let reply = tenant.service.post(CHAT, &body).await;
            reply.openai_error(502, "version_mismatch");
            assert_eq!(reply.header("x-should-retry"), "false");
            let trace = tenant.request(reply.request_id()).await;
            assert_eq!(trace["route"]["version_mismatches"][0]["locked"], true, "{trace}");
            assert_eq!(trace["attempts"].as_array().unwrap().len(), 1, "{trace}");
            assert!(usd(&trace["attempts"][0]["cost_usd"]) > Money::ZERO, "it is billed");
            assert!(tenant.settled().await > before);
        }
    }
    tenant.admin.put(&tenant.path("/routing"), &lock("flag")).await.expect(200);
    let reply = tenant.chat("another").await.expect(200);
    let trace = tenant.request(reply.request_id()).await;
    assert_eq!(trace["route"]["version_mismatches"][0]["locked"], true, "{trace}");
}
