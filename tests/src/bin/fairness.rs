//! What the queue promises, measured from outside: `cargo xtask bench fairness [--secs 10]`. Reports; fails only where a request does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::chat;
use insula_tests::{Node, TestTenant};
use serde_json::json;
use tokio::task::JoinHandle;

const CHAT: &str = "/v1/chat/completions";
/// How long the provider takes.
const LATENCY: Duration = Duration::from_millis(100);
/// What it bears at once where that is fixed.
const SEATS: u32 = 16;
/// Above so many it is slower, where that is to be found out.
const DEGRADES_ABOVE: u64 = 8;
/// and the most that an operator would allow who does not know.
const ADAPTS_BELOW: u64 = 64;
const QUIET: usize = 20;
/// Each quiet tenant asks so often: all of them together take a quarter of what the provider bears.
const QUIET_EVERY: Duration = Duration::from_millis(500);
/// Requests of a burst, and the pace at which they go.
const BURST: usize = 500;
const PACE: u32 = 50;

/// Loads a node of its own for each figure.
#[derive(Parser)]
struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10.0)]
    secs: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let span = Duration::from_secs_f64(Options::parse().secs);
    println!("| figure | measured | target |\n|---|---|---|");
    noisy_neighbour(span).await;
    equals(span).await;
    weights(span).await;
    pace().await;
    adaptive(span).await;
    Ok(())
}

/// A node whose provider's entry says this too.
async fn node(provider: &str) -> Node {
    let node =
        Setup::default().serve(ServeConfig { provider: vec![provider.to_owned()], ..ServeConfig::default() }).start().await;
    node.scenario(Scenario { latency_ms: LATENCY.as_millis() as u64, ..Scenario::default() });
    node
}

async fn tenants(node: &Node, name: &str, count: usize) -> Vec<TestTenant> {
    let mut tenants = Vec::with_capacity(count);
    for number in 0..count {
        tenants.push(node.tenant(&format!("{name}-{number}")).await);
    }
    tenants
}

fn row(figure: &str, measured: String, target: &str) {
    println!("| {figure} | {measured} | {target} |");
}

/// Callers who ask again as soon as they are answered.
struct Crowd {
    stop: Arc<AtomicBool>,
    /// Whole answers of each tenant, those that were cut short, and refusals.
    whole: Vec<Arc<AtomicU64>>,
    cut: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    callers: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn start(tenants: &[TestTenant], callers: usize) -> Crowd {
        let mut crowd = Crowd {
            callers: Vec::new(),
            stop: Arc::default(),
            whole: tenants.iter().map(|_| Arc::default()).collect(),
            cut: Arc::default(),
            refused: Arc::default(),
        };
        for (tenant, whole) in tenants.iter().zip(crowd.whole.clone()) {
            for _ in 0..callers {
                let (stop, cut, refused) = (crowd.stop.clone(), crowd.cut.clone(), crowd.refused.clone());
                let (tenant, whole) = (tenant.clone(), whole.clone());
                let caller = tokio::spawn(async move {
                    while !stop.load(Relaxed) {
                        let reply = tenant.chat("again").await;
                        match reply.status {
                            200 if reply.json()["choices"][0]["finish_reason"] == "length" => cut.fetch_add(1, Relaxed),
                            200 => whole.fetch_add(1, Relaxed),
                            _ => {
                                tokio::time::sleep(LATENCY).await;
                                refused.fetch_add(1, Relaxed)
                            }
                        };
                    }
                });
                crowd.callers.push(caller);
            }
        }
        crowd
    }

    /// Whole answers of each tenant, and those that were cut short, within this time.
    async fn count(&self, span: Duration) -> (Vec<u64>, u64) {
        let look = || (self.whole.iter().map(|whole| whole.load(Relaxed)).collect::<Vec<_>>(), self.cut.load(Relaxed));
        let (before, cut_before) = look();
        tokio::time::sleep(span).await;
        let (after, cut_after) = look();
        (after.iter().zip(before).map(|(after, before)| after - before).collect(), cut_after - cut_before)
    }

    /// Ends it; how many were refused.
    async fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        self.refused.load(Relaxed)
    }
}

/// The 99th percentile of quiet tenants' requests, and how many failed.
async fn quiet_p99(tenants: &[TestTenant], span: Duration) -> (Duration, usize) {
    let begun = Instant::now();
    let callers: Vec<_> = tenants
        .iter()
        .enumerate()
        .map(|(number, tenant)| {
            let tenant = tenant.clone();
            tokio::spawn(async move {
                tokio::time::sleep(QUIET_EVERY.mul_f64(number as f64 / QUIET as f64)).await;
                let (mut took, mut failed) = (Vec::new(), 0);
                while begun.elapsed() < span {
                    let asked = Instant::now();
                    failed += usize::from(tenant.chat("a quiet question").await.status != 200);
                    took.push(asked.elapsed());
                    tokio::time::sleep(QUIET_EVERY.saturating_sub(asked.elapsed())).await;
                }
                (took, failed)
            })
        })
        .collect();
    let (mut all, mut all_failed) = (Vec::new(), 0);
    for caller in callers {
        let (took, failed) = caller.await.unwrap();
        all.extend(took);
        all_failed += failed;
    }
    all.sort_unstable();
    (all[(all.len() - 1) * 99 / 100], all_failed)
}

async fn noisy_neighbour(span: Duration) {
    let node = node(&format!("concurrency_max = {SEATS}")).await;
    let quiet = tenants(&node, "quiet", QUIET).await;
    quiet_p99(&quiet, span / 5).await;
    let (alone, failed_alone) = quiet_p99(&quiet, span).await;
    // A fair share of 16 seats among 21 is 7.6 requests a second. A hundred may wait; the others come back every 100 ms.
    let crowd = Crowd::start(&tenants(&node, "noisy", 1).await, 200);
    tokio::time::sleep(span / 5).await;
    let (beside, failed) = quiet_p99(&quiet, span).await;
    let refused = crowd.stop().await;
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    row("p99 of 20 quiet tenants, alone", format!("{:.1} ms", alone.as_secs_f64() * 1e3), "");
    row(
        "the same beside one at 100 times its share",
        format!("{:.1} ms, {ratio:.2} times", beside.as_secs_f64() * 1e3),
        "1.5 times",
    );
    row("their errors", format!("{}", failed + failed_alone), "0");
    row("refusals of the noisy one", refused.to_string(), "its own");
}

async fn equals(span: Duration) {
    let node = node(&format!("concurrency_max = {SEATS}")).await;
    let crowd = Crowd::start(&tenants(&node, "equal", 20).await, 4);
    crowd.count(span / 5).await;
    let (whole, _) = crowd.count(span).await;
    crowd.stop().await;
    let (sum, squares) = whole.iter().fold((0.0, 0.0), |(sum, squares), n| (sum + *n as f64, squares + (*n * *n) as f64));
    row(
        "Jain's index over 20 equally backlogged",
        format!("{:.4}", sum * sum / (whole.len() as f64 * squares)),
        "at least 0.95",
    );
}

async fn weights(span: Duration) {
    let node = node(&format!("concurrency_max = {SEATS}")).await;
    let tenants = tenants(&node, "weighed", 3).await;
    for (tenant, weight) in tenants.iter().zip([1, 2, 4]) {
        tenant.set_limits(json!({"weight": weight})).await;
    }
    let crowd = Crowd::start(&tenants, 40);
    crowd.count(span / 5).await;
    let (whole, _) = crowd.count(span * 2).await;
    crowd.stop().await;
    let all = whole.iter().sum::<u64>() as f64;
    let shares: Vec<String> =
        whole.iter().zip([1.0, 2.0, 4.0]).map(|(n, weight)| format!("{:.3}", *n as f64 / all / (weight / 7.0))).collect();
    row("weights 1, 2, 4: what each got of its share", shares.join(", "), "0.95 to 1.05");
}

async fn pace() {
    let node = node(&format!("requests_per_second_max = {PACE}")).await;
    let tenants = tenants(&node, "burst", 5).await;
    let calls: Vec<_> = (0..BURST)
        .map(|number| {
            let caller = tenants[number % tenants.len()].service.clone();
            tokio::spawn(async move {
                let status = caller.post(CHAT, &chat("now")).await.status;
                (status, Instant::now())
            })
        })
        .collect();
    let mut ended = Vec::with_capacity(BURST);
    for call in calls {
        let (status, at) = call.await.unwrap();
        if status == 200 {
            ended.push(at);
        }
    }
    ended.sort_unstable();
    let mut gaps: Vec<f64> = ended.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect();
    gaps.sort_by(f64::total_cmp);
    let (mean, at) =
        (gaps.iter().sum::<f64>() / gaps.len() as f64, |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize]);
    row("answers of a burst of 500 at 50 a second", format!("{}", ended.len()), "500");
    row(
        "their spacing",
        format!("{mean:.2} ms on average, {:.1} to {:.1} in nine of ten", at(0.05), at(0.95)),
        "20 ms, within 10%",
    );
}

async fn adaptive(span: Duration) {
    let degrading =
        Scenario { latency_ms: LATENCY.as_millis() as u64, degrade_above: Some(DEGRADES_ABOVE), ..Scenario::default() };
    let mut rates = Vec::new();
    for concurrency_max in [DEGRADES_ABOVE, ADAPTS_BELOW] {
        let node = node(&format!("concurrency_max = {concurrency_max}")).await;
        node.scenario(degrading.clone());
        let crowd = Crowd::start(&tenants(&node, "many", 4).await, 16);
        // Time to find out.
        crowd.count(span).await;
        let (whole, cut) = crowd.count(span).await;
        crowd.stop().await;
        let (whole, secs, latency) = (whole.iter().sum::<u64>() as f64, span.as_secs_f64(), LATENCY.as_secs_f64());
        // Little's law, with what the provider takes: a cut answer twice as long.
        rates.push((whole / secs, (whole * latency + cut as f64 * latency * 2.0) / secs));
    }
    let [(fixed, fixed_held), (found, found_held)] = rates[..] else { return };
    row("under way where 8 are set", format!("{fixed_held:.1}"), "");
    row("under way where it is found out", format!("{found_held:.1}"), "6.4 to 9.6");
    row(
        "whole answers beside those where 8 are set",
        format!("{:.2} ({found:.1} of {fixed:.1} a second)", found / fixed),
        "at least 0.9",
    );
}
