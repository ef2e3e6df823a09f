//! `cargo xtask chaos`: kills a server at random moments under load and lays its ledger beside the provider's own log.
//!
//! The work is done by a program of the tests' package; this builds it beside the server and starts it.

use anyhow::Result;
use clap::Args;

use crate::{run, workspace};

/// What to do; everything is passed on.
#[derive(Args)]
pub struct Options {
    /// How often the server is killed.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// Decides the moments; the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file layer forgets what was not synced, as a power cut does.
    #[arg(long)]
    power_cut: bool,
}

impl Options {
    /// So many rounds with the usual seed.
    pub fn new(rounds: usize, power_cut: bool) -> Self {
        Self { rounds, seed: 1, power_cut }
    }
}

/// Builds the server and the program, and runs it.
pub fn run(options: &Options) -> Result<()> {
    run::check(run::cargo().args(["build", "--locked", "--package", "insula", "--package", "insula-tests", "--bins"]))?;
    start(options).map(drop)
}

/// Runs the program as it was built before; what a summary has to say about it.
pub fn start(options: &Options) -> Result<String> {
    let mut chaos = run::command(workspace::target().join("debug").join("chaos"));
    chaos.args(["--rounds", &options.rounds.to_string(), "--seed", &options.seed.to_string()]);
    if options.power_cut {
        chaos.arg("--power-cut");
    }
    run::check(&mut chaos)?;
    Ok(format!("{} rounds", options.rounds))
}
