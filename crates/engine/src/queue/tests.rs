//! Waiting in real tasks: bounds, leaving, grants that cross a leaving, and the timer behind the pace.

use std::num::NonZeroU32;

use insula_model::{CredentialId, Operation, Random, ReleaseMode, SeededRandom, TenantId, Timestamp};
use insula_providers::{Pace, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, Viewer};
use tokio::time::Instant;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// The runtime's own time, which tests let pass.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn raise_to(&self, _: Timestamp) {}
}

fn route(pace: Pace, model: &str) -> Route {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let settings = ProviderSettings { pace, ..ProviderSettings::new("simulator", "http://127.0.0.1:1/v1") };
    let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    Providers::new(vec![settings], book).unwrap().candidates(model, Operation::Chat, at, &Viewer::default()).unwrap().remove(0)
}

fn seats(concurrency: u32) -> Route {
    route(Pace { concurrency: NonZeroU32::new(concurrency), ..Pace::default() }, "sim-small")
}

fn queue(inflight_max: u32) -> Arc<Queue> {
    let queue = QueueSettings { seats_share_max: 100, ..QueueSettings::default() };
    let settings = EngineSettings { inflight_max, queue, ..EngineSettings::default() };
    Queue::new(&settings, Arc::new(RuntimeClock(Instant::now())), None)
}

fn ask(number: u8) -> Ask {
    Ask {
        tenant: TenantId::from_bytes([number; 16]),
        weight: 1,
        mode: ReleaseMode::Balanced,
        end_user: None,
        is_background: false,
        size: Size { input_tokens: 10, output_tokens_max: 100 },
    }
}

fn limits(depth: u32, wait_ms: u32) -> Limits {
    Limits { queue_depth_max: Some(depth), queue_wait_ms_max: Some(wait_ms), ..Limits::default() }
}

fn assert_limited(refused: Result<Slot>, bound: &str) {
    let Err(error) = refused else { panic!("not refused") };
    assert!(matches!(error.kind(), ErrorKind::RateLimited { retry_after } if *retry_after > Duration::ZERO), "{error:?}");
    assert!(error.message().contains(bound), "{error}");
}

fn assert_empty(queue: &Queue) {
    let state = queue.state.lock();
    assert_eq!(state.waiting, 0);
    assert!(state.node.is_idle());
    assert!(state.lanes.values().all(|track| track.lane.is_idle() && track.waiters.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn depth_and_wait_are_bounded() {
    let (queue, route) = (queue(100), seats(1));
    let held = queue.take(&route, None, ask(1), &limits(2, 500)).await.unwrap();
    assert_eq!((held.queued_us(), held.reason()), (0, None));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (queue, route) = (queue.clone(), route.clone());
            tokio::spawn(async move { queue.take(&route, None, ask(1), &limits(2, 500)).await })
        })
        .collect();
    tokio::time::sleep(MS).await;
    assert_limited(queue.take(&route, None, ask(1), &limits(2, 500)).await, "queue_depth_max");
    // Another tenant has a line of its own, and may not wait at all.
    assert_limited(queue.take(&route, None, ask(2), &limits(0, 500)).await, "queue_depth_max");
    assert_limited(queue.take(&route, None, ask(2), &limits(2, 0)).await, "queue_wait_ms_max");
    let begun = Instant::now();
    for waiting in waiting {
        assert_limited(waiting.await.unwrap(), "queue_wait_ms_max");
    }
    assert!(begun.elapsed() <= MS * 500);
    drop(held);
    assert_empty(&queue);
}

#[tokio::test(start_paused = true)]
async fn a_turn_tells_how_long_it_was_waited_for() {
    let (queue, route) = (queue(100), seats(1));
    let held = queue.take(&route, None, ask(1), &Limits::default()).await.unwrap();
    let later = tokio::spawn({
        let (queue, route) = (queue.clone(), route.clone());
        async move { queue.take(&route, None, ask(1), &Limits::default()).await }
    });
    tokio::time::sleep(MS * 70).await;
    held.settle(Used { tokens: 20, output_tokens: 10, signal: None });
    let slot = later.await.unwrap().unwrap();
    assert!((60_000..80_000).contains(&slot.queued_us()), "{}", slot.queued_us());
    assert_eq!(slot.reason().as_deref(), Some("position 1: seats"));
    drop(slot);
    assert_empty(&queue);
}

#[tokio::test(start_paused = true)]
async fn the_timer_keeps_the_pace() {
    let queue = queue(1_000);
    let route = route(Pace { requests_per_second: NonZeroU32::new(50), ..Pace::default() }, "sim-small");
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let (queue, route) = (queue.clone(), route.clone());
            tokio::spawn(
                async move { queue.take(&route, None, ask(number % 5), &Limits::default()).await.map(|_| Instant::now()) },
            )
        })
        .collect();
    let mut released = Vec::new();
    for task in tasks {
        released.push(task.await.unwrap().unwrap());
    }
    released.sort_unstable();
    for pair in released.windows(2) {
        assert!((MS * 18..=MS * 22).contains(&(pair[1] - pair[0])), "{:?}", pair[1] - pair[0]);
    }
    assert_empty(&queue);
    tokio::time::sleep(MS * 100).await;
    assert!(queue.state.lock().lanes.values().all(|track| track.rings_at.is_none()), "the bell is silent");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_wants_nothing_for_long_is_not_waited_for() {
    let (queue, route) = (queue(10), seats(4));
    let slot = queue.take(&route, None, ask(1), &Limits::default()).await.unwrap();
    slot.hold(MS * 2_000);
    assert_limited(queue.take(&route, None, ask(1), &limits(10, 1_000)).await, "queue_wait_ms_max");
    let begun = Instant::now();
    drop(queue.take(&route, None, ask(1), &limits(10, 5_000)).await.unwrap());
    assert!((MS * 2_000..=MS * 2_010).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop(slot);
    assert_empty(&queue);
}

#[tokio::test(start_paused = true)]
async fn lanes_take_turns_for_the_nodes_seats() {
    let queue = queue(1);
    let (small, large) = (route(Pace::default(), "sim-small"), route(Pace::default(), "sim-large"));
    let held = queue.take(&small, None, ask(1), &Limits::default()).await.unwrap();
    let (said, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..10 {
        let (queue, said) = (queue.clone(), said.clone());
        let route = if number < 8 { small.clone() } else { large.clone() };
        tokio::spawn(async move {
            let slot = queue.take(&route, None, ask(1), &Limits::default()).await.unwrap();
            said.send(route.card.name.clone()).unwrap();
            tokio::time::sleep(MS).await;
            drop(slot);
        });
    }
    drop(said);
    tokio::time::sleep(MS).await;
    drop(held);
    let mut served = Vec::new();
    while let Some(model) = order.recv().await {
        served.push(model);
    }
    assert_eq!(served.len(), 10);
    assert_eq!(served[..4].iter().filter(|model| *model == "sim-large").count(), 2, "{served:?}");
    assert_empty(&queue);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_leaves_at_whatever_moment_leaves_nothing() {
    let (queue, route) = (queue(8), seats(3));
    let random = SeededRandom::new(7);
    let mut tasks = Vec::new();
    for number in 0..3_000u32 {
        let mut bytes = [0; 3];
        random.fill(&mut bytes);
        let (queue, route) = (queue.clone(), route.clone());
        let patience = Duration::from_micros(u64::from(bytes[0]) * 8);
        let holds = Duration::from_micros(u64::from(bytes[1]) * 2);
        tasks.push(tokio::spawn(async move {
            let taken = tokio::time::timeout(patience, queue.take(&route, None, ask(bytes[2] % 7), &limits(1_000, 400))).await;
            if let Ok(Ok(slot)) = taken {
                tokio::time::sleep(holds).await;
                if number % 2 == 0 {
                    slot.settle(Used { tokens: 50, output_tokens: 40, signal: None });
                }
            }
        }));
        if number % 16 == 0 {
            tokio::task::yield_now().await;
        }
        if number % 5 == 0 {
            tasks[usize::from(bytes[1]) % tasks.len()].abort();
        }
    }
    for task in tasks {
        let _ = task.await;
    }
    assert_empty(&queue);
}

#[tokio::test(start_paused = true)]
async fn accounts_have_lanes_of_their_own() {
    let (queue, route) = (queue(100), seats(1));
    let own = Some(CredentialId::from_bytes([1; 16]));
    let held = queue.take(&route, None, ask(1), &Limits::default()).await.unwrap();
    held.hold(Duration::from_secs(60));
    assert_limited(queue.take(&route, None, ask(2), &limits(2, 100)).await, "queue_wait_ms_max");
    // Neither the platform's one seat nor the pause that its account was asked for is of another account.
    let mut slots = Vec::new();
    for _ in 0..3 {
        slots.push(queue.take(&route, own, ask(2), &limits(0, 0)).await.unwrap());
    }
    let is_held = |account| queue.is_held(&LaneKey::of(&route.card, account));
    assert!(is_held(None) && !is_held(own) && !is_held(Some(CredentialId::from_bytes([2; 16]))));
    slots[0].hold(Duration::from_secs(60));
    assert!(is_held(own));
    drop((held, slots));
    assert_empty(&queue);
}
