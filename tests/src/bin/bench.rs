//! Figures that the README promises, measured on this machine. See `cargo xtask bench`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use insula_tests::bill;
use insula_tests::chaos::batch;
use insula_tests::memory::{resident_bytes, resident_bytes_peak};
use insula_tests::node::Setup;
use insula_tests::tenant::chat;
use insula_tests::{Caller, Node};
use serde_json::json;

const MIB: f64 = 1024.0 * 1024.0;
const CHAT: &str = "/v1/chat/completions";
/// After so long without a request a server is idle.
const IDLE_AFTER: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Creates many tenants and uses each once.
    Tenants {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        count: usize,
    },
    /// Sends mixed requests to a provider that fails, and compares the ledger, usage, statements, the export and the provider's log.
    Bill {
        /// How many.
        #[arg(long, default_value_t = 50_000)]
        requests: usize,
        /// Decides what is asked and what fails.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Kills a server again and again while it runs a batch, and compares output, ledger and the provider's log.
    Batch(batch::Options),
    /// Starts a server again and again.
    Start {
        /// How often.
        #[arg(long, default_value_t = 10)]
        count: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut table = Table::default();
    match Args::parse().what {
        What::Tenants { count } => tenants(count, &mut table).await,
        What::Start { count } => start(count, &mut table).await,
        What::Batch(options) => batch::run(&options).await?,
        What::Bill { requests, seed } => println!("{}", bill::check(Setup::default(), requests, seed).await),
    }
    table.print()
}

async fn tenants(count: usize, table: &mut Table) {
    let mut node = Node::start().await;
    let operator = node.operator();
    let (mut created, mut keyed, mut keys) = (Times::default(), Times::default(), Vec::with_capacity(count));
    for index in 0..count {
        let body = json!({"slug": format!("bench-{index}"), "name": format!("Bench {index}")});
        let started = Instant::now();
        let tenant = operator.post("/api/v1/tenants", &body).await.expect(201).json();
        created.add(started.elapsed());
        let path = format!("/api/v1/tenants/{}/keys", tenant["id"].as_str().unwrap());
        let started = Instant::now();
        let key = operator.post(&path, &json!({"name": "bench"})).await.expect(201).json();
        keyed.add(started.elapsed());
        keys.push(key["key"].as_str().unwrap().to_owned());
    }
    created.rows("create a tenant", 50.0, table);
    keyed.rows("create its key", f64::INFINITY, table);
    let after_creating = resident_bytes(node.process_id());

    // Started again, so that no tenant is warm.
    node.stop();
    let started = Instant::now();
    node.start_again().await;
    let ready = started.elapsed();
    ask(&node.anyone.with(&keys[0])).await;
    let mut cold = Times::default();
    for key in &keys[1..] {
        let started = Instant::now();
        ask(&node.anyone.with(key)).await;
        cold.add(started.elapsed());
    }
    cold.rows("first request of a cold tenant", 20.0, table);
    let mut warm = Times::default();
    for key in keys.iter().rev().take(1_000) {
        let started = Instant::now();
        ask(&node.anyone.with(key)).await;
        warm.add(started.elapsed());
    }
    warm.rows("second request", f64::INFINITY, table);
    table.row("ready again with all of them", ready.as_secs_f64(), "s", 1.0);
    table.row("resident after creating all", after_creating as f64 / MIB, "MiB", 1024.0);
    table.row("resident after each was used", resident_bytes(node.process_id()) as f64 / MIB, "MiB", 1024.0);
    table.row("resident at most", resident_bytes_peak(node.process_id()) as f64 / MIB, "MiB", 1024.0);
}

async fn ask(caller: &Caller) {
    caller.post(CHAT, &chat("first words")).await.expect(200);
}

async fn start(count: usize, table: &mut Table) {
    let (mut first, mut again) = (Times::default(), Times::default());
    let mut idle = 0.0_f64;
    for round in 0..count {
        let started = Instant::now();
        let mut node = Node::start().await;
        ask(&node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"])).await;
        first.add(started.elapsed());
        node.stop();
        let started = Instant::now();
        node.start_again().await;
        ask(&node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"])).await;
        again.add(started.elapsed());
        if round == 0 {
            tokio::time::sleep(IDLE_AFTER).await;
            idle = resident_bytes(node.process_id()) as f64 / MIB;
        }
    }
    first.rows("first start to first served request", 1_000.0, table);
    again.rows("later start to first served request", 1_000.0, table);
    table.row("resident when idle", idle, "MiB", 60.0);
}

/// How long things took.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1_000.0);
    }

    /// The median, the 99th percentile and the worst. The target is held against the 99th percentile, because a disk that
    /// others use too stalls now and then; how many were slower is said beside it.
    fn rows(mut self, what: &str, target_ms: f64, table: &mut Table) {
        self.0.sort_by(f64::total_cmp);
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share) as usize];
        table.row(&format!("{what}, p50"), at(0.5), "ms", f64::INFINITY);
        table.row(&format!("{what}, p99"), at(0.99), "ms", target_ms);
        table.row(&format!("{what}, worst"), at(1.0), "ms", f64::INFINITY);
        if target_ms.is_finite() {
            let over = self.0.iter().filter(|took| **took >= target_ms).count();
            table.lines.push(format!("{:<42} {over:>10} of {}", format!("{what}, over {target_ms} ms"), self.0.len()));
        }
    }
}

/// What was measured, with the target beside it.
#[derive(Default)]
struct Table {
    missed: Vec<String>,
    lines: Vec<String>,
}

impl Table {
    fn row(&mut self, what: &str, value: f64, unit: &str, target: f64) {
        let wanted = if target.is_finite() { format!("< {target} {unit}") } else { String::new() };
        let verdict = match (target.is_finite(), value < target) {
            (false, _) => "",
            (true, true) => "ok",
            (true, false) => "MISSED",
        };
        self.lines.push(format!("{what:<42} {value:>10.2} {unit:<4} {wanted:<12} {verdict}"));
        if verdict == "MISSED" {
            self.missed.push(what.to_owned());
        }
    }

    fn print(&self) -> Result<()> {
        println!("{}", self.lines.join("\n"));
        ensure!(self.missed.is_empty(), "missed: {}", self.missed.join(", "));
        Ok(())
    }
}
