//! Two hundred at once over three nodes against money for exactly fifty.

use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::Scenario;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Caller, Cluster, ClusterSetup, Prices, TestTenant, eventually, eventually_within, usd};
use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};

use super::CHAT;

const NODES: usize = 3;
const CALLERS: usize = 200;
const AFFORDABLE: u64 = 50;
const SERVED_MIN: u64 = 45;
const TEXT: &str = "race";
const OUTPUT_TOKENS: u64 = 64;
/// Within this, nothing that is not used is held any more, by any node.
const GIVEN_BACK_MAX: Duration = Duration::from_secs(60);

const WINDOWS: &str = "SELECT coalesce(sum(settled), 0)::bigint FROM insula_control.budget_windows";

fn bodies() -> [(&'static str, Value); 3] {
    let mut capped = chat(TEXT);
    capped["max_tokens"] = json!(OUTPUT_TOKENS);
    [("with-max-tokens", capped), ("without-max-tokens", chat(TEXT)), ("streaming", streamed_chat(TEXT))]
}

/// One call: whether it was served. Nothing but a budget stands in its way.
async fn ask(caller: Caller, body: Value) -> bool {
    let stream = caller.stream(CHAT, &body).await;
    if stream.status != 200 {
        stream.into_reply().await.openai_error(429, "budget_exceeded");
        return false;
    }
    match body["stream"] == true {
        true => drop(stream.collect().await.expect_complete()),
        false => drop(stream.into_reply().await.json()),
    }
    true
}

/// Sends them all at once, in turn to every node; how many were served.
async fn race(cluster: &mut Cluster, tenant: &TestTenant, body: &Value, kills_redis: bool) -> u64 {
    cluster.simulator().reset();
    cluster.scenario(Scenario { latency_ms: 100, output_tokens: OUTPUT_TOKENS, ..Scenario::default() });
    let callers: Vec<Caller> = cluster.everywhere(tenant).into_iter().map(|tenant| tenant.service).collect();
    let mut calls = JoinSet::new();
    for number in 0..CALLERS {
        calls.spawn(ask(callers[number % NODES].clone(), body.clone()));
    }
    if kills_redis {
        eventually("it is under way", || async { (cluster.simulator().count() >= AFFORDABLE / 5).then_some(()) }).await;
        block_in_place(|| cluster.redis().kill()).unwrap();
    }
    calls.join_all().await.into_iter().filter(|served| *served).count() as u64
}

/// Polls until nothing is reserved and no node holds anything; what is settled then, and how long it took.
async fn given_back(cluster: &Cluster, tenant: &TestTenant) -> (Money, Duration) {
    let begun = Instant::now();
    let database = cluster.database().superuser().await;
    let leased = "SELECT ((SELECT coalesce(sum(leased), 0) FROM insula_control.budget_windows)
        + (SELECT coalesce(sum(amount), 0) FROM insula_control.budget_leases))::bigint";
    eventually_within(GIVEN_BACK_MAX, "no node holds anything", || async {
        let leased: i64 = database.query_one(leased, &[]).await.unwrap().get(0);
        (leased == 0).then_some(())
    })
    .await;
    let settled = eventually_within(GIVEN_BACK_MAX, "nothing is reserved", || async {
        let budget = tenant.budgets().await.remove(0);
        (usd(&budget["reserved_usd"]) == Money::ZERO).then(|| usd(&budget["used_usd"]))
    })
    .await;
    (settled, begun.elapsed())
}

async fn assert_race(cluster: &mut Cluster, slug: &str, body: &Value, kills_redis: bool) {
    let tenant = cluster.tenant(slug).await;
    let cost = chat_cost(Prices::small(), &[TEXT], OUTPUT_TOKENS);
    let budget = times(cost, AFFORDABLE);
    tenant.set_monthly_budget(budget).await;
    let before = cluster.database().number(WINDOWS).await;
    let begun = Instant::now();
    let served = race(cluster, &tenant, body, kills_redis).await;
    let raced = begun.elapsed();
    let (settled, given_back) = given_back(cluster, &tenant).await;
    println!(
        "{slug}, Redis {}: {served} of {AFFORDABLE} affordable served in {raced:?}; settled {settled} of {budget}; \
         nothing held after {given_back:?}",
        if kills_redis { "killed" } else { "up" }
    );
    assert!(settled <= budget, "overspent: {settled} of {budget}");
    assert_eq!(settled, times(cost, served), "{served} served");
    assert_eq!(cluster.simulator().count(), served, "asked upstream");
    assert!((SERVED_MIN..=AFFORDABLE).contains(&served), "{served} of {AFFORDABLE} were served");
    let usage = tenant.usage().await;
    assert_eq!((usage["attempts"].as_u64(), usd(&usage["cost_usd"])), (Some(served), settled));
    let windows = cluster.database().number(WINDOWS).await - before;
    assert_eq!(i128::from(windows), settled.pico(), "the window says the same");
    let overdrawn = "SELECT coalesce(sum(overdrawn), 0)::bigint FROM insula_control.budget_windows";
    assert_eq!(cluster.database().number(overdrawn).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overspent() {
    let mut cluster = Cluster::start(NODES).await;
    for (slug, body) in bodies() {
        assert_race(&mut cluster, slug, &body, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overspent_when_redis_dies_meanwhile() {
    let mut cluster = ClusterSetup::new(NODES).own_redis().start().await;
    for (slug, body) in bodies() {
        assert_race(&mut cluster, slug, &body, true).await;
        block_in_place(|| cluster.redis().start_again()).unwrap();
    }
}
