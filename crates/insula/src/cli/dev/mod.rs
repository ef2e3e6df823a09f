//! `insula dev`: everything on this machine, nothing to set up.

mod env_file;
mod provision;
mod welcome;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Args;
use insula_simulator::Simulator;

use super::{exit::Failure, output::Output, serve, settings::Settings, signals::Signals};
use crate::{
    config::{Config, Isolation, Provider},
    logging,
    node::{Node, World},
    wire::Prices,
};

pub use env_file::DevEnv;

/// Runs a server for trying things out: loopback only, the tenants `acme` and `globex`, a simulated provider.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The data directory [env: INSULA_DATA_DIR] [default: data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The loopback address and port that it listens on; port 0 picks a free one [env: INSULA_LISTEN] [default: 127.0.0.1:8420].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A simulator that runs elsewhere, instead of one in this process.
    #[arg(long, value_name = "URL")]
    simulator: Option<String>,
    /// A configuration file, whose providers serve beside the simulator.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs it until it is asked to stop.
pub async fn run(args: DevArgs, out: Output) -> Result<(), Failure> {
    let settings = Settings { config: None, data_dir: args.data_dir, listen: args.listen };
    let mut config = settings.load_from(args.config)?.config;
    if !config.server.listen.ip().is_loopback() {
        let advice = "dev listens on loopback only, because it prints how to use its keys; use `insula serve` to be reachable";
        return Err(Failure::usage(format!("{} is not a loopback address: {advice}", config.server.listen)));
    }
    if config.storage.is_shared() {
        let advice =
            "dev keeps its data on this machine, where its tenants can do no harm; run `insula serve`, or take the URL away";
        return Err(Failure::usage(format!("the configuration names shared storage: {advice}")));
    }
    logging::init(&config.log)?;
    let signals = Signals::listen()?;
    let (simulator_url, simulator) = simulator(args.simulator)?;
    add_simulator(&mut config, &simulator_url);
    let node = Node::open(&config, Prices::WithSimulator, World::default()).await?;
    let serving = node.listen(config.server.listen).await?;
    let keys = provision::keys(&serving, &config.storage.data_dir, &simulator_url).await?;
    welcome::print(&config.storage.data_dir, &keys, out)?;
    let stopped = serve::until_signal(serving, signals, out).await;
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    stopped
}

/// The simulator at this address, or a new one in this process.
fn simulator(outside: Option<String>) -> Result<(String, Option<Simulator>), Failure> {
    match outside {
        Some(url) => Ok((url.trim_end_matches('/').to_owned(), None)),
        None => {
            let simulator = Simulator::start(([127, 0, 0, 1], 0).into()).context("cannot start the simulator")?;
            Ok((simulator.url(), Some(simulator)))
        }
    }
}

/// The simulator is the first provider, and is told each attempt's id.
fn add_simulator(config: &mut Config, url: &str) {
    let entry = Provider {
        name: "simulator".to_owned(),
        base_url: format!("{url}/v1"),
        attempt_header: Some("x-insula-attempt".to_owned()),
        cache_isolation: Some(Isolation::PromptCacheKey),
        // To be tried: nobody pays for it.
        tenant_credentials: Some(true),
        ..Provider::default()
    };
    config.providers.retain(|provider| provider.name != entry.name);
    config.providers.insert(0, entry);
}
