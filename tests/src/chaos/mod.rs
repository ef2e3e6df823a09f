//! Killing a server at random moments under load, again and again, and laying its ledger beside the provider's own log.
//!
//! `cargo xtask chaos` runs it. The simulator is a process of its own and survives; what it logged is the truth.
//!
//! Of several nodes see [`cluster`], of a batch [`batch`]. Of one:
//! - [`load`]: callers who remember what they were told;
//! - [`world`]: the simulator, the server and two tenants;
//! - [`verdict`]: what must hold after every start.

pub mod batch;
mod cluster;
mod load;
mod verdict;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::binary;
use verdict::Verdict;
use world::World;

/// How often a server is killed when nobody says it.
const ROUNDS: usize = 50;
const CLUSTER_ROUNDS: usize = 20;
/// Callers at once.
const CALLERS: usize = 24;
/// The server is killed at some moment before this.
const LIFE_MS_MAX: u64 = 1_500;
/// Some starts are killed too, in the middle of recovery.
const VAIN_START_SHARE: f64 = 0.25;
const VAIN_LIFE_MS_MAX: u64 = 250;

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How often the server is killed: 50 times, or 20 where there are several nodes.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Decides the moments; the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The file layer forgets what was not synced, as a power cut does.
    #[arg(long)]
    #[arg(conflicts_with = "cluster")]
    pub power_cut: bool,
    /// One of three nodes that share PostgreSQL and Redis is killed; some stand still for a while.
    #[arg(long)]
    pub cluster: bool,
}

/// Runs all rounds; an error says what did not hold.
pub async fn run(options: &Options) -> Result<()> {
    if options.cluster {
        return cluster::run(options.rounds.unwrap_or(CLUSTER_ROUNDS), options.seed).await;
    }
    let rounds = options.rounds.unwrap_or(ROUNDS);
    let started = Instant::now();
    let mut random = SmallRng::seed_from_u64(options.seed);
    let mut world = World::start(program(options), options.seed).await?;
    let mut verdict = Verdict::new(options.power_cut);
    for round in 1..=rounds {
        let load = load::start(&world, CALLERS, random.random());
        tokio::time::sleep(Duration::from_millis(random.random_range(20..LIFE_MS_MAX))).await;
        world.node.kill();
        let heard = load.stop().await;
        if random.random_bool(VAIN_START_SHARE) {
            world.node.start_in_vain(Duration::from_millis(random.random_range(0..VAIN_LIFE_MS_MAX))).await;
        }
        let restarted = Instant::now();
        world.node.start_again().await;
        let told = verdict.after_start(&world, &heard, restarted).await?;
        println!("round {round:>3}: {told}");
    }
    println!("{}", verdict.at_the_end(&mut world).await?);
    println!("{rounds} rounds in {:.0} s, seed {}", started.elapsed().as_secs_f64(), options.seed);
    ensure!(verdict.findings().is_empty(), "{} findings:\n{}", verdict.findings().len(), verdict.findings().join("\n"));
    Ok(())
}

fn program(options: &Options) -> PathBuf {
    if options.power_cut { binary::sibling("power_cut_node") } else { binary::insula() }
}
