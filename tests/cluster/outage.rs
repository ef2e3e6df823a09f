//! What nodes share goes away under load and comes back: nothing is spent that nobody can see, nothing stays unbilled.
//!
//! `cargo xtask bench outage` runs the first of these with a minute's outage and prints its figures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::ledger::{self, Comparison};
use insula_tests::load::{Addresses, Answer, Load, What, ask};
use insula_tests::sse::Transcript;
use insula_tests::tenant::streamed_chat;
use insula_tests::{Cluster, ClusterSetup, EventStream, TestTenant, eventually_within, usd};
use serde_json::json;
use tokio::task::{JoinHandle, block_in_place};

use super::{CHAT, all_have_met, number_becomes};

/// How long the database is away, in seconds, where somebody says it.
const OUTAGE_SECONDS: &str = "INSULA_TEST_OUTAGE_SECONDS";
const OUTAGE_SECONDS_DEFAULT: u64 = 8;
const NODES: usize = 2;
const CALLERS: usize = 24;
/// How long all is well before.
const WARM_UP: Duration = Duration::from_secs(2);
/// From then on nothing new is served.
const REFUSES_WITHIN: Duration = Duration::from_secs(7);
/// From then on everything is.
const SERVES_WITHIN: Duration = Duration::from_secs(10);

fn quick() -> Scenario {
    Scenario { latency_ms: 5, chunks: 8, gap_ms: 4, output_tokens: 40, ..Scenario::default() }
}

/// Two tenants under hard budgets, so that leases are at stake.
async fn tenants(cluster: &Cluster) -> Vec<TestTenant> {
    let mut tenants = Vec::new();
    for slug in ["outage-one", "outage-two"] {
        let tenant = cluster.tenant(slug).await;
        tenant.set_budgets(json!([{"window": "month", "limit_usd": "1000"}, {"window": "hour", "limit_usd": "1000"}])).await;
        tenants.push(tenant);
    }
    tenants
}

/// Streams that have begun, as many at each node, heard to their ends. They last for `life`.
async fn streams(cluster: &Cluster, tenant: &TestTenant, count: usize, life: Duration) -> Vec<JoinHandle<Transcript>> {
    let gap_ms = u64::try_from(life.as_millis()).unwrap() / 8;
    cluster.scenario(Scenario { gap_ms, ..quick() });
    let mut heard = Vec::new();
    for number in 0..count {
        let mut stream = tenant.at(&cluster.nodes[number % NODES].anyone).service.stream(CHAT, &streamed_chat("go on")).await;
        stream.first_content().await;
        heard.push(tokio::spawn(stream.collect()));
    }
    cluster.scenario(quick());
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_goes_and_comes_back() {
    let seconds = std::env::var(OUTAGE_SECONDS).ok().map_or(OUTAGE_SECONDS_DEFAULT, |text| text.parse().unwrap());
    let outage = Duration::from_secs(seconds);
    let mut cluster = ClusterSetup::new(NODES).own_postgres().start().await;
    let tenants = tenants(&cluster).await;
    let addresses = Addresses::default();
    addresses.set(&cluster.nodes);
    cluster.scenario(quick());
    // Before the load, which is to be quick.
    let under_way = streams(&cluster, &tenants[0], 6, WARM_UP + outage.mul_f64(0.8)).await;
    let load = Load::start(&addresses, &tenants, CALLERS, 1);
    tokio::time::sleep(WARM_UP).await;

    block_in_place(|| cluster.postgres().stop()).unwrap();
    let gone_at = Instant::now();
    tokio::time::sleep(outage).await;
    block_in_place(|| cluster.postgres().start_again()).unwrap();
    let back_at = Instant::now();
    let mut served = Duration::ZERO;
    for node in 0..NODES {
        let caller = addresses.at(node, tenants[0].service.credential().unwrap());
        eventually_within(SERVES_WITHIN, "a node serves again", || async {
            matches!(ask(&caller, "are you back", false).await, What::Whole(_)).then_some(())
        })
        .await;
        served = back_at.elapsed();
    }
    let mut finished = Duration::ZERO;
    for stream in under_way {
        let transcript = stream.await.unwrap();
        assert!(transcript.done && transcript.error.is_none() && transcript.broken.is_none(), "{transcript:?}");
        finished = finished.max(back_at.elapsed());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let heard = load.stop().await;
    number_becomes(&cluster, 0, Duration::from_secs(30), "SELECT count(*) FROM insula_control.begun_attempts").await;

    let figures = check_answers(&heard, gone_at, back_at);
    let billed = check_ledger(&cluster, &heard).await;
    println!("storage was away for {outage:?}: {figures}");
    println!(
        "served again after {served:.1?}; streams under way finished at the latest {finished:.1?} after its return; {billed}"
    );
}

/// Whoever asks while storage is away is told to come again, soon; nobody hears anything but that and whole answers.
fn check_answers(heard: &[Answer], gone_at: Instant, back_at: Instant) -> String {
    let (mut whole, mut refused, mut first) = (0, 0, None::<Duration>);
    let (mut slowest, mut slowest_whole) = (Duration::ZERO, Duration::ZERO);
    for answer in heard {
        let ended = answer.began + answer.took;
        match &answer.what {
            What::Whole(_) => {
                whole += 1;
                let is_late = answer.began > gone_at + REFUSES_WITHIN && ended < back_at;
                assert!(!is_late, "served {:?} after storage went away: {answer:?}", answer.began - gone_at);
                slowest_whole = slowest_whole.max(answer.took);
            }
            What::Refused { status: 503, retry_after: true, .. } => {
                refused += 1;
                first = Some(first.map_or(ended - gone_at, |first| first.min(ended - gone_at)));
                slowest = slowest.max(answer.took);
            }
            other => panic!("{:?} after storage went away, at node {}: {other:?}", answer.began - gone_at, answer.node),
        }
    }
    let first = first.expect("nobody was refused");
    assert!(first < REFUSES_WITHIN, "refused only {first:?} after storage went away");
    assert!(slowest < REFUSES_WITHIN, "a refusal took {slowest:?}");
    format!(
        "{whole} answers, {refused} refusals with 503 and Retry-After, the first after {first:.1?}, the slowest took {slowest:.1?} \
         (of the answers {slowest_whole:.1?})"
    )
}

/// Every attempt at the provider has one row, exact where somebody heard it to its end.
async fn check_ledger(cluster: &Cluster, heard: &[Answer]) -> String {
    let rows = ledger::stored(cluster.database()).await;
    let compared = Comparison::of(&rows, &cluster.simulator().requests());
    assert!(compared.is_sound(), "{compared:?}");
    let estimates = compared.estimated + compared.unknown_estimates;
    assert_eq!(estimates, 0, "everything was heard to its end: {compared:?}");
    let mut counts: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
    rows.iter().for_each(|row| *counts.entry(&row.request).or_default() += 1);
    for answer in heard {
        let What::Whole(id) = &answer.what else { continue };
        assert_eq!(counts.get(id.as_str()), Some(&1), "{id} was heard to its end");
    }
    let proof = cluster.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!((usd(&proof["difference_usd"]).pico(), &proof["mismatches"]), (0, &json!([])), "{proof}");
    let unsound = "SELECT count(*) FROM insula_control.budget_windows w WHERE leased <> (SELECT COALESCE(SUM(amount), 0) FROM \
        insula_control.budget_leases l WHERE (l.subject, l.span, l.unit, l.starts_at) = (w.subject, w.span, w.unit, w.starts_at))";
    assert_eq!(cluster.database().number(unsound).await, 0, "what is leased is not what the nodes lease");
    format!("{} attempts, {} rows, {} equal, {estimates} estimates", cluster.simulator().count(), rows.len(), compared.equal)
}

/// Without the counters that nodes share, each counts alone, and gives out no more than its share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_go_and_come_back() {
    const SEATS: usize = 4;
    const PACE: usize = 20;
    const AWAY: Duration = Duration::from_secs(10);
    let mut cluster = ClusterSetup::new(NODES).own_redis().start().await;
    let tenants = tenants(&cluster).await;
    for tenant in &tenants {
        tenant.set_limits(json!({"concurrency": 1_000, "requests_per_minute": 1_000_000})).await;
    }
    let crowded = cluster.tenant("crowded").await;
    crowded.set_limits(json!({"concurrency": SEATS})).await;
    let paced = cluster.tenant("paced").await;
    paced.set_limits(json!({"requests_per_minute": PACE})).await;
    all_have_met(&cluster).await;
    let addresses = Addresses::default();
    addresses.set(&cluster.nodes);
    cluster.scenario(quick());
    let load = Load::start(&addresses, &tenants, CALLERS, 2);
    tokio::time::sleep(Duration::from_secs(1)).await;

    block_in_place(|| cluster.redis().kill()).unwrap();
    let gone_at = Instant::now();
    let alone = seats(&cluster, &crowded, SEATS).await;
    assert!((NODES..=SEATS).contains(&alone.len()), "{} seats of {SEATS} while each node counts alone", alone.len());
    let mut allowed = 0;
    for number in 0..3 * PACE {
        match paced.at(&cluster.nodes[number % NODES].anyone).chat("quick").await.status {
            200 => allowed += 1,
            status => assert_eq!(status, 429),
        }
    }
    let refilled = PACE * usize::try_from(gone_at.elapsed().as_secs()).unwrap() / 60 + NODES;
    assert!((PACE / 2..=PACE + refilled).contains(&allowed), "{allowed} requests of {PACE} a minute");
    drop(alone);
    tokio::time::sleep(AWAY.saturating_sub(gone_at.elapsed())).await;
    block_in_place(|| cluster.redis().start_again()).unwrap();

    // Counted together again: as many seats as there are, and not one more.
    let together = eventually_within(Duration::from_secs(30), "all seats are free again", || async {
        let taken = seats(&cluster, &crowded, SEATS).await;
        (taken.len() == SEATS).then_some(taken)
    })
    .await;
    assert_eq!(together.len(), SEATS);
    let heard = load.stop().await;
    let failed: Vec<&Answer> = heard.iter().filter(|answer| !matches!(answer.what, What::Whole(_))).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), heard.len(), &failed[..failed.len().min(3)]);
    let slowest = heard.iter().map(|answer| answer.took).max().unwrap_or_default();
    println!("counters were away for {AWAY:?}: {} answers, none else, the slowest took {slowest:.1?}", heard.len());
}

/// All seats that a tenant gets when it asks for as many as it has at each node.
async fn seats(cluster: &Cluster, tenant: &TestTenant, count: usize) -> Vec<EventStream> {
    cluster.scenario(Scenario { gap_ms: 500, ..quick() });
    let mut taken = Vec::new();
    for number in 0..NODES * count {
        let mut stream = tenant.at(&cluster.nodes[number % NODES].anyone).service.stream(CHAT, &streamed_chat("sit")).await;
        match stream.status {
            200 => {
                stream.first_content().await;
                taken.push(stream);
            }
            status => assert_eq!(status, 429),
        }
    }
    cluster.scenario(quick());
    taken
}
