//! A load on a server, and what it costs the server's process.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

/// How many requests, for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Seconds of the measurement; a quarter of it is run before, unmeasured.
    pub secs: f64,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Requests a second; as many as go through where absent.
    pub rate: Option<f64>,
}

/// A request that is made again and again.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub path: &'static str,
    /// The bearer's key; empty where none is asked for.
    pub key: String,
    /// What is sent.
    pub body: Bytes,
}

/// What a load came to.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// CPU of the process, microseconds a request.
    pub cpu_us: f64,
    /// Requests a second.
    pub rps: f64,
}

/// Runs the load, the requests in turn, and measures the process and its children. Needs a `LocalSet`.
pub async fn measure(load: &Load, base: &str, requests: &Rc<Vec<Request>>, pid: u32) -> Result<Measured> {
    run(load, base, requests, Duration::from_secs_f64(load.secs / 4.0)).await?;
    let (cpu, begun) = (cpu_time(pid)?, Instant::now());
    let answered = run(load, base, requests, Duration::from_secs_f64(load.secs)).await?;
    let wall = begun.elapsed();
    let cpu = cpu_time(pid)? - cpu;
    Ok(Measured { cpu_us: cpu.as_secs_f64() * 1e6 / answered as f64, rps: answered as f64 / wall.as_secs_f64() })
}

/// Each connection sends its next request when the last is answered, and not before it is due. Requests take turns.
async fn run(load: &Load, base: &str, requests: &Rc<Vec<Request>>, duration: Duration) -> Result<u64> {
    let (concurrency, rate) = (load.concurrency, load.rate);
    let start = Instant::now();
    let end = start + duration;
    let address = base.trim_start_matches("http://").to_owned();
    let workers: Vec<_> = (0..concurrency)
        .map(|worker| {
            let (address, requests) = (address.clone(), requests.clone());
            let pause = rate.map(|rate| Duration::from_secs_f64(concurrency as f64 / rate));
            let first = start + pause.unwrap_or_default().mul_f64(worker as f64 / concurrency as f64);
            tokio::task::spawn_local(async move {
                let mut sender = connect(&address).await?;
                let mut answered = 0u64;
                while Instant::now() < end {
                    let turn = (worker + answered as usize * 7) % requests.len();
                    one(&mut sender, &address, &requests[turn]).await?;
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

async fn one(sender: &mut SendRequest<Full<Bytes>>, host: &str, request: &Request) -> Result<()> {
    sender.ready().await?;
    let request = hyper::Request::post(request.path)
        .header("host", host)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", request.key))
        .body(Full::new(request.body.clone()))?;
    let path = request.uri().path().to_owned();
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    if !status.is_success() {
        let said = body.collect().await?.to_bytes();
        bail!("{path} answered {status}: {}", String::from_utf8_lossy(&said));
    }
    while let Some(frame) = body.frame().await {
        frame?;
    }
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
