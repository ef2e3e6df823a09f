//! `cargo xtask chaos`: kills a server at random moments under load and lays its ledger beside the provider's own log.
//!
//! The work is done by a program of the tests' package; this builds it beside the server and starts it.

use anyhow::Result;
use clap::Args;

use crate::{run, services::Services, workspace};

/// What to do; everything is passed on.
#[derive(Args)]
pub struct Options {
    /// How often the server is killed: 50 times, or 20 where there are several nodes.
    #[arg(long)]
    rounds: Option<usize>,
    /// Decides the moments; the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file layer forgets what was not synced, as a power cut does.
    #[arg(long, conflicts_with = "cluster")]
    power_cut: bool,
    /// One of three nodes that share PostgreSQL and Redis is killed; some stand still for a while.
    #[arg(long)]
    cluster: bool,
}

impl Options {
    /// So many rounds with the usual seed.
    pub fn new(rounds: usize) -> Self {
        Self { rounds: Some(rounds), seed: 1, power_cut: false, cluster: false }
    }

    /// The same with power cuts.
    pub fn with_power_cuts(self) -> Self {
        Self { power_cut: true, ..self }
    }

    /// The same with several nodes.
    pub fn of_cluster(self) -> Self {
        Self { cluster: true, ..self }
    }
}

/// Builds the server and the program, starts what nodes share, and runs it.
pub fn run(options: &Options) -> Result<()> {
    run::check(run::cargo().args(["build", "--locked", "--package", "insula", "--package", "insula-tests", "--bins"]))?;
    let services = options.cluster.then(Services::start).transpose()?;
    start(options, services.as_ref()).map(drop)
}

/// Runs the program as it was built before; what a summary has to say about it.
pub fn start(options: &Options, services: Option<&Services>) -> Result<String> {
    let mut chaos = run::command(workspace::target().join("debug").join("chaos"));
    chaos.args(["--seed", &options.seed.to_string()]);
    if let Some(rounds) = options.rounds {
        chaos.args(["--rounds", &rounds.to_string()]);
    }
    if options.power_cut {
        chaos.arg("--power-cut");
    }
    if options.cluster {
        chaos.arg("--cluster");
    }
    run::check(chaos.envs(services.iter().flat_map(|services| services.env())))?;
    Ok(options.rounds.map_or(String::new(), |rounds| format!("{rounds} rounds")))
}
