//! Against a real server, which `INSULA_TEST_REDIS_URL` names. Each world has a secret of its own, so that tests share the server
//! without meeting.

mod away;
mod cancelled;
mod closed;
mod nodes;
mod proxy;
mod push;

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use insula_model::{Clock, KeyId, ManualClock, OsRandom, Random, Subject, TenantId, Timestamp};
use redis::aio::MultiplexedConnection;

use super::{Names, Redis, RedisOptions, Scripts};
use crate::coordination::{Charge, Coordination, RateKind};

/// Where the clock of tests starts.
const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(super) const ACME: TenantId = TenantId::from_bytes([0xaa; 16]);
pub(super) const BETA: TenantId = TenantId::from_bytes([0xbb; 16]);

/// The server for tests.
pub(super) fn url() -> String {
    std::env::var("INSULA_TEST_REDIS_URL").unwrap_or_else(|_| {
        panic!(
            "this test needs a Redis server: set INSULA_TEST_REDIS_URL (redis://127.0.0.1:6379), or run `cargo xtask test`, which starts one"
        )
    })
}

pub(super) fn key_of(tenant: TenantId) -> Subject {
    Subject::Key(tenant, KeyId::from_bytes([7; 16]))
}

pub(super) fn requests(subject: Subject, per_minute: u32) -> Charge {
    Charge { subject, kind: RateKind::Requests, per_minute, amount: 1 }
}

/// A secret and a clock that nodes of a test share, and a way to look at the server.
pub(in crate::coordination) struct World {
    pub(super) secret: [u8; 32],
    pub(super) names: Names,
    pub(super) server: MultiplexedConnection,
    pub(super) nodes: Arc<AtomicU32>,
    clock: Arc<ManualClock>,
    clock_key: String,
}

impl World {
    pub(in crate::coordination) async fn new() -> Self {
        let mut secret = [0; 32];
        OsRandom.fill(&mut secret);
        let names = Names::new(&secret);
        let client = redis::Client::open(url()).unwrap();
        let server = client.get_multiplexed_async_connection().await;
        let server = server.expect("INSULA_TEST_REDIS_URL names a server that can be reached");
        let clock_key = format!("{}:clock", names.probe());
        let clock = Arc::new(ManualClock::at(START));
        let mut world = Self { secret, names, server, nodes: Arc::new(AtomicU32::new(1)), clock, clock_key };
        world.advance(Duration::ZERO).await;
        world
    }

    /// Moves the clock of all nodes and of the scripts on.
    pub(in crate::coordination) async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        let (seconds, micros) = (self.clock.now().seconds(), self.clock.now().micros() % 1_000_000);
        let mut set = redis::pipe();
        set.cmd("HSET").arg(&self.clock_key).arg("s").arg(seconds).arg("u").arg(micros).ignore();
        set.cmd("EXPIRE").arg(&self.clock_key).arg(600).ignore();
        set.exec_async(&mut self.server).await.unwrap();
    }

    /// A node by the test's clock.
    pub(in crate::coordination) async fn node(&self) -> Coordination {
        Coordination::Redis(Box::new(self.node_at(url()).await))
    }

    pub(super) async fn node_at(&self, url: String) -> Redis {
        let scripts = Scripts::timed_by(&format!("local now = redis.call('HMGET', '{}', 's', 'u')\n", self.clock_key));
        let options = RedisOptions::new(url, self.secret);
        Redis::start(options, self.clock.clone(), self.live_nodes(), scripts).await.unwrap()
    }

    /// A node as it runs in production, by the server's clock.
    pub(super) async fn timed_node_at(&self, url: String) -> Redis {
        let clock = Arc::new(insula_model::SystemClock::default());
        Redis::open(RedisOptions::new(url, self.secret), clock, self.live_nodes()).await.unwrap()
    }

    fn live_nodes(&self) -> super::Nodes {
        let nodes = self.nodes.clone();
        Arc::new(move || nodes.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// Waits for something that happens in the background.
pub(super) async fn soon(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let started = tokio::time::Instant::now();
    while !happened().await {
        assert!(started.elapsed() < Duration::from_secs(8), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
