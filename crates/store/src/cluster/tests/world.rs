//! A database of its own for each test, and nodes that work on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use insula_model::{
    AttemptId, AttemptOutcome, Cause, Error, ErrorKind, KeyId, ManualClock, Money, Operation, RequestId, Result, Subject,
    TenantId, Timestamp, TokenCounts, Window,
};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::{
    cluster::subject_bytes,
    cluster::{
        LeaseMove, Unit, WindowKey,
        register::{Register, Standing},
        sweeper,
    },
    postgres::{PgPool, PoolOptions, PostgresUrl, Schema},
    records::{Begin, End, IdempotencyEntry, IdempotencyMark, TraceRecord},
};

/// Everything in the tests happens in this hour.
pub(super) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// What one attempt reserves, and what it costs when it ends.
pub(super) const RESERVED: i64 = 1_000;
pub(super) const COST: i64 = 50;

pub(super) struct World {
    server: Config,
    name: String,
    /// As a superuser.
    pub(super) admin: Client,
    pub(super) pool: PgPool,
}

impl World {
    pub(super) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("INSULA_TEST_POSTGRES_URL").expect(
            "this test needs PostgreSQL: run it with `cargo xtask test`, or set INSULA_TEST_POSTGRES_URL to the URL of a \
             superuser of a server that holds nothing else",
        );
        let server: Config = url.parse().expect("INSULA_TEST_POSTGRES_URL is no PostgreSQL URL");
        let name = format!("insula_register_{}_{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let first = open(&server).await;
        // Roles belong to the whole server: another test may make them at the same moment.
        for role in [
            "insula_control NOLOGIN",
            "insula_tenant NOLOGIN",
            "insula_keys NOLOGIN",
            "insula_register_app LOGIN PASSWORD 'register'",
        ] {
            let _ = first.batch_execute(&format!("CREATE ROLE {role} NOINHERIT")).await;
        }
        let _ = first.batch_execute("GRANT insula_control, insula_tenant, insula_keys TO insula_register_app").await;
        first.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let admin = open(server.clone().dbname(&name)).await;
        for (_, step) in Schema::ALL.iter().flat_map(|schema| schema.steps()) {
            admin.batch_execute(step).await.unwrap();
        }
        admin.batch_execute("SET search_path = insula_control, insula_tenant, insula_keys").await.unwrap();
        let mut world =
            Self { server, name, admin, pool: pool(&PostgresUrl::parse("postgres://a@127.0.0.1/b", None).unwrap()) };
        world.pool = pool(&world.url(None));
        for n in 0..3 {
            let home = "INSERT INTO homes (tenant_id) VALUES (encode($1::bytea, 'hex')::uuid)";
            world.admin.execute(home, &[&tenant(n).as_bytes().as_slice()]).await.unwrap();
        }
        world
    }

    /// How the server's login reaches the database, or how it does through something on another port.
    fn url(&self, port: Option<u16>) -> PostgresUrl {
        let (host, own) = self.address();
        let (host, port) = port.map_or((host, own), |port| ("127.0.0.1".to_owned(), port));
        let text = format!(
            "host='{host}' port={port} dbname={} user=insula_register_app password=register sslmode=disable",
            self.name
        );
        PostgresUrl::parse(&text, None).unwrap()
    }

    pub(super) fn address(&self) -> (String, u16) {
        let host = match self.server.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "127.0.0.1".to_owned(),
        };
        (host, self.server.get_ports().first().copied().unwrap_or(5432))
    }

    pub(super) fn pool_through(&self, port: u16) -> PgPool {
        pool(&self.url(Some(port)))
    }

    /// Connections on which a statement may take only so long.
    pub(super) fn impatient_pool(&self, statement_max: Duration) -> PgPool {
        let connect_max = Duration::from_secs(5);
        PgPool::new(&PoolOptions { url: self.url(None), connections_max: 8, connect_max, statement_max }).unwrap()
    }

    /// Another connection of the superuser's.
    pub(super) async fn another(&self) -> Client {
        let client = open(self.server.clone().dbname(&self.name)).await;
        client.batch_execute("SET search_path = insula_control, insula_tenant, insula_keys").await.unwrap();
        client
    }

    /// Another one in place of the superuser's connection, which may have been lost.
    pub(super) async fn reconnect(&mut self) {
        self.admin = self.another().await;
    }

    /// Breaks some of the server's connections, where it is told how.
    pub(super) async fn terminate(&self, which: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND usename = 'insula_register_app' AND {which}"
        );
        self.admin.batch_execute(&sql).await.unwrap();
    }

    /// A node on the list.
    pub(super) async fn node(&self, n: u8) -> Node {
        Node::new(self, self.pool.clone(), n).await
    }

    pub(super) async fn one(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Makes every node but these look dead.
    pub(super) async fn silence(&self, n: u8) {
        let sql = "UPDATE nodes SET beat_at = to_timestamp(0) WHERE id = $1";
        self.admin.execute(sql, &[&[n; 16].as_slice()]).await.unwrap();
    }

    /// What a living node's sweeper does.
    pub(super) async fn sweep(&self) {
        sweeper::sweep(&self.pool, [99; 16], &*clock()).await.unwrap();
    }

    /// A hard budget's window of a subject in the month of [`NOW`].
    pub(super) async fn window(&self, subject: Subject, unit: Unit, cap: i64) -> WindowKey {
        let key = WindowKey { subject, window: Window::Month, unit, starts_at: Window::Month.span(NOW).start };
        let sql = "INSERT INTO budget_windows VALUES ($1, 'month', $2, $3, $4, 0, 0, 0)";
        let subject = subject_bytes(&subject);
        self.admin.execute(sql, &[&subject, &unit.name(), &key.starts_at.micros(), &cap]).await.unwrap();
        key
    }

    /// Leases some of a window to a node.
    pub(super) async fn lease(&self, n: u8, key: &WindowKey, amount: i64) {
        let own = "INSERT INTO budget_leases VALUES ($1, $2, 'month', $3, $4, $5) \
                   ON CONFLICT (node, subject, span, unit, starts_at) DO UPDATE SET amount = budget_leases.amount + excluded.amount";
        let all = "UPDATE budget_windows SET leased = leased + $3 WHERE subject = $1 AND unit = $2";
        let (subject, unit) = (subject_bytes(&key.subject), key.unit.name());
        let (node, starts_at) = ([n; 16], key.starts_at.micros());
        self.admin.execute(own, &[&node.as_slice(), &subject, &unit, &starts_at, &amount]).await.unwrap();
        self.admin.execute(all, &[&subject, &unit, &amount]).await.unwrap();
    }

    /// `settled`, `leased` and `overdrawn` of a window.
    pub(super) async fn state(&self, key: &WindowKey) -> (i64, i64, i64) {
        let sql = "SELECT settled, leased, overdrawn FROM budget_windows WHERE subject = $1 AND unit = $2";
        let row = self.admin.query_one(sql, &[&subject_bytes(&key.subject), &key.unit.name()]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    /// An attempt's rows: correction, outcome, cost, estimated.
    pub(super) async fn rows(&self, n: u64) -> Vec<(i64, String, i64, i64)> {
        let sql = "SELECT correction, outcome, cost, estimated FROM ledger WHERE attempt = $1 ORDER BY correction";
        let rows = self.admin.query(sql, &[&attempt(n).as_bytes().as_slice()]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }

    /// Holds what must hold whatever happened: accounts and windows follow from the ledger, leases add up.
    pub(super) async fn check(&self) {
        let wrong_hours = "WITH rows AS (SELECT tenant, key_id, reserved_at / 3600000000 * 3600000000 AS hour, cost, input_tokens \
            + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens + output_tokens + reasoning_tokens AS tokens FROM ledger), \
            sides AS (SELECT '\\x00'::bytea AS subject, hour, cost, tokens FROM rows \
            UNION ALL SELECT '\\x01'::bytea || tenant, hour, cost, tokens FROM rows \
            UNION ALL SELECT '\\x02'::bytea || tenant || key_id, hour, cost, tokens FROM rows WHERE key_id IS NOT NULL \
            UNION ALL SELECT subject, hour, -money, -tokens FROM spend_hour) \
            SELECT COUNT(*) FROM (SELECT 1 FROM sides GROUP BY subject, hour HAVING SUM(cost) <> 0 OR SUM(tokens) <> 0) AS wrong";
        assert_eq!(self.one(wrong_hours).await, 0, "accounts follow from the ledger");
        let wrong_windows = "SELECT COUNT(*) FROM budget_windows w WHERE settled <> COALESCE((SELECT SUM(CASE w.unit WHEN 'usd' \
            THEN money ELSE tokens END) FROM spend_hour h WHERE h.subject = w.subject AND h.hour >= w.starts_at), 0)";
        assert_eq!(self.one(wrong_windows).await, 0, "windows follow from the accounts");
        let wrong_leases = "SELECT COUNT(*) FROM budget_windows w WHERE leased <> COALESCE((SELECT SUM(amount) FROM budget_leases l \
            WHERE (l.subject, l.span, l.unit, l.starts_at) = (w.subject, w.span, w.unit, w.starts_at)), 0)";
        assert_eq!(self.one(wrong_leases).await, 0, "leases add up");
    }

    pub(super) async fn remove(self) {
        self.pool.close();
        let (server, name) = (open(&self.server).await, self.name);
        drop(self.admin);
        server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

/// A node whose standing the test decides.
pub(super) struct Node {
    pub(super) n: u8,
    pub(super) standing: Arc<TestStanding>,
    pub(super) register: Register,
}

pub(super) struct TestStanding {
    node: [u8; 16],
    pub(super) epoch: AtomicU64,
    pub(super) stands: AtomicBool,
}

impl Standing for TestStanding {
    fn node(&self) -> [u8; 16] {
        self.node
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    fn may_spend(&self) -> Result<()> {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(1) };
        if self.stands.load(SeqCst) { Ok(()) } else { Err(Error::new(kind, "no standing")) }
    }
}

impl Node {
    pub(super) async fn new(world: &World, pool: PgPool, n: u8) -> Self {
        let standing = TestStanding { node: [n; 16], epoch: AtomicU64::new(1), stands: AtomicBool::new(true) };
        let standing = Arc::new(standing);
        let this = Self { n, register: Register::start(pool, standing.clone()), standing };
        this.enter(world, 1).await;
        this
    }

    /// Puts the node on the list; false while it is there.
    pub(super) async fn enter(&self, world: &World, epoch: i64) -> bool {
        let sql = "INSERT INTO nodes VALUES ($1, $2, now() + interval '1 hour', 0, 0, 0) ON CONFLICT DO NOTHING";
        let entered = world.admin.execute(sql, &[&[self.n; 16].as_slice(), &epoch]).await.unwrap() == 1;
        if entered {
            self.standing.epoch.store(epoch.unsigned_abs(), SeqCst);
        }
        entered
    }

    /// Begins an attempt, which must be admitted.
    pub(super) async fn begun(&self, n: u64) {
        let seq = self.register.begin(&begin(n)).unwrap();
        assert_eq!(self.register.admitted(seq).await.unwrap(), crate::store::Admission::Admitted);
    }

    /// Ends an attempt and waits until that is written.
    pub(super) async fn ended(&self, n: u64, moves: &[LeaseMove]) {
        let seq = self.register.end(&end(n), None, moves);
        self.register.synced(seq).await;
    }
}

pub(super) fn moved(key: WindowKey, consumed: i64, returned: i64) -> LeaseMove {
    LeaseMove { key, consumed, returned }
}

pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW.plus(Duration::from_secs(60))))
}

fn id(kind: u8, n: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes
}

pub(super) fn attempt(n: u64) -> AttemptId {
    AttemptId::from_bytes(id(1, n))
}

/// Of tenants 0 to 2 there are homes.
pub(in crate::cluster) fn tenant(n: u64) -> TenantId {
    TenantId::from_bytes(id(2, n))
}

pub(super) fn request(n: u64) -> RequestId {
    RequestId::from_bytes(id(3, n))
}

pub(super) fn mark(n: u64) -> IdempotencyMark {
    let mut key_hash = [0; 32];
    key_hash[..8].copy_from_slice(&n.to_be_bytes());
    IdempotencyMark { key_hash, body_hash: [7; 32] }
}

/// Attempt `n` of tenant `n % 3`, without an `Idempotency-Key`.
pub(super) fn begin(n: u64) -> Begin {
    Begin {
        attempt: attempt(n),
        request: request(n),
        tenant: tenant(n % 3),
        key: n.is_multiple_of(2).then(|| KeyId::from_bytes(id(4, n % 5))),
        reserved_at: NOW,
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "simulator".to_owned(),
        model: "sim-small".to_owned(),
        price_row: "simulator/sim-small@2026-01-01".to_owned(),
        reserved: Money::from_pico(RESERVED.into()),
        input_tokens_max: 100,
        output_tokens_max: 200,
        idempotency: None,
        attribution: Default::default(),
    }
}

pub(super) fn end(n: u64) -> End {
    End {
        attempt: attempt(n),
        settled_at: NOW.plus(Duration::from_secs(1)),
        outcome: AttemptOutcome::Completed,
        tokens: TokenCounts { input: 10, output: 20, ..TokenCounts::default() },
        cost: Money::from_pico(COST.into()),
        estimated: false,
        isolation: Default::default(),
    }
}

/// The trace of attempt `n`'s request, with an answer to keep where it has a mark.
pub(in crate::cluster) fn trace(n: u64, mark: Option<IdempotencyMark>) -> TraceRecord {
    TraceRecord {
        request: request(n),
        tenant: tenant(n % 3),
        key: None,
        started_at: NOW,
        duration_us: 1_000,
        operation: Operation::Chat,
        model: "sim-small".to_owned(),
        status: 200,
        cost: Money::from_pico(COST.into()),
        sealed_detail: vec![n as u8; 40],
        idempotency: mark.map(|mark| IdempotencyEntry {
            mark,
            expires_at: NOW.plus(Duration::from_secs(3_600)),
            sealed_transcript: Some(vec![1; 20]),
        }),
    }
}

fn pool(url: &PostgresUrl) -> PgPool {
    let max = Duration::from_secs(5);
    PgPool::new(&PoolOptions { url: url.clone(), connections_max: 8, connect_max: max, statement_max: max }).unwrap()
}

async fn open(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the PostgreSQL of INSULA_TEST_POSTGRES_URL does not answer");
    tokio::spawn(connection);
    client
}
