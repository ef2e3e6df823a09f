//! Callers of several nodes at once who go on until they are told to stop, and remember what they were told.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use crate::http::Caller;
use crate::node::Node;
use crate::sse::Event;
use crate::tenant::{TestTenant, chat, streamed_chat};

const CHAT: &str = "/v1/chat/completions";
/// Who was refused or found nobody asks again after this.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the nodes listen: another address after each start.
#[derive(Clone, Default)]
pub struct Addresses(Arc<Mutex<Vec<Caller>>>);

impl Addresses {
    /// Of these nodes, as they are now.
    pub fn set(&self, nodes: &[Node]) {
        *self.0.lock().unwrap() = nodes.iter().map(|node| node.anyone.clone()).collect();
    }

    /// A holder of `credential` at a node.
    pub fn at(&self, node: usize, credential: &str) -> Caller {
        self.0.lock().unwrap()[node].with(credential)
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// At which node.
    pub node: usize,
    /// When it was sent.
    pub began: Instant,
    /// How long it took, to the end of the answer.
    pub took: Duration,
    /// What was heard.
    pub what: What,
}

/// What was heard of one request.
#[derive(Debug, Clone)]
pub enum What {
    /// The whole answer of this request.
    Whole(String),
    /// The beginning of it.
    Begun(String),
    /// Nothing.
    Silent,
    /// Another status than 200.
    Refused {
        /// Which.
        status: u16,
        /// Whether it says when to come again.
        retry_after: bool,
        /// Its body.
        text: String,
    },
    /// A stream with an error in it.
    Broken(String),
}

/// Callers under way.
pub struct Load {
    callers: Vec<JoinHandle<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts so many callers; each has a tenant and a node, and asks another node when it finds nobody there.
    pub fn start(addresses: &Addresses, tenants: &[TestTenant], callers: usize, seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = (0..callers).map(|number| {
            let credential = tenants[number % tenants.len()].service.credential().unwrap_or_default().to_owned();
            let random = SmallRng::seed_from_u64(seed.wrapping_add(number as u64));
            tokio::spawn(ask_until(stop.clone(), addresses.clone(), credential, random, number))
        });
        Load { callers: callers.collect(), stop }
    }

    /// Tells all to stop and waits until they have: what is under way is heard to its end.
    pub async fn stop(self) -> Vec<Answer> {
        self.stop.store(true, SeqCst);
        let mut heard = Vec::new();
        for caller in self.callers {
            heard.extend(caller.await.unwrap());
        }
        heard
    }
}

async fn ask_until(
    stop: Arc<AtomicBool>,
    addresses: Addresses,
    credential: String,
    mut random: SmallRng,
    number: usize,
) -> Vec<Answer> {
    let mut heard = Vec::new();
    let mut node = number % addresses.count();
    for round in 0.. {
        if stop.load(SeqCst) {
            break;
        }
        let (began, text) = (Instant::now(), format!("caller {number} asks for the time {round}"));
        let what = ask(&addresses.at(node, &credential), &text, random.random_bool(0.6)).await;
        let pause = matches!(what, What::Refused { .. } | What::Silent);
        let next = if matches!(what, What::Silent) { (node + 1) % addresses.count() } else { number % addresses.count() };
        heard.push(Answer { node, began, took: began.elapsed(), what });
        node = next;
        if pause {
            tokio::time::sleep(PAUSE).await;
        }
    }
    heard
}

/// Asks once, and listens to the end.
pub async fn ask(caller: &Caller, text: &str, streamed: bool) -> What {
    let body = if streamed { streamed_chat(text) } else { chat(text) };
    let Ok(mut stream) = caller.call(Method::POST, CHAT).json(&body).try_stream().await else { return What::Silent };
    let id = stream.request_id();
    if stream.status != 200 {
        let (status, retry_after) = (stream.status, stream.headers.contains_key("retry-after"));
        return What::Refused { status, retry_after, text: format!("{id}: {}", stream.into_reply().await.text()) };
    }
    if !streamed {
        return if stream.try_into_reply().await.is_ok() { What::Whole(id) } else { What::Begun(id) };
    }
    loop {
        match stream.next().await {
            Ok(Some(Event::Done)) => return What::Whole(id),
            Ok(Some(Event::Json(event))) if event.get("error").is_some() => return What::Broken(format!("{id}: {event}")),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return What::Begun(id),
        }
    }
}
