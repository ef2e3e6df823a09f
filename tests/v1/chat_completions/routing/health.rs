use insula_simulator::{FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::eventually;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use serde_json::json;
use tokio::task::JoinSet;

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
async fn a_flood_of_failures_closes_nobody_elses_way() {
    let two = Two::start(&[WATCHFUL]).await;
    let (flooding, seldom, idle) =
        (two.node.tenant("flooding").await, two.node.tenant("seldom").await, two.node.tenant("idle").await);
    for tenant in [&seldom, &idle] {
        // So many that one failure puts no other provider first.
        for n in 0..6 {
            tenant.chat(&format!("well {n}")).await.expect(200);
        }
    }
    // More than are kept of one tenant, all under way before the first has failed.
    two.node.scenario(Scenario { latency_ms: 1_500, ..always(FaultKind::ServerError) });
    let mut flood = JoinSet::new();
    for n in 0..140 {
        let service = flooding.service.clone();
        flood.spawn(async move { service.post(CHAT, &chat(&format!("flood {n}"))).await });
    }
    for reply in flood.join_all().await {
        reply.expect(200);
    }
    seldom.chat("one of its own fails too").await.expect(200);
    two.node.scenario(Scenario::default());
    let seen = two.counts().0;
    idle.chat("straight").await.expect(200);
    seldom.chat("straight").await.expect(200);
    assert_eq!(two.counts().0, seen + 2, "open for the others");
}

#[tokio::test]
async fn a_long_stream_that_probes_keeps_nobody_away() {
    let two = Two::start(&[WATCHFUL]).await;
    let (streaming, other) = (two.node.tenant("streaming").await, two.node.tenant("other").await);
    two.node.scenario(always(FaultKind::ServerError));
    for tenant in [&streaming, &other] {
        for n in 0..2 {
            tenant.chat(&format!("failing {n}")).await.expect(200);
        }
    }
    let failed = two.counts().0;
    other.chat("around it").await.expect(200);
    assert_eq!(two.counts().0, failed, "closed for everybody");
    two.node.scenario(Scenario { gap_ms: 2_000, ..Scenario::default() });
    let mut stream = eventually("it probes", || async {
        let stream = streaming.service.stream(CHAT, &streamed_chat("for long")).await.expect_open();
        (two.counts().0 > failed).then_some(stream)
    })
    .await;
    stream.first_content().await;
    other.chat("straight").await.expect(200);
    assert_eq!(two.counts().0, failed + 2, "while it streams on");
    drop(stream);
}

#[tokio::test]
async fn an_answer_over_our_bound_is_asked_for_once_and_is_no_failure() {
    let more = vec![(WATCHFUL.0, WATCHFUL.1.replace("attempts_max = 2", "attempts_max = 3"))];
    let provider = vec!["response_bytes_max = 4000".to_owned()];
    let node = Setup::default().serve(ServeConfig { more, provider, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("lengthy").await;
    node.scenario(Scenario { echo: true, ..Scenario::default() });
    for n in 1..=6 {
        let reply = tenant.chat(&"long ".repeat(2_000)).await;
        reply.openai_error(502, "answer_too_large");
        assert_eq!(reply.header("x-should-retry"), "false");
        assert_eq!(node.simulator().count(), n, "not tried again");
    }
    tenant.chat("short").await.expect(200);
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
