//! What governing a request costs: CPU per request of Insula beside nginx as a plain reverse proxy, in the same run.
//!
//! `cargo xtask bench overhead [--secs 5] [--tenants 1000]`. Gateway on CPU 0, upstream and load on CPU 1. Everything that
//! Insula has is on: keys, limits, hard budgets, journal, sealed traces and their folding. Needs nginx and taskset.

use std::{collections::BTreeMap, path::Path, rc::Rc};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use insula_tests::{
    Caller,
    beside_nginx::{self, Load, Measured, READY_WITHIN, Request, measure, start_nginx},
    binary,
    child::Child,
    node::read_env,
};
use serde_json::json;

/// Times the same load through nginx and through Insula.
#[derive(Parser)]
struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// Tenants of the second measurement.
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
}

/// Chunks of a measured stream, and what carries them: role, finish, usage and `[DONE]` beside the content.
const CHUNKS: u64 = 50;
const EVENTS_PER_STREAM: u64 = CHUNKS + 4;

fn main() -> Result<()> {
    let options = Options::parse();
    beside_nginx::make_way()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(options))
}

async fn run(options: Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_simulator, upstream) = start_simulator()?;
    let (nginx, nginx_base) = start_nginx(folder.path(), &upstream)?;
    let (insula, insula_base, operator) = start_insula(folder.path(), &upstream)?;
    let keys = make_tenants(&insula_base, &operator, options.tenants).await?;

    let nobody = vec![String::new()];
    let scenarios = [
        Scenario { name: "chat, us per request", is_stream: false, rate: None, target: "at most 6, aim 4" },
        Scenario { name: "chat at 500 a second, us per request", is_stream: false, rate: Some(500.0), target: "reported" },
        Scenario { name: "stream, us per chunk", is_stream: true, rate: None, target: "bare Rust pass-through's" },
    ];
    println!("| load | nginx us | insula us, 1 tenant | ratio | insula us, {} tenants | ratio | target |", options.tenants);
    println!("|---|---|---|---|---|---|---|");
    for scenario in &scenarios {
        set_chunks(&upstream).await?;
        let load = Load { secs: options.secs, concurrency: options.concurrency, rate: scenario.rate };
        let floor = measure(&load, &nginx_base, &requests(scenario, &nobody), nginx.id()).await?;
        let one = measure(&load, &insula_base, &requests(scenario, &keys[..1]), insula.id()).await?;
        let many = measure(&load, &insula_base, &requests(scenario, &keys), insula.id()).await?;
        let unit = if scenario.is_stream { EVENTS_PER_STREAM as f64 } else { 1.0 };
        let row = |figure: &dyn Fn(&Measured) -> f64, decimals: usize| {
            let (floor, one, many) = (figure(&floor), figure(&one), figure(&many));
            format!("{floor:.decimals$} | {one:.decimals$} | {:.2} | {many:.decimals$} | {:.2}", one / floor, many / floor)
        };
        println!("| {} | {} | {} |", scenario.name, row(&|m| m.cpu_us / unit, 1), scenario.target);
        if scenario.rate.is_none() {
            println!("| the same, a second | {} | at least 0.2, aim 0.3 |", row(&|m| m.rps, 0));
        }
    }
    print_stages(&insula_base, &operator).await
}

/// A load and what is asked of it.
struct Scenario {
    name: &'static str,
    is_stream: bool,
    /// Requests a second; as many as go through where absent.
    rate: Option<f64>,
    target: &'static str,
}

/// How many traces the stage figures are taken from.
const TRACES: usize = 100;

/// The median of each stage over the last requests of the first tenant, as its traces have them.
async fn print_stages(base: &str, operator: &str) -> Result<()> {
    let operator = Caller::anonymous(base).with(operator);
    let listed = operator.get(&format!("/api/v1/tenants/load-0/requests?limit={TRACES}")).await.expect(200).json();
    let mut stages: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in listed["data"].as_array().context("a list of requests")? {
        let id = request["id"].as_str().context("a request has an id")?;
        let detail = operator.get(&format!("/api/v1/requests/{id}")).await.expect(200).json();
        for stage in detail["stages"].as_array().context("a request has stages")? {
            let name = stage["name"].as_str().unwrap_or_default().to_owned();
            stages.entry(name).or_default().push(stage["duration_us"].as_u64().unwrap_or_default());
        }
    }
    println!("\n| stage | median us (wall time; `send` holds the provider and the wait for the CPU) |\n|---|---|");
    for (name, mut durations) in stages {
        durations.sort_unstable();
        println!("| {name} | {} |", durations[durations.len() / 2]);
    }
    Ok(())
}

fn start_simulator() -> Result<(Child, String)> {
    let mut command = beside_nginx::beside_the_load(&binary::insula());
    command.args(["simulator", "--listen", "127.0.0.1:0"]);
    let mut simulator = Child::start(command);
    let line = simulator.wait_for_line("http://", READY_WITHIN).map_err(anyhow::Error::msg)?;
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).context("the simulator says where it listens")?;
    Ok((simulator, url.trim_end_matches('/').to_owned()))
}

fn start_insula(folder: &Path, upstream: &str) -> Result<(Child, String, String)> {
    let data = folder.join("data");
    let mut command = beside_nginx::gateway(&binary::insula());
    command.arg("dev").arg("--data-dir").arg(&data).args(["--listen", "127.0.0.1:0", "--simulator", upstream]);
    let mut insula = Child::start(command);
    insula.wait_for_line("Ready", READY_WITHIN).map_err(anyhow::Error::msg)?;
    let env = read_env(&data.join("dev.env"));
    Ok((insula, env["INSULA_URL"].clone(), env["INSULA_OPERATOR_KEY"].clone()))
}

/// Tenants with everything on: limits and hard budgets that never stand in the way.
async fn make_tenants(base: &str, operator: &str, count: usize) -> Result<Vec<String>> {
    let operator = Caller::anonymous(base).with(operator);
    let mut keys = Vec::with_capacity(count);
    for number in 0..count {
        let slug = format!("load-{number}");
        operator.post("/api/v1/tenants", &json!({"slug": slug, "name": slug})).await.expect(201);
        let budgets = json!([
            {"window": "month", "limit_usd": "1000000.00", "mode": "hard"},
            {"window": "day", "limit_usd": "100000.00", "mode": "hard"},
        ]);
        operator.put(&format!("/api/v1/tenants/{slug}/budgets"), &budgets).await.expect(200);
        let limits =
            json!({"requests_per_minute": 4_000_000_000u32, "tokens_per_minute": 4_000_000_000u32, "concurrency": 10_000});
        operator.put(&format!("/api/v1/tenants/{slug}/limits"), &limits).await.expect(200);
        let key = operator.post(&format!("/api/v1/tenants/{slug}/keys"), &json!({"name": "load"})).await.expect(201).json();
        keys.push(key["key"].as_str().context("a key is shown once")?.to_owned());
    }
    Ok(keys)
}

async fn set_chunks(upstream: &str) -> Result<()> {
    let scenario = json!({"chunks": CHUNKS, "output_tokens": CHUNKS});
    Caller::anonymous(upstream).post("/_sim/scenario", &scenario).await.expect(200);
    Ok(())
}

fn requests(scenario: &Scenario, keys: &[String]) -> Rc<Vec<Request>> {
    let request = |key: &String| Request { path: "/v1/chat/completions", key: key.clone(), body: body(scenario.is_stream) };
    Rc::new(keys.iter().map(request).collect())
}

/// About one kibibyte, as in the shared comparison.
fn body(is_stream: bool) -> Bytes {
    let text = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima ".repeat(11);
    let mut body = json!({"model": "sim-small", "max_tokens": 100, "temperature": 0, "messages": [
        {"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]});
    if is_stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string().into()
}
