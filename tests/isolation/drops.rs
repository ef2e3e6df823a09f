//! Two hundred clients that leave at random moments, twenty thousand requests: nothing leaks, nothing is mixed up.

use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::{RequestRecord, Scenario};
use insula_tests::http::Caller;
use insula_tests::ledger::{Comparison, attempts};
use insula_tests::memory::resident_bytes_peak;
use insula_tests::sse::Event;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{EventStream, Node, TestTenant};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const TENANTS: usize = 10;
const CLIENTS_PER_TENANT: usize = 20;
/// More than clients, because an answer whose client left may hold its seat a little longer.
const SEATS_PER_TENANT: usize = 2 * CLIENTS_PER_TENANT;
const REQUESTS_PER_CLIENT: usize = 100;
const SEED: u64 = 20_000;
/// What the server may hold at most meanwhile, unoptimised and with all its buffers in use.
const RESIDENT_MIB_MAX: u64 = 512;

/// What the clients saw.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    whole: usize,
    left: usize,
    refused: usize,
    foreign: usize,
    broken: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.whole += other.whole;
        self.left += other.left;
        self.refused += other.refused;
        self.foreign += other.foreign;
        self.broken += other.broken;
    }
}

fn canary(tenant: usize) -> String {
    format!("CANARY-{tenant:02}-")
}

/// Whether a text holds another tenant's canary. A canary that is cut off at the text's end is nobody's.
fn is_foreign(text: &str, own: &str) -> bool {
    text.match_indices("CANARY-").filter_map(|(at, _)| text.get(at..at + own.len())).any(|canary| canary != own)
}

/// One client: asks again and again and leaves when it likes.
async fn client(tenant: TestTenant, index: usize, number: usize) -> Tally {
    let mut random = SmallRng::seed_from_u64(SEED + (index * 1_000 + number) as u64);
    let (own, mut tally) = (canary(index), Tally::default());
    for round in 0..REQUESTS_PER_CLIENT {
        let text = format!("{own}{number}-{round}");
        let streamed = random.random_bool(0.5);
        let body = if streamed { streamed_chat(&text) } else { chat(&text) };
        let patience = Duration::from_micros(random.random_range(0..20_000));
        let events = random.random_range(0..12);
        let asking = tenant.service.call(http::Method::POST, CHAT).json(&body).try_stream();
        let leaves_early = random.random_bool(0.3);
        let opened = match leaves_early {
            true => tokio::time::timeout(patience, asking).await.ok(),
            false => Some(asking.await),
        };
        match opened {
            None => tally.left += 1,
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(stream)) if stream.status == 429 => tally.refused += 1,
            Some(Ok(stream)) if streamed => tally.add(read_some(stream, &own, events).await),
            Some(Ok(stream)) => {
                let reply = stream.into_reply().await.expect(200);
                tally.whole += 1;
                assert!(reply.text().contains(&own), "not the own answer: {}", reply.text());
                tally.foreign += usize::from(is_foreign(&reply.text(), &own));
            }
        }
    }
    tally
}

/// Reads so many events of a stream, then leaves; twelve are all of them.
async fn read_some(mut stream: EventStream, own: &str, events: usize) -> Tally {
    let mut text = String::new();
    for _ in 0..events {
        match stream.next().await {
            Ok(Some(Event::Json(chunk))) if chunk.get("error").is_some() => return Tally { broken: 1, ..Tally::default() },
            Ok(Some(Event::Json(chunk))) => {
                text.push_str(chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default());
            }
            Ok(Some(Event::Done)) => {
                assert!(text.contains(own), "not the own answer: {text}");
                return Tally { whole: 1, foreign: usize::from(is_foreign(&text, own)), ..Tally::default() };
            }
            Ok(Some(Event::Comment(_))) => {}
            Ok(None) | Err(_) => return Tally { broken: 1, ..Tally::default() },
        }
    }
    Tally { left: 1, foreign: usize::from(is_foreign(&text, own)), ..Tally::default() }
}

/// All seats of a tenant are free: exactly as many streams as it has seats can be open at once.
async fn assert_all_seats_free(tenant: &TestTenant) {
    let sit = |service: Caller| async move { service.stream(CHAT, &streamed_chat("sit")).await.expect_open() };
    let opening: JoinSet<_> = (0..SEATS_PER_TENANT).map(|_| sit(tenant.service.clone())).collect();
    let _open = opening.join_all().await;
    assert_eq!(tenant.chat("one too many").await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_at_random_moments() {
    let node = Node::start().await;
    let mut tenants = Vec::new();
    for index in 0..TENANTS {
        let tenant = node.tenant(&format!("drops-{index}")).await;
        tenant.set_monthly_budget(Money::from_usd("1000").unwrap()).await;
        tenant.set_limits(json!({"concurrency": SEATS_PER_TENANT})).await;
        tenants.push(tenant);
    }
    node.scenario(Scenario { chunks: 8, output_tokens: 24, latency_ms: 2, gap_ms: 1, ..Scenario::default() });
    let started = Instant::now();
    let clients = tenants.iter().enumerate().flat_map(|(index, tenant)| {
        (0..CLIENTS_PER_TENANT).map(move |number| tokio::spawn(client(tenant.clone(), index, number)))
    });
    let mut tally = Tally::default();
    for one in clients.collect::<Vec<_>>() {
        tally.add(one.await.unwrap());
    }
    println!("{} requests in {:?}: {tally:?}", TENANTS * CLIENTS_PER_TENANT * REQUESTS_PER_CLIENT, started.elapsed());
    assert_eq!((tally.foreign, tally.broken), (0, 0), "{tally:?}");
    assert!(tally.left > 2_000 && tally.whole > 2_000, "{tally:?}");

    let log = node.simulator().requests();
    let mut rows = Vec::new();
    for (index, tenant) in tenants.iter().enumerate() {
        let settled = tenant.settled().await;
        let own = attempts(&tenant.operator, &tenant.id).await;
        assert_eq!(own.iter().map(|row| row.cost).sum::<Money>(), settled, "tenant {index}");
        rows.extend(own);
    }
    check_rows(&rows, &log, &tally);
    node.scenario(Scenario { chunks: 60, gap_ms: 1_000, ..Scenario::default() });
    for tenant in &tenants {
        assert_all_seats_free(tenant).await;
    }
    let resident = resident_bytes_peak(node.process_id()) / (1024 * 1024);
    println!("everything in {:?}, {resident} MiB at most", started.elapsed());
    assert!(resident < RESIDENT_MIB_MAX, "{resident} MiB");
}

fn check_rows(rows: &[insula_tests::ledger::Attempt], log: &[RequestRecord], tally: &Tally) {
    let compared = Comparison::of(rows, log);
    println!("{} equal, {} estimated, {} never arrived", compared.equal, compared.estimated, compared.unknown_estimates);
    assert!(compared.is_sound(), "{compared:?}");
    let estimates = compared.estimated + compared.unknown_estimates;
    assert!(estimates <= tally.left, "{estimates} estimates for {} clients that left", tally.left);
}
