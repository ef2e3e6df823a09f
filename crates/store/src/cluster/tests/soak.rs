//! Everything at once: nodes that work while connections break, backends are killed, nodes are declared dead under their
//! attempts or killed, and several sweepers clear up, some of them killed too. In the end every amount must be right.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use insula_model::{Money, Random, SeededRandom, Subject};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{
    proxy::Proxy,
    world::{Node, RESERVED, World, attempt, begin, clock, end, mark, moved, tenant, trace},
};
use crate::{
    End,
    cluster::{Unit, WindowKey, register::Register, sweeper},
    records::Begin,
    store::Admission,
};

/// What a node leases when it enters.
const LEASE: i64 = 1_000_000_000_000;

/// How an attempt was ended: with this cost, or not sent at all.
type Fates = Mutex<HashMap<u64, Option<i64>>>;

/// What the workers of one node share.
struct Crew {
    register: Register,
    window: WindowKey,
    stop: AtomicBool,
    fates: Fates,
    /// What of its lease moved.
    moved: AtomicU64,
}

static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

impl Crew {
    fn start(node: &Node, window: WindowKey) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let crew = Self {
            register: node.register.clone(),
            window,
            stop: AtomicBool::new(false),
            fates: Mutex::default(),
            moved: AtomicU64::new(0),
        };
        let crew = Arc::new(crew);
        let workers = (0..12).map(|n| tokio::spawn(crew.clone().work(u64::from(node.n) * 100 + n))).collect();
        (crew, workers)
    }

    async fn work(self: Arc<Self>, seed: u64) {
        let random = SeededRandom::new(seed);
        let below = |max: u64| {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            u64::from_le_bytes(bytes) % max
        };
        while !self.stop.load(SeqCst) {
            let n = ATTEMPTS.fetch_add(1, SeqCst);
            let mark = (below(4) == 0).then(|| mark(below(6)));
            let marked = Begin { idempotency: mark, ..begin(n) };
            let Ok(seq) = self.register.begin(&marked) else { continue };
            let patience = Duration::from_micros(if below(10) == 0 { 500 } else { 60_000_000 });
            let admitted = tokio::time::timeout(patience, self.register.admitted(seq)).await;
            let is_sent = matches!(admitted, Ok(Ok(Admission::Admitted))) && below(5) > 0;
            if is_sent {
                tokio::time::sleep(Duration::from_micros(below(8_000))).await;
            }
            let cost = i64::try_from(below(1_500)).unwrap();
            self.fates.lock().insert(n, is_sent.then_some(cost));
            self.moved.fetch_add(RESERVED.unsigned_abs(), SeqCst);
            if is_sent {
                let consumed = cost.min(RESERVED);
                let end = End { cost: Money::from_pico(cost.into()), ..end(n) };
                let trace = trace(n, mark);
                self.register.end(&end, Some(&trace), &[moved(self.window, consumed, RESERVED - consumed)]);
            } else {
                self.register.release(attempt(n), &[moved(self.window, 0, RESERVED)]);
            }
        }
    }

    async fn stop(&self, workers: Vec<JoinHandle<()>>) {
        self.stop.store(true, SeqCst);
        for worker in workers {
            worker.await.unwrap();
        }
    }
}

/// Sweeps again and again until the handle is dropped.
fn keep_sweeping(world: &World, id: u8) -> JoinHandle<()> {
    let pool = world.pool.clone();
    tokio::spawn(async move {
        loop {
            let _ = sweeper::sweep(&pool, [id; 16], &*clock()).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
}

/// The node learns that it was declared dead and joins again, as soon as the others let it.
async fn enter_again(world: &World, node: &Node, window: &WindowKey) {
    let epoch = i64::try_from(node.standing.epoch.load(SeqCst)).unwrap() + 2;
    while !node.enter(world, epoch).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.lease(node.n, window, LEASE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_amount_is_right_in_the_end() {
    let mut world = World::new().await;
    let proxy = Proxy::new(world.address()).await;
    let window = world.window(Subject::Platform, Unit::Usd, i64::MAX / 2).await;
    world.window(Subject::Tenant(tenant(1)), Unit::Tokens, 1_000_000_000).await;
    let (mut nodes, mut crews) = (Vec::new(), Vec::new());
    for n in 1..=3 {
        let node = Node::new(&world, world.pool_through(proxy.port), n).await;
        world.lease(n, &window, LEASE).await;
        crews.push(Crew::start(&node, window));
        nodes.push(node);
    }
    let mut sweepers = [keep_sweeping(&world, 90), keep_sweeping(&world, 91)];

    let seconds: u64 = std::env::var("INSULA_TEST_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let (until, mut round) = (Instant::now() + Duration::from_secs(seconds), 0u64);
    while Instant::now() < until {
        round += 1;
        proxy.breaks.store([0, 2_000, 20_000, 200_000][(round % 4) as usize], SeqCst);
        tokio::time::sleep(Duration::from_millis(60 + round * 37 % 90)).await;
        world.terminate("random() < 0.3").await;
        let which = usize::from(round.is_multiple_of(10));
        if round.is_multiple_of(5) {
            // The second and the third in turn; the first never.
            let node = &nodes[1 + which];
            world.silence(node.n).await;
            tokio::time::sleep(Duration::from_millis(round % 40)).await;
            enter_again(&world, node, &window).await;
        }
        sweepers[which].abort();
        sweepers[which] = keep_sweeping(&world, 92);
    }
    // The third is killed under its work; the others end theirs.
    let (killed, workers) = crews.pop().unwrap();
    for worker in workers {
        worker.abort();
        let _ = worker.await;
    }
    drop((killed, nodes.pop()));
    for (crew, workers) in &mut crews {
        crew.stop(std::mem::take(workers)).await;
    }
    proxy.breaks.store(0, SeqCst);
    for node in &nodes {
        let mut flushed = node.register.flush().await;
        while flushed.is_err() {
            flushed = node.register.flush().await;
        }
    }
    world.reconnect().await;
    world.silence(3).await;
    while world.one("SELECT COUNT(*) FROM nodes").await > 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    check_fates(&world, &crews[0].0, &crews[1].0).await;
    let lease: i64 = world.one("SELECT amount FROM budget_leases WHERE node = '\\x01010101010101010101010101010101'").await;
    assert_eq!(
        LEASE - lease,
        i64::try_from(crews[0].0.moved.load(SeqCst)).unwrap(),
        "the first node's lease moved once for each"
    );
    sweepers.iter().for_each(JoinHandle::abort);
    world.remove().await;
}

async fn check_fates(world: &World, first: &Crew, second: &Crew) {
    let rows =
        "SELECT attempt, COUNT(*), COUNT(*) FILTER (WHERE correction = 0), SUM(cost)::bigint FROM ledger GROUP BY attempt";
    let rows = world.admin.query(rows, &[]).await.unwrap();
    let rows: HashMap<Vec<u8>, (i64, i64, i64)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    let (mut ended, mut released, mut corrected) = (0, 0, 0);
    for (n, fate) in first.fates.lock().iter().chain(second.fates.lock().iter()) {
        let row = rows.get(attempt(*n).as_bytes().as_slice());
        match (fate, row) {
            (Some(cost), Some((count, 1, sum))) if cost == sum => {
                ended += 1;
                corrected += usize::from(*count == 2);
            }
            (None, None | Some((2, 1, 0))) => released += 1,
            (fate, row) => panic!("attempt {n} ended as {fate:?}, the ledger has {row:?}"),
        }
    }
    println!("{ended} ended, {corrected} of them corrected, {released} released");
    assert!(ended > 100 && released > 100);
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger WHERE correction NOT IN (0, 1)").await, 0);
    world.check().await;
}
