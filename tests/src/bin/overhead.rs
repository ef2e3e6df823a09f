//! What governing a request costs: CPU per request of Insula beside nginx as a plain reverse proxy, in the same run.
//!
//! `cargo xtask bench overhead [--secs 5] [--tenants 1000]`. Gateway on CPU 0, upstream and load on CPU 1. Everything that
//! Insula has is on: keys, limits, hard budgets, journal, sealed traces and their folding. Needs nginx and taskset.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use insula_tests::{
    Caller, binary,
    child::{self, Child},
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

const GATEWAY_CPU: &str = "0";
const LOAD_CPU: &str = "1";
const NGINX_PORT: u16 = 18_437;
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Chunks of a measured stream, and what carries them: role, finish, usage and `[DONE]` beside the content.
const CHUNKS: u64 = 50;
const EVENTS_PER_STREAM: u64 = CHUNKS + 4;

fn main() -> Result<()> {
    let options = Options::parse();
    // This process is the load: it and all it starts stay off the gateway's CPU unless they are moved there.
    let moved = Command::new("taskset").args(["-cp", LOAD_CPU, &std::process::id().to_string()]).output();
    ensure!(moved.context("taskset is missing (package util-linux)")?.status.success(), "taskset failed");
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
        let floor = measure(&options, scenario, &nginx_base, &nobody, nginx.id()).await?;
        let one = measure(&options, scenario, &insula_base, &keys[..1], insula.id()).await?;
        let many = measure(&options, scenario, &insula_base, &keys, insula.id()).await?;
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

fn pinned(cpu: &str, program: &Path) -> Command {
    let mut command = child::command("taskset");
    command.args(["-c", cpu]).arg(program);
    command
}

fn start_simulator() -> Result<(Child, String)> {
    let mut command = pinned(LOAD_CPU, &binary::insula());
    command.args(["simulator", "--listen", "127.0.0.1:0"]);
    let mut simulator = Child::start(command);
    let line = simulator.wait_for_line("http://", READY_WITHIN).map_err(anyhow::Error::msg)?;
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).context("the simulator says where it listens")?;
    Ok((simulator, url.trim_end_matches('/').to_owned()))
}

fn start_nginx(folder: &Path, upstream: &str) -> Result<(Child, String)> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().map(PathBuf::from).find(|path| path.exists());
    let program = program.context("nginx is missing: apt-get install nginx-light")?;
    let at = folder.display();
    let host = upstream.trim_start_matches("http://");
    let config = format!(
        "worker_processes 1; daemon off; pid {at}/nginx.pid; error_log {at}/nginx.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
         keepalive_requests 1000000; upstream model {{ server {host}; keepalive 256; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{NGINX_PORT}; location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = pinned(GATEWAY_CPU, &program);
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    let nginx = Child::start(command);
    let deadline = Instant::now() + READY_WITHIN;
    while std::net::TcpStream::connect(("127.0.0.1", NGINX_PORT)).is_err() {
        ensure!(Instant::now() < deadline, "nginx did not start: {}", nginx.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((nginx, format!("http://127.0.0.1:{NGINX_PORT}")))
}

fn start_insula(folder: &Path, upstream: &str) -> Result<(Child, String, String)> {
    let data = folder.join("data");
    let mut command = pinned(GATEWAY_CPU, &binary::insula());
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

struct Measured {
    cpu_us: f64,
    rps: f64,
}

async fn measure(options: &Options, scenario: &Scenario, base: &str, keys: &[String], pid: u32) -> Result<Measured> {
    let bodies: Rc<Vec<(String, Bytes)>> = Rc::new(keys.iter().map(|key| (key.clone(), body(scenario.is_stream))).collect());
    load(options, scenario, base, &bodies, Duration::from_secs_f64(options.secs / 4.0)).await?;
    let (cpu, begun) = (cpu_time(pid)?, Instant::now());
    let answered = load(options, scenario, base, &bodies, Duration::from_secs_f64(options.secs)).await?;
    let wall = begun.elapsed();
    let cpu = cpu_time(pid)? - cpu;
    Ok(Measured { cpu_us: cpu.as_secs_f64() * 1e6 / answered as f64, rps: answered as f64 / wall.as_secs_f64() })
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

/// Each connection sends its next request when the last is answered, and not before it is due. Keys take turns.
async fn load(
    options: &Options,
    scenario: &Scenario,
    base: &str,
    bodies: &Rc<Vec<(String, Bytes)>>,
    duration: Duration,
) -> Result<u64> {
    let start = Instant::now();
    let end = start + duration;
    let address = base.trim_start_matches("http://").to_owned();
    let workers: Vec<_> = (0..options.concurrency)
        .map(|worker| {
            let (address, bodies) = (address.clone(), bodies.clone());
            let pause = scenario.rate.map(|rate| Duration::from_secs_f64(options.concurrency as f64 / rate));
            let first = start + pause.unwrap_or_default().mul_f64(worker as f64 / options.concurrency as f64);
            tokio::task::spawn_local(async move {
                let mut sender = connect(&address).await?;
                let mut answered = 0u64;
                while Instant::now() < end {
                    let turn = (worker + answered as usize * 7) % bodies.len();
                    let (key, body) = &bodies[turn];
                    one(&mut sender, &address, key, body.clone()).await?;
                    answered += 1;
                    if let Some(pause) = pause {
                        tokio::time::sleep_until((first + pause.mul_f64(answered as f64)).into()).await;
                    }
                }
                anyhow::Ok(answered)
            })
        })
        .collect();
    let mut answered = 0;
    for worker in workers {
        answered += worker.await??;
    }
    ensure!(answered > 0, "nothing was answered");
    Ok(answered)
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn one(sender: &mut SendRequest<Full<Bytes>>, host: &str, key: &str, body: Bytes) -> Result<()> {
    sender.ready().await?;
    let request = hyper::Request::post("/v1/chat/completions")
        .header("host", host)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(body))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    ensure!(status.is_success(), "answered {status}");
    Ok(())
}

/// User and system time of a process and its children, in the kernel's ticks of 10 ms.
fn cpu_time(pid: u32) -> Result<Duration> {
    let mut ticks = process_ticks(pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        ticks += process_ticks(child.parse()?)?;
    }
    Ok(Duration::from_millis(ticks * 10))
}

fn process_ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15, counted behind the name in parentheses, which may hold spaces.
    let (_, rest) = stat.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
