//! Streams that take all of a tenant's seats.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;

use super::NODES;
use super::world::World;
use crate::sse::EventStream;
use crate::tenant::streamed_chat;
use crate::wait::eventually_within;

/// How many the tenant has, over all nodes.
pub const SEATS: usize = 6;
const BACK_WITHIN: Duration = Duration::from_secs(30);
const CHAT: &str = "/v1/chat/completions";

/// All seats of a tenant.
pub struct Seats {
    /// Each with the node at which it is.
    streams: Vec<(usize, EventStream)>,
}

impl Seats {
    /// Takes them, as many at each node, by streams that outlive the round.
    pub async fn take_all(world: &World) -> Seats {
        world.cluster.scenario(Scenario { gap_ms: 2_500, ..World::quick() });
        let mut streams = Vec::new();
        for number in 0..SEATS {
            let node = number % NODES;
            // The last round's are free once their answers have come to an end.
            let stream = eventually_within(BACK_WITHIN, "a seat is free", || try_one(world, node)).await;
            streams.push((node, stream));
        }
        assert!(try_one(world, 0).await.is_none(), "more than {SEATS} seats");
        world.cluster.scenario(World::quick());
        Seats { streams }
    }

    /// How long after the death of a node as many seats were free again as were taken there, and no more.
    pub async fn back_after(mut self, world: &World, dead: usize, died_at: Instant) -> Duration {
        self.streams.retain(|(node, _)| *node != dead);
        world.cluster.scenario(Scenario { chunks: 3, gap_ms: 1_500, ..World::quick() });
        let alive = (dead + 1) % NODES;
        while self.streams.len() < SEATS {
            let left = BACK_WITHIN.saturating_sub(died_at.elapsed());
            let stream = eventually_within(left, "a dead node's seats are free", || try_one(world, alive)).await;
            self.streams.push((alive, stream));
        }
        let back = died_at.elapsed();
        assert!(try_one(world, alive).await.is_none(), "more than {SEATS} seats after a node has died");
        world.cluster.scenario(World::quick());
        back
    }
}

/// A stream that has begun; `None` where there is no seat for it.
async fn try_one(world: &World, node: usize) -> Option<EventStream> {
    let caller = world.addresses.at(node, world.crowded.service.credential().unwrap_or_default());
    let mut stream = caller.stream(CHAT, &streamed_chat("hold a seat")).await;
    if stream.status == 429 {
        return None;
    }
    assert_eq!(stream.status, 200, "{:?}", stream.headers);
    stream.first_content().await;
    Some(stream)
}
