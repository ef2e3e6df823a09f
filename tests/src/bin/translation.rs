//! What routing and translation add to a request: CPU per request beside nginx as a plain reverse proxy, in the same run.
//!
//! `cargo xtask bench translation [--secs 3] [--rounds 5] [--at-once]`. Gateway on CPU 0, upstream and load on CPU 1. The upstream
//! says the same in the forms of three vendors. Two tenants call: one whose model has one provider and who has set nothing, and one for
//! whom routing is at work (several candidates, residency, a strategy, fallbacks, locks, isolation at the provider). Everything else is on
//! for both: keys, limits, hard budgets, journal, sealed traces. Needs nginx and taskset.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, rc::Rc};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use insula_tests::{
    Caller,
    beside_nginx::{self, Load, READY_WITHIN, Request, canned::Canned, measure, start_nginx},
    binary,
    child::Child,
};
use serde_json::{Value, json};

/// Times the same question in several dialects at providers of several forms.
#[derive(Parser)]
struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// How often all are measured, in turns; the table has the medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Content chunks of a stream.
    #[arg(long, default_value_t = 50)]
    chunks: usize,
    /// Lets the upstream write a stream in as few pieces as go, instead of each event by itself.
    #[arg(long)]
    at_once: bool,
}

/// A way through the gateway.
struct Way {
    name: &'static str,
    dialect: Dialect,
    /// `plain` stands for nginx where there is no tenant.
    tenant: Option<&'static str>,
    model: &'static str,
    /// The most that it may add to a request, in nginx's CPU per request.
    added_max: Option<f64>,
    /// The most that a chunk may cost, in what one costs the plain tenant.
    chunk_max: Option<f64>,
}

#[derive(Clone, Copy)]
enum Dialect {
    Chat,
    Messages,
    Responses,
}

/// The unit, what everything is compared with, and what is measured.
const WAYS: [Way; 8] = [
    way("nginx", Dialect::Chat, None, "sim-small", None, None),
    way("chat to OpenAI's form, nothing set", Dialect::Chat, Some("plain"), "plain", None, None),
    way("chat to OpenAI's form, routed", Dialect::Chat, Some("routed"), "open", Some(1.0), None),
    way("messages to Anthropic's form, routed", Dialect::Messages, Some("routed"), "claude", Some(1.0), None),
    way("chat to Anthropic's form, routed", Dialect::Chat, Some("routed"), "claude", Some(3.0), Some(1.3)),
    way("chat to Gemini's form, routed", Dialect::Chat, Some("routed"), "gemini", Some(3.0), Some(1.3)),
    way("messages to OpenAI's form, routed", Dialect::Messages, Some("routed"), "open", Some(3.0), Some(1.3)),
    way("responses to OpenAI's form, routed", Dialect::Responses, Some("routed"), "open", Some(3.0), Some(1.3)),
];
const NGINX: usize = 0;
const PLAIN: usize = 1;

const fn way(
    name: &'static str,
    dialect: Dialect,
    tenant: Option<&'static str>,
    model: &'static str,
    added_max: Option<f64>,
    chunk_max: Option<f64>,
) -> Way {
    Way { name, dialect, tenant, model, added_max, chunk_max }
}

fn main() -> Result<()> {
    let options = Options::parse();
    beside_nginx::make_way()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(options))
}

async fn run(options: Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let upstream = Canned::start(&prompt(), options.chunks, options.at_once).await?;
    let (nginx, nginx_base) = start_nginx(folder.path(), &upstream.url)?;
    let (insula, insula_base, operator) = start_insula(folder.path(), &upstream.url)?;
    let keys = make_tenants(&Caller::anonymous(&insula_base).with(&operator), &upstream.fingerprint).await?;
    let load = Load { secs: options.secs, concurrency: options.concurrency, rate: None };
    let mut costs = [vec![Vec::new(); WAYS.len()], vec![Vec::new(); WAYS.len()]];
    for _ in 0..options.rounds {
        for (costs, is_stream) in costs.iter_mut().zip([false, true]) {
            for (way, costs) in WAYS.iter().zip(costs) {
                let key = way.tenant.map_or_else(String::new, |tenant| keys[tenant].clone());
                let (base, pid) = if way.tenant.is_some() { (&insula_base, insula.id()) } else { (&nginx_base, nginx.id()) };
                let request = Request { path: way.dialect.path(), key, body: way.dialect.body(way.model, is_stream) };
                costs.push(measure(&load, base, &Rc::new(vec![request]), pid).await?.cpu_us);
            }
        }
    }
    let [whole, streamed] = costs;
    print!("{}{}", whole_table(&whole), stream_table(&streamed, options.chunks as f64));
    Ok(())
}

/// What each way costs more than the plain one, round by round in that round's nginx.
fn whole_table(costs: &[Vec<f64>]) -> String {
    let mut table = String::from(
        "| whole answers | us a request | in nginx's | added to the plain tenant's, in nginx's | at most |\n|---|---|---|---|---|\n",
    );
    for (way, cost) in WAYS.iter().zip(costs) {
        let rounds = || cost.iter().zip(&costs[NGINX]).zip(&costs[PLAIN]);
        let ratio = median(rounds().map(|((cost, nginx), _)| cost / nginx));
        let added = median(rounds().map(|((cost, nginx), plain)| (cost - plain) / nginx));
        let added = if way.tenant.is_some() { format!("{added:.2}") } else { "-".to_owned() };
        let most = way.added_max.map_or_else(|| "-".to_owned(), |most| most.to_string());
        let us = median(cost.iter().copied());
        // Writing to a text does not fail.
        let _ = writeln!(table, "| {} | {us:.1} | {ratio:.2} | {added} | {most} |", way.name);
    }
    table
}

/// What a chunk costs each way, round by round in what it costs the plain one.
fn stream_table(costs: &[Vec<f64>], chunks: f64) -> String {
    let mut table =
        String::from("\n| streams | us a chunk | in nginx's | in the plain tenant's | at most |\n|---|---|---|---|---|\n");
    for (way, cost) in WAYS.iter().zip(costs) {
        let in_units_of = |unit: &[f64]| median(cost.iter().zip(unit).map(|(cost, unit)| cost / unit));
        let most = way.chunk_max.map_or_else(|| "-".to_owned(), |most| most.to_string());
        let (nginx, plain) = (in_units_of(&costs[NGINX]), in_units_of(&costs[PLAIN]));
        let us = median(cost.iter().map(|cost| cost / chunks));
        let _ = writeln!(table, "| {} | {us:.2} | {nginx:.2} | {plain:.2} | {most} |", way.name);
    }
    table
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// About one kibibyte with what is around it, as in the other measurements.
fn prompt() -> String {
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima ".repeat(11)
}

const SYSTEM: &str = "You are a helpful assistant.";

impl Dialect {
    fn path(self) -> &'static str {
        match self {
            Dialect::Chat => "/v1/chat/completions",
            Dialect::Messages => "/v1/messages",
            Dialect::Responses => "/v1/responses",
        }
    }

    /// The same question in this dialect.
    fn body(self, model: &str, is_stream: bool) -> Bytes {
        let user = json!({"role": "user", "content": prompt()});
        let mut body = match self {
            Dialect::Chat => json!({"model": model, "max_tokens": 100, "temperature": 0,
                "messages": [{"role": "system", "content": SYSTEM}, user]}),
            Dialect::Messages => {
                json!({"model": model, "max_tokens": 100, "temperature": 0, "system": SYSTEM, "messages": [user]})
            }
            // Keeping an answer is no part of translating it.
            Dialect::Responses => json!({"model": model, "max_output_tokens": 100, "temperature": 0, "instructions": SYSTEM,
                "input": [user], "store": false}),
        };
        if is_stream {
            body["stream"] = json!(true);
            if matches!(self, Dialect::Chat) {
                body["stream_options"] = json!({"include_usage": true});
            }
        }
        body.to_string().into()
    }
}

/// Providers of three forms, two of each for who is routed, and one that lies outside of its region.
const PROVIDERS: [(&str, &str, &str, Option<&str>); 8] = [
    ("single", "openai", "v1", None),
    ("open-1", "openai", "v1", Some("eu-central-1")),
    ("open-2", "openai", "v1", Some("eu-west-1")),
    ("open-3", "openai", "v1", Some("us-east-1")),
    ("claude-1", "anthropic", "v1", Some("eu-central-1")),
    ("claude-2", "anthropic", "v1", Some("eu-west-1")),
    ("gemini-1", "gemini", "v1beta", Some("eu-central-1")),
    ("gemini-2", "gemini", "v1beta", Some("eu-west-1")),
];

/// The model that a provider serves, by its name.
fn model_of(provider: &str) -> &str {
    match provider.split_once('-') {
        Some((model, _)) => model,
        None => "plain",
    }
}

fn start_insula(folder: &Path, upstream: &str) -> Result<(Child, String, String)> {
    let (data, config, prices) = (folder.join("data"), folder.join("insula.toml"), folder.join("prices.toml"));
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[storage]\ndata_dir = {data:?}\n[prices]\nfile = {prices:?}\n[log]\nlevel = \"warn\"\n"
    );
    let mut book = String::new();
    for (name, kind, version, region) in PROVIDERS {
        let region = region.map_or_else(String::new, |region| format!("region = \"{region}\"\n"));
        let isolation = if name.starts_with("open-") { "cache_isolation = \"prompt_cache_key\"\n" } else { "" };
        let _ = write!(
            text,
            "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{upstream}/{version}\"\n{region}{isolation}"
        );
        let _ = write!(
            book,
            "[[models]]\nprovider = \"{name}\"\nname = \"{}\"\nupstream_model = \"sim-small\"\nsnapshot = \"sim-small\"\n\
             operations = [\"chat\"]\ncontext_tokens_max = 128000\noutput_tokens_max = 16384\n[[models.prices]]\n\
             effective_from = 2020-01-01\ninput = \"1.00\"\noutput = \"2.00\"\nsource = \"made up for the measurement\"\n\
             checked = 2020-01-01\n",
            model_of(name)
        );
    }
    std::fs::write(&config, text)?;
    std::fs::write(&prices, book)?;
    let mut command = beside_nginx::gateway(&binary::insula());
    command.arg("serve").arg("--config").arg(&config).current_dir(folder);
    let mut insula = Child::start(command);
    insula.wait_for_line("Ready", READY_WITHIN).map_err(anyhow::Error::msg)?;
    let place: Value = serde_json::from_slice(&std::fs::read(data.join("server.json"))?)?;
    let said = |field: &str| place[field].as_str().map(str::to_owned).context("a server says where it is");
    Ok((insula, said("url")?, said("operator_key")?))
}

/// Both tenants with limits and hard budgets that never stand in the way; their keys by name.
async fn make_tenants(operator: &Caller, fingerprint: &str) -> Result<BTreeMap<&'static str, String>> {
    let mut keys = BTreeMap::new();
    for slug in ["plain", "routed"] {
        operator.post("/api/v1/tenants", &json!({"slug": slug, "name": slug})).await.expect(201);
        let at = format!("/api/v1/tenants/{slug}");
        let budgets = json!([
            {"window": "month", "limit_usd": "1000000.00", "mode": "hard"},
            {"window": "day", "limit_usd": "100000.00", "mode": "hard"},
        ]);
        operator.put(&format!("{at}/budgets"), &budgets).await.expect(200);
        let limits =
            json!({"requests_per_minute": 4_000_000_000u32, "tokens_per_minute": 4_000_000_000u32, "concurrency": 10_000});
        operator.put(&format!("{at}/limits"), &limits).await.expect(200);
        let key = operator.post(&format!("{at}/keys"), &json!({"name": "load"})).await.expect(201).json();
        keys.insert(slug, key["key"].as_str().context("a key is shown once")?.to_owned());
    }
    operator.patch("/api/v1/tenants/routed", &json!({"region": "eu"})).await.expect(200);
    let routing = json!({
        "strategy": "cheapest",
        "fallbacks": {"open": ["claude"], "claude": ["open"], "gemini": ["open"]},
        "attempts_max": 3,
        "locks": [{"model": "open", "snapshot": "sim-small", "fingerprint": fingerprint, "on_mismatch": "refuse"},
            {"model": "claude", "snapshot": "sim-small", "on_mismatch": "refuse"}],
    });
    operator.put("/api/v1/tenants/routed/routing", &routing).await.expect(200);
    Ok(keys)
}
