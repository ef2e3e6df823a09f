//! `insula simulator`.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use insula_simulator::Simulator;

use super::{exit::Failure, output::Output, signals::Signals};

/// A model provider that is not one: for trying things out and for tests, without a key and without the network.
#[derive(Debug, Args)]
pub struct SimulatorArgs {
    /// The address and port that it listens on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8421")]
    listen: SocketAddr,
}

/// Runs it until it is asked to stop.
pub async fn run(args: SimulatorArgs, out: Output) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let simulator = Simulator::start(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    out.line(&format!("Ready  {}", simulator.url()))?;
    signals.first().await;
    signals.end_at_the_next();
    simulator.stop().await;
    Ok(())
}
