//! Killing and pausing nodes that share their storage, under load, and laying the ledger beside the provider's own log.
//!
//! Every round kills one of three nodes and starts a new one in its place. Every third one also lets another stand still for
//! longer than the others wait for it: they settle what it had under way, and it wakes up.
//!
//! - [`world`]: the nodes, whose requests are made, and what is asked of the database;
//! - [`seats`]: streams that take all of a tenant's seats;
//! - [`verdict`]: what must hold after every round.

mod seats;
mod verdict;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::load::Load;
use seats::Seats;
use verdict::{Round, Verdict};
use world::World;

/// Nodes at once.
pub(super) const NODES: usize = 3;
/// Callers at once.
const CALLERS: usize = 24;
/// A node is killed at some moment of this.
const LIFE_MS: std::ops::Range<u64> = 500..2_500;
/// The load goes on for so long after that, so that there is some while the others settle what the dead node left.
const LOAD_AFTER: Duration = Duration::from_secs(12);
/// How long a paused node stands still.
const PAUSE: Duration = Duration::from_secs(15);
/// Every how many rounds a node is paused besides.
const PAUSE_EVERY: usize = 3;

/// Runs so many rounds; an error says what did not hold.
pub async fn run(rounds: usize, seed: u64) -> Result<()> {
    let started = Instant::now();
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::start().await;
    let mut verdict = Verdict::default();
    for round in 1..=rounds {
        let outcome = match round % PAUSE_EVERY {
            0 => kill_and_pause(&mut world, &mut random).await,
            _ => kill(&mut world, &mut random).await,
        };
        println!("round {round:>3}: {}", verdict.after_round(&world, outcome).await?);
    }
    println!("{}", verdict.at_the_end(&world, rounds).await?);
    println!("{rounds} rounds in {:.0} s, seed {seed}", started.elapsed().as_secs_f64());
    ensure!(verdict.findings().is_empty(), "{} findings:\n{}", verdict.findings().len(), verdict.findings().join("\n"));
    Ok(())
}

/// One node dies; the tenant whose seats were all taken gets those of the dead node back.
async fn kill(world: &mut World, random: &mut SmallRng) -> Round {
    let seats = Seats::take_all(world).await;
    let load = Load::start(&world.addresses, &world.tenants, CALLERS, random.random());
    tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
    let victim = random.random_range(0..NODES);
    world.cluster.nodes[victim].kill();
    let died_at = Instant::now();
    let dead = world.dead_within(1, Duration::from_secs(9));
    let (dead, ()) = tokio::join!(dead, world.replace(victim, random.random_range(0..1_000)));
    tokio::time::sleep_until((died_at + LOAD_AFTER).into()).await;
    let heard = load.stop().await;
    let swept_after = world.swept(&dead, died_at).await;
    let seats_after = seats.back_after(world, victim, died_at).await;
    Round { victim, paused: None, dead, died_at, heard, swept_after, seats_after: Some(seats_after), serves_after: None }
}

/// One node dies, and another stands still until it is taken for dead too.
async fn kill_and_pause(world: &mut World, random: &mut SmallRng) -> Round {
    let load = Load::start(&world.addresses, &world.tenants, CALLERS, random.random());
    tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
    let victim = random.random_range(0..NODES);
    let paused = (victim + random.random_range(1..NODES)) % NODES;
    world.cluster.nodes[victim].kill();
    world.cluster.nodes[paused].pause();
    let died_at = Instant::now();
    let dead = world.dead_within(2, Duration::from_secs(9));
    let (dead, ()) = tokio::join!(dead, world.replace(victim, random.random_range(0..1_000)));
    let swept_after = world.swept(&dead, died_at).await;
    tokio::time::sleep_until((died_at + PAUSE).into()).await;
    world.cluster.nodes[paused].resume();
    let serves_after = world.serves_again(paused).await;
    let heard = load.stop().await;
    Round {
        victim,
        paused: Some(paused),
        dead,
        died_at,
        heard,
        swept_after,
        seats_after: None,
        serves_after: Some(serves_after),
    }
}
