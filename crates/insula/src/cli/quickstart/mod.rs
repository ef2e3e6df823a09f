//! `insula quickstart`: a tour that proves each of its steps against a running server.

mod expect;
mod steps;
mod stream;
mod tour;

use std::{path::PathBuf, time::Instant};

use clap::Args;
use serde_json::json;

use super::{dev::DevEnv, exit::Failure, output::Output};
use tour::Tour;

/// Proves step by step what a running server does: isolation, streams, budgets, usage, ledger.
///
/// It makes two tenants of its own and erases them at the end.
#[derive(Debug, Args)]
pub struct QuickstartArgs {
    /// The server's address; with --operator-key [env: INSULA_URL].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An operator key of that server [env: INSULA_OPERATOR_KEY].
    #[arg(long, value_name = "KEY")]
    operator_key: Option<String>,
    /// The data directory of `insula dev`, whose dev.env holds both [env: INSULA_DATA_DIR] [default: data].
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
    /// The model to talk to.
    #[arg(long, default_value = "sim-small")]
    model: String,
}

/// Takes the tour; the first step that does not hold ends it.
pub async fn run(args: QuickstartArgs, out: Output) -> Result<(), Failure> {
    let (url, operator_key) = server(&args)?;
    let mut tour = Tour::new(&url, operator_key, args.model)?;
    if !out.is_json() {
        out.line(&format!("A tour of {url}\n"))?;
    }
    let mut shown = Vec::new();
    let walked = walk(&mut tour, out, &mut shown).await;
    // Also after a failure: what the tour made must not stay.
    let cleaned = tour.clean_up().await;
    if out.is_json() {
        out.line(&json!({ "data": shown }).to_string())?;
    }
    walked?;
    cleaned?;
    if !out.is_json() {
        out.line("\nProven: two tenants, isolated; a stream with its usage; a budget that held; a ledger that adds up.")?;
    }
    Ok(())
}

/// Walks the steps in order, telling each as it ends.
async fn walk(tour: &mut Tour, out: Output, shown: &mut Vec<serde_json::Value>) -> Result<(), Failure> {
    let count = steps::NAMES.len();
    for (i, name) in steps::NAMES.iter().enumerate() {
        let started = Instant::now();
        let outcome = steps::take(i, tour).await;
        let ms = started.elapsed().as_millis();
        let (mark, detail) = match &outcome {
            Ok(seen) => ("ok", seen.clone()),
            Err(failure) => ("FAILED", failure.to_string()),
        };
        shown.push(json!({ "step": name, "ok": outcome.is_ok(), "detail": detail, "duration_ms": u64::try_from(ms).unwrap_or(u64::MAX) }));
        if !out.is_json() {
            out.line(&format!("{mark:<6} {}/{count}  {name}  ({ms} ms)\n         {detail}", i + 1))?;
        }
        outcome.map_err(|failure| Failure::failed(format!("step {} did not hold: {failure}", i + 1)))?;
    }
    Ok(())
}

/// Where the server is and who may manage it: flags, then the environment, then `dev.env`.
fn server(args: &QuickstartArgs) -> Result<(String, String), Failure> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let key = args.operator_key.clone().or_else(|| env("INSULA_OPERATOR_KEY"));
    let url = args.url.clone().or_else(|| env("INSULA_URL").filter(|_| args.data_dir.is_none()));
    if let Some(url) = url {
        let missing = || Failure::usage(format!("no operator key for {url}: pass --operator-key or set INSULA_OPERATOR_KEY"));
        return Ok((url.clone(), key.ok_or_else(missing)?));
    }
    let dir = args.data_dir.clone().or_else(|| env("INSULA_DATA_DIR").map(PathBuf::from));
    let dir = dir.unwrap_or_else(|| PathBuf::from("data"));
    let dev = DevEnv::read(&dir);
    if dev.url.is_empty() || dev.operator_key.is_empty() {
        let file = DevEnv::path(&dir);
        return Err(Failure::failed(format!(
            "{} tells of no server; start `insula dev` in another terminal first",
            file.display()
        )));
    }
    Ok((dev.url, dev.operator_key))
}
