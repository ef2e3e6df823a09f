//! Callers who go on until the server is gone, and remember what they were told.

use http::Method;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use super::world::World;
use crate::http::Caller;
use crate::sse::Event;
use crate::tenant::{chat, streamed_chat};

const CHAT: &str = "/v1/chat/completions";

/// What one round's callers heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// Requests of which a caller saw the whole answer.
    pub whole: Vec<String>,
    /// Requests of which a caller saw something, but not the end.
    pub begun: Vec<String>,
    /// Requests of which nothing was heard: at most so many were under way unseen.
    pub silent: usize,
    /// Answers that were neither.
    pub odd: Vec<String>,
}

impl Heard {
    /// How many requests were under way at the kill, at most.
    pub fn in_flight(&self) -> usize {
        self.begun.len() + self.silent
    }

    fn add(&mut self, other: Heard) {
        self.whole.extend(other.whole);
        self.begun.extend(other.begun);
        self.silent += other.silent;
        self.odd.extend(other.odd);
    }
}

/// Callers under way.
pub struct Load {
    callers: Vec<JoinHandle<Heard>>,
}

/// Starts so many callers; each asks until a connection breaks.
pub fn start(world: &World, callers: usize, seed: u64) -> Load {
    let callers = (0..callers).map(|number| {
        let tenant = &world.tenants[number % world.tenants.len()];
        let caller = world.node.anyone.with(tenant.service.credential().unwrap_or_default());
        tokio::spawn(ask_until_the_end(caller, SmallRng::seed_from_u64(seed.wrapping_add(number as u64)), number))
    });
    Load { callers: callers.collect() }
}

impl Load {
    /// Waits until every caller has found that the server is gone.
    pub async fn stop(self) -> Heard {
        let mut heard = Heard::default();
        for caller in self.callers {
            heard.add(caller.await.unwrap());
        }
        heard
    }
}

async fn ask_until_the_end(caller: Caller, mut random: SmallRng, number: usize) -> Heard {
    let mut heard = Heard::default();
    for round in 0.. {
        let text = format!("caller {number} asks for the time {round}");
        let streamed = random.random_bool(0.6);
        let body = if streamed { streamed_chat(&text) } else { chat(&text) };
        let Ok(mut stream) = caller.call(Method::POST, CHAT).json(&body).try_stream().await else {
            heard.silent += 1;
            return heard;
        };
        let id = stream.request_id();
        if stream.status != 200 {
            heard.odd.push(format!("{id}: {}", stream.into_reply().await.text()));
            continue;
        }
        let whole = match streamed {
            false => stream.try_into_reply().await.is_ok(),
            true => loop {
                match stream.next().await {
                    Ok(Some(Event::Done)) => break true,
                    Ok(Some(Event::Json(event))) if event.get("error").is_some() => {
                        heard.odd.push(format!("{id}: {event}"));
                        break true;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break false,
                }
            },
        };
        if !whole {
            heard.begun.push(id);
            return heard;
        }
        heard.whole.push(id);
    }
    heard
}
