//! What the calendar decides, on a clock that a test moves: a node of this very process.

use std::sync::Arc;
use std::time::Duration;

use insula::config::{Loaded, Sources};
use insula::node::{Node, Serving, World};
use insula::wire;
use insula_model::{Clock, ManualClock, Money, Timestamp};
use insula_simulator::{Scenario, Simulator};
use insula_tests::amounts::{chat_cost, times};
use insula_tests::config::ServeConfig;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Caller, Prices, TestTenant, usd};
use serde_json::{Value, json};
use tempfile::TempDir;

const CHAT: &str = "/v1/chat/completions";
/// So many that the output dwarfs what a reservation adds to the input.
const OUTPUT_TOKENS: u64 = 512;

/// A node in this process with a clock that stands still until it is moved.
struct Inside {
    serving: Serving,
    clock: Arc<ManualClock>,
    simulator: Simulator,
    folder: TempDir,
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn world(clock: &Arc<ManualClock>) -> World {
    World { clock: Arc::clone(clock) as Arc<dyn Clock>, ..World::default() }
}

impl Inside {
    async fn start(now: &str) -> Inside {
        wire::install_tls();
        let (folder, clock) = (TempDir::new().unwrap(), Arc::new(ManualClock::at(at(now))));
        let simulator = Simulator::start(([127, 0, 0, 1], 0).into()).unwrap();
        simulator.set_scenario(Scenario { output_tokens: OUTPUT_TOKENS, ..Scenario::default() });
        let serving = Self::open(&folder, &simulator, &clock).await.unwrap();
        Inside { serving, clock, simulator, folder }
    }

    async fn open(folder: &TempDir, simulator: &Simulator, clock: &Arc<ManualClock>) -> anyhow::Result<Serving> {
        let file = ServeConfig::default().write(folder.path(), &folder.path().join("data"), &simulator.url());
        let config = Loaded::from(&Sources { file: Some(file), ..Sources::default() })?.config;
        Node::open(&config, wire::Prices::Listed, world(clock)).await?.listen(config.server.listen).await
    }

    async fn tenant(&self) -> TestTenant {
        let operator = Caller::anonymous(&self.serving.url()).with(self.serving.local_key());
        TestTenant::create(&operator, "calendar").await
    }
}

fn short(text: &str) -> Value {
    let mut body = chat(text);
    body["max_tokens"] = json!(OUTPUT_TOKENS);
    body
}

/// Money for one request and not for two.
async fn budget_for_one(tenant: &TestTenant, window: &str) {
    let cost = chat_cost(Prices::small(), &["tick"], OUTPUT_TOKENS);
    let limit = times(cost, 3).pico() / 2;
    tenant.set_budgets(json!([{"window": window, "limit_usd": Money::from_pico(limit).to_string()}])).await;
}

/// Spends a window's budget just before `end`, and finds it full again at `end`.
async fn starts_afresh(window: &str, before: &str, end: &str) {
    let node = Inside::start(before).await;
    let tenant = node.tenant().await;
    budget_for_one(&tenant, window).await;
    let ask = async || tenant.service.post(CHAT, &short("tick")).await;
    ask().await.expect(200);
    let error = ask().await.openai_error(429, "budget_exceeded");
    assert_eq!((&error["window"], at(error["resets_at"].as_str().unwrap())), (&json!(window), at(end)), "{error}");

    node.clock.advance_to(Timestamp::from_micros(at(end).micros() - 1));
    ask().await.openai_error(429, "budget_exceeded");
    node.clock.advance_to(at(end));
    assert_eq!(usd(&tenant.budgets().await[0]["used_usd"]), Money::ZERO, "a new window");
    ask().await.expect(200);
    ask().await.openai_error(429, "budget_exceeded");
    assert_eq!(node.simulator.count(), 2);
    node.serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_ends_on_the_hour() {
    starts_afresh("hour", "2026-03-29T01:59:30Z", "2026-03-29T02:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_ends_at_midnight_in_utc() {
    starts_afresh("day", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_ends_with_its_last_day() {
    starts_afresh("month", "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_february_of_a_leap_year_has_29_days() {
    starts_afresh("month", "2028-02-28T23:59:59Z", "2028-03-01T00:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_belongs_to_the_window_in_which_it_was_reserved() {
    let node = Inside::start("2026-06-30T23:59:59Z").await;
    let tenant = node.tenant().await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    node.simulator.set_scenario(Scenario { chunks: 4, gap_ms: 150, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("over the hill")).await.expect_open();
    stream.first_content().await;
    let june = tenant.budgets().await.remove(0);
    assert!(usd(&june["reserved_usd"]) > Money::ZERO, "{june}");
    node.clock.advance_to(at("2026-07-01T00:00:01Z"));
    let july = tenant.budgets().await.remove(0);
    assert_eq!((usd(&july["used_usd"]), usd(&july["reserved_usd"])), (Money::ZERO, Money::ZERO), "{july}");
    stream.collect().await.expect_complete();
    let july = tenant.budgets().await.remove(0);
    assert_eq!((usd(&july["used_usd"]), usd(&july["reserved_usd"])), (Money::ZERO, Money::ZERO), "{july}");
    let usage = async |month: &str| {
        let (from, to) = (format!("2026-{month}-01T00:00:00Z"), format!("2026-{month}-28T00:00:00Z"));
        let to = if month == "06" { "2026-07-01T00:00:00Z".to_owned() } else { to };
        let path = tenant.path(&format!("/usage?from={from}&to={to}"));
        insula_tests::tenant::list(tenant.operator.get(&path).await)
    };
    assert_eq!(usage("06").await[0]["attempts"], 1);
    assert!(usage("07").await.is_empty());
    node.serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_this_month_is_remembered_over_a_restart_and_not_longer() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    budget_for_one(&tenant, "month").await;
    tenant.service.post(CHAT, &short("tick")).await.expect(200);
    let Inside { serving, clock, simulator, folder } = node;
    serving.stop().await.unwrap();

    clock.advance_to(at("2026-05-31T23:00:00Z"));
    let serving = Inside::open(&folder, &simulator, &clock).await.unwrap();
    let key = tenant.service.credential().unwrap();
    let caller = Caller::anonymous(&serving.url()).with(key);
    caller.post(CHAT, &short("tick")).await.openai_error(429, "budget_exceeded");
    serving.stop().await.unwrap();

    clock.advance_to(at("2026-06-01T00:00:00Z"));
    let serving = Inside::open(&folder, &simulator, &clock).await.unwrap();
    Caller::anonymous(&serving.url()).with(key).post(CHAT, &short("tick")).await.expect(200);
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_refused_when_stored_time_lies_far_ahead() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    node.clock.advance(Duration::from_secs(40 * 24 * 3_600));
    tenant.chat("from the future").await.expect(200);
    let Inside { serving, simulator, folder, .. } = node;
    serving.stop().await.unwrap();

    let early = Arc::new(ManualClock::at(at("2026-05-16T12:00:00Z")));
    let Err(refused) = Inside::open(&folder, &simulator, &early).await else { panic!("started in the past") };
    let said = format!("{refused:#}");
    assert!(said.contains("clock") || said.contains("time"), "{said}");

    // A little behind is no reason: time then stands still until it has caught up.
    let behind = Arc::new(ManualClock::at(Timestamp::from_micros(at("2026-06-24T12:00:00Z").micros() - 60_000_000)));
    let serving = Inside::open(&folder, &simulator, &behind).await.unwrap();
    assert!(behind.now() >= at("2026-06-24T12:00:00Z"), "{}", behind.now());
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_tokens_and_overlaps_end_to_the_moment() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    let anyone = Caller::anonymous(&node.serving.url());
    let key = json!({"name": "short", "expires_at": "2026-05-15T13:00:00Z"});
    let key = tenant.admin.post(&tenant.path("/keys"), &key).await.expect(201).json();
    let key = anyone.with(key["key"].as_str().unwrap());
    let token = tenant.admin.post(&tenant.path("/tokens"), &json!({"ttl_seconds": 3_600})).await.expect(201).json();
    let token = anyone.with(token["token"].as_str().unwrap());
    let path = tenant.path(&format!("/keys/{}/rotate", tenant.service_key));
    tenant.admin.post(&path, &json!({"overlap_seconds": 3_600})).await.expect(201);
    let callers = [("key", &key), ("token", &token), ("rotated key", &tenant.service)];
    for (what, caller) in callers {
        assert_eq!(caller.post(CHAT, &chat("tick")).await.status, 200, "{what}");
    }
    node.clock.advance_to(at("2026-05-15T12:59:59Z"));
    for (what, caller) in callers {
        assert_eq!(caller.post(CHAT, &chat("tick")).await.status, 200, "{what} a second before its end");
    }
    node.clock.advance_to(at("2026-05-15T13:00:00Z"));
    for (what, caller) in callers {
        assert_eq!(caller.post(CHAT, &chat("tick")).await.status, 401, "{what} at its end");
    }
    node.serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_is_honoured_for_24_hours() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    let ask = async || {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("once a day"));
        call.header("idempotency-key", "daily").send().await.expect(200)
    };
    let first = ask().await;
    node.clock.advance_to(at("2026-05-16T11:59:59Z"));
    assert_eq!(ask().await.body, first.body);
    assert_eq!(node.simulator.count(), 1);
    node.clock.advance_to(at("2026-05-16T12:00:01Z"));
    ask().await;
    assert_eq!(node.simulator.count(), 2, "another day, another request");
    node.serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_fill_up_again_as_the_minute_passes() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    tenant.set_limits(json!({"requests_per_minute": 2})).await;
    let ask = async || tenant.service.post(CHAT, &chat("tick")).await.status;
    assert_eq!([ask().await, ask().await, ask().await], [200, 200, 429]);
    node.clock.advance(Duration::from_secs(30));
    assert_eq!([ask().await, ask().await], [200, 429]);
    node.clock.advance(Duration::from_secs(60));
    assert_eq!([ask().await, ask().await, ask().await], [200, 200, 429]);
    node.serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_without_a_price_is_refused_with_what_to_do() {
    let node = Inside::start("2026-05-15T12:00:00Z").await;
    let tenant = node.tenant().await;
    let mut body = chat("how much?");
    body["model"] = json!("sim-unpriced");
    let error = tenant.service.post(CHAT, &body).await.openai_error(422, "unknown_price");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("sim-unpriced") && message.contains("price"), "{message}");
    assert_eq!(node.simulator.count(), 0);
    node.serving.stop().await.unwrap();
}
