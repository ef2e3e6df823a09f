//! Chats and embeddings, whole and streamed, at several models; some callers leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::Method;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::Caller;
use crate::sse::{Event, EventStream};
use crate::tenant::TestTenant;

const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
/// Callers at once.
const CALLERS: usize = 48;
/// How often it is the last tenant that asks.
const LAST_SHARE: f64 = 0.05;
/// How long somebody waits who does not wait.
const HURRY_US_MAX: u64 = 4_000;

/// Sends so many requests, as fast as they are served.
pub async fn send(tenants: &[TestTenant], requests: usize, seed: u64) {
    let left = Arc::new(AtomicUsize::new(requests));
    let holders: Arc<[Caller]> = tenants.iter().map(|tenant| tenant.service.clone()).collect();
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let random = SmallRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number as u64));
        callers.spawn(ask_while_any(left.clone(), holders.clone(), random));
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}

async fn ask_while_any(left: Arc<AtomicUsize>, holders: Arc<[Caller]>, mut random: SmallRng) {
    while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
        // The last one asks least: most of it is refused.
        let number = if random.random_bool(LAST_SHARE) { holders.len() - 1 } else { random.random_range(0..holders.len() - 1) };
        let caller = &holders[number];
        let text = "tell me more about it ".repeat(random.random_range(1..12));
        let model = if random.random_bool(0.2) { "sim-large" } else { "sim-small" };
        let chat =
            |streamed: bool| json!({"model": model, "messages": [{"role": "user", "content": text}], "stream": streamed});
        let hurry = Duration::from_micros(random.random_range(0..HURRY_US_MAX));
        match random.random_range(0..100) {
            0..20 => whole(caller, EMBEDDINGS, &json!({"model": "sim-embed", "input": text})).await,
            20..48 => whole(caller, CHAT, &chat(false)).await,
            // Leaves before there is an answer.
            48..52 => drop(tokio::time::timeout(hurry, whole(caller, CHAT, &chat(false))).await),
            52..94 => to_the_end(open(caller, &chat(true)).await).await,
            // Leaves in the middle of it.
            _ => first_words(open(caller, &chat(true)).await).await,
        }
    }
}

/// What comes of it is told by the books.
async fn whole(caller: &Caller, path: &str, body: &Value) {
    let _ = caller.call(Method::POST, path).json(body).try_send().await;
}

async fn open(caller: &Caller, body: &Value) -> Option<EventStream> {
    caller.call(Method::POST, CHAT).json(body).try_stream().await.ok().filter(|stream| stream.status == 200)
}

async fn to_the_end(stream: Option<EventStream>) {
    let Some(mut stream) = stream else { return };
    while let Ok(Some(_)) = stream.next().await {}
}

async fn first_words(stream: Option<EventStream>) {
    let Some(mut stream) = stream else { return };
    while let Ok(Some(event)) = stream.next().await {
        let Event::Json(chunk) = event else { continue };
        if chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
            return;
        }
    }
}
