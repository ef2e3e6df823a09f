use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::config::ServeConfig;
use insula_tests::ledger;
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::usd;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, Two, always};

/// Waits of a millisecond, and circuits that stay closed: no provider here fails half of the time for long.
const QUICK: (&str, &str) = ("routing", "retry_wait_ms_first = 1\ncircuit_outcomes_min = 128");

fn causes(trace: &Value) -> Vec<(&str, &str)> {
    let attempts = trace["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| (attempt["cause"].as_str().unwrap(), attempt["provider"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn three_attempts_make_an_unreliable_provider_reliable() {
    const REQUESTS: usize = 300;
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("reliable").await;
    tenant.set_monthly_budget(Money::from_usd("100").unwrap()).await;
    // A third of the failures are answers that are billed and cannot be read.
    let faults = vec![Fault::new(FaultKind::MalformedJson, 0.1), Fault::new(FaultKind::ServerError, 0.222)];
    two.node.scenario(Scenario { faults, seed: 7, ..Scenario::default() });
    two.other.set_scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 0.01)], seed: 7, ..Scenario::default() });
    let mut calls = JoinSet::new();
    let mut good = 0;
    for n in 0..REQUESTS {
        if calls.len() == 8 {
            good += usize::from(calls.join_next().await.unwrap().unwrap());
        }
        let service = tenant.service.clone();
        calls.spawn(async move { service.post(CHAT, &chat(&format!("try {n}"))).await.status == 200 });
    }
    while let Some(is_good) = calls.join_next().await {
        good += usize::from(is_good.unwrap());
    }
    assert!(good * 1_000 >= REQUESTS * 995, "{good} of {REQUESTS}");

    let settled = tenant.settled().await;
    let booked = ledger::attempts(&tenant.admin, &tenant.id).await;
    let seen = [two.node.simulator().requests(), two.other.requests()].concat();
    let ids = |ids: Vec<Option<String>>| ids.into_iter().map(Option::unwrap).collect::<BTreeSet<_>>();
    let (asked, booked_ids) = (
        ids(seen.iter().map(|record| record.attempt_id.clone()).collect()),
        ids(booked.iter().map(|attempt| Some(attempt.id.clone())).collect()),
    );
    assert_eq!(booked.len(), seen.len(), "a row for each call");
    assert_eq!(asked, booked_ids);
    assert_eq!(booked.iter().map(|attempt| attempt.cost).sum::<Money>(), settled);
    // Why each was made, and what that cost.
    let by_cause: BTreeMap<String, u64> = tenant
        .usage_by("cause")
        .await
        .iter()
        .map(|row| (row["group"].as_str().unwrap().to_owned(), row["attempts"].as_u64().unwrap()))
        .collect();
    assert_eq!(by_cause["base"], REQUESTS as u64);
    assert_eq!(by_cause.values().sum::<u64>(), seen.len() as u64);
    assert!(by_cause["fallback"] > 25, "{by_cause:?}");
}

#[tokio::test]
async fn a_failure_goes_to_the_next_provider_and_is_on_the_bill() {
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("next").await;
    two.node.scenario(always(FaultKind::MalformedJson));
    let reply = tenant.chat("first unreadable").await.expect(200);
    let trace = tenant.request(reply.request_id()).await;
    assert_eq!(causes(&trace), [("base", "sim"), ("fallback", "other")]);
    assert_eq!(trace["attempts"][0]["outcome"], "broken");
    assert!(usd(&trace["cost"]["by_cause"]["fallback"]) > Money::ZERO, "{}", trace["cost"]);
    assert!(usd(&trace["cost"]["by_cause"]["base"]) > Money::ZERO, "{}", trace["cost"]);
    let routed: Vec<_> = trace["route"]["candidates"].as_array().unwrap().iter().map(|one| one["rank"].clone()).collect();
    assert_eq!(routed, [json!(1), json!(2)]);
    let shown = two.node.insula(&["explain", reply.request_id()]).await;
    assert!(shown.stdout.contains("fallback") && shown.stdout.contains("other"), "{}", shown.stdout);
}

#[tokio::test]
async fn one_provider_is_tried_again() {
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("again").await;
    tenant.admin.put(&tenant.path("/routing"), &json!({"strategy": "pinned", "prefer": ["sim"]})).await.expect(200);
    two.node.scenario(always(FaultKind::ServerError));
    let reply = tenant.chat("thrice").await;
    reply.openai_error(502, "provider_failed");
    let trace = tenant.request(reply.request_id()).await;
    assert_eq!(causes(&trace), [("base", "sim"), ("retry", "sim"), ("retry", "sim")]);
    assert_eq!(two.counts(), (3, 0));
    // Fewer, where its tenant wants fewer.
    tenant.admin.put(&tenant.path("/routing"), &json!({"attempts_max": 1})).await.expect(200);
    tenant.chat("once").await.openai_error(502, "provider_failed");
    assert_eq!(two.counts(), (4, 0));
}

#[tokio::test]
async fn what_is_the_requests_own_fault_is_not_repeated() {
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("fault").await;
    let mut body = chat("hi");
    body["response_format"] = json!({"type": "nonesuch"});
    tenant.service.post(CHAT, &body).await.openai_error(400, "provider_rejected");
    assert_eq!(two.counts(), (1, 0));
}

#[tokio::test]
async fn a_stream_goes_on_elsewhere_before_and_after_its_headers() {
    for (fault, patience) in [
        (Fault::new(FaultKind::ServerError, 1.0), None),
        (Fault { after_chunks: Some(0), ..Fault::new(FaultKind::TruncatedChunk, 1.0) }, None),
        // The headers go out long before the provider is given up.
        (Fault { after_chunks: Some(0), ..Fault::new(FaultKind::Stall, 1.0) }, Some(Duration::from_millis(700))),
    ] {
        let config = ServeConfig { patience, ..ServeConfig::default() };
        let two = Two::with(config, &[QUICK, ("bounds", "header_wait_ms_max = 100")], vec![]).await;
        let tenant = two.node.tenant("streams").await;
        tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
        two.node.scenario(Scenario { faults: vec![fault], ..Scenario::default() });
        let call = tenant.service.call(http::Method::POST, CHAT).json(&streamed_chat("on and on"));
        let reply = call.header("idempotency-key", "streams").send().await.expect(200);
        assert!(reply.text().contains("[DONE]"), "{}", reply.text());
        let ids: BTreeSet<_> = reply
            .text()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "of one answer, not of two");
        let trace = tenant.request(reply.request_id()).await;
        assert_eq!(causes(&trace), [("base", "sim"), ("fallback", "other")], "{fault:?}");
        tenant.settled().await;
        // The same again is the same answer, and no call.
        let counts = two.counts();
        let call = tenant.service.call(http::Method::POST, CHAT).json(&streamed_chat("on and on"));
        let again = call.header("idempotency-key", "streams").send().await.expect(200);
        let events = |text: &str| text.lines().filter(|line| line.starts_with("data")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(events(&again.text()), events(&reply.text()));
        assert_eq!(two.counts(), counts);
    }
}

#[tokio::test]
async fn nothing_follows_the_first_content() {
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("begun").await;
    two.node.scenario(always(FaultKind::Reset));
    let transcript = tenant.service.stream(CHAT, &streamed_chat("half")).await.expect_open().collect().await;
    assert_eq!(transcript.expect_error()["code"], "provider_failed");
    assert!(!transcript.text().is_empty());
    assert_eq!(two.counts(), (1, 0));
}

#[tokio::test]
async fn an_attempt_that_the_budget_cannot_bear_is_not_made() {
    let two = Two::start(&[QUICK]).await;
    let tenant = two.node.tenant("poor").await;
    tenant.set_monthly_budget(Money::from_usd("0.0003").unwrap()).await;
    two.node.scenario(always(FaultKind::MalformedJson));
    let mut body = chat("once only");
    body["max_tokens"] = json!(64);
    let reply = tenant.service.post(CHAT, &body).await;
    reply.openai_error(502, "provider_failed");
    assert_eq!(two.counts(), (1, 0));
    let trace = tenant.request(reply.request_id()).await;
    let last = trace["stages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["name"], &last["reason"]), (&json!("budget"), &json!("budget_exceeded")), "{trace}");
    assert_eq!(causes(&trace), [("base", "sim")]);
    assert!(tenant.settled().await > Money::ZERO, "what was billed is settled, and nothing stays held");
    assert_eq!(list(tenant.admin.get(&tenant.path("/requests")).await).len(), 1);
}
