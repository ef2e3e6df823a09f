//! Transactions whose futures are dropped at whatever moment: nobody after them notices.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::{Duration, Instant},
};

use insula_model::{Random, Result, SeededRandom, TenantId};
use tokio::task::JoinSet;

use super::scratch::Scratch;
use crate::postgres::{Access, Mode, PgPool, PoolOptions};

const TRANSACTIONS: usize = 20_000;
const CONNECTIONS: usize = 2;
const AT_ONCE: usize = 16;
/// A transaction that is polled this often has come to its end.
const POLLS_MAX: u32 = 14;
const TENANTS: [TenantId; 2] = [TenantId::from_bytes([0xaa; 16]), TenantId::from_bytes([0xbb; 16])];

fn pool(scratch: &Scratch) -> PgPool {
    PgPool::new(&PoolOptions {
        url: scratch.url(&scratch.app()),
        connections_max: CONNECTIONS,
        connect_max: Duration::from_secs(60),
        statement_max: Duration::from_secs(10),
    })
    .unwrap()
}

/// Polls a future so often at most; `None` where it was dropped before its end.
async fn dropped_after<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// One transaction: who it is, whose rows it sees and writes; begun, read, written and ended in several round trips.
async fn visit(pool: &PgPool, tenant: TenantId, key: u8, commits: bool) -> Result<()> {
    let tx = pool.begin(Access::Tenant(tenant), Mode::Batch).await?;
    let who = tx.rows("SELECT CAST(current_user AS TEXT), current_setting('app.current_tenant')", &[]).await?;
    assert_eq!(who[0].get::<_, &str>(0), "insula_tenant");
    let rows = tx.rows("SELECT uuid_send(tenant_id), model FROM requests", &[]).await?;
    assert!(!rows.is_empty());
    for row in &rows {
        assert_eq!(row.get::<_, &[u8]>(0), tenant.as_bytes(), "a row of another tenant");
        assert_eq!(row.get::<_, &str>(1), tenant.bare(), "written by another tenant");
    }
    let insert = "INSERT INTO requests (request, started_at, duration_us, operation, model, status, cost) \
        VALUES ($1, 0, 0, 'chat', $2, 200, 0) ON CONFLICT (tenant_id, request) DO UPDATE SET cost = requests.cost + 1";
    tx.run(insert, &[&[key; 16].as_slice(), &tenant.bare()]).await?;
    if key.is_multiple_of(16) {
        // In the middle of a transaction it may act for the platform, too.
        tx.act_as(Access::Control).await?;
        assert!(tx.rows("SELECT 1 FROM tenants", &[]).await?.is_empty());
    }
    if commits { tx.commit().await } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_dropped_at_every_stage_leave_nothing_behind() {
    let scratch = Scratch::migrated().await;
    let admin = scratch.administer().await;
    // What is lost in a power cut is of no interest here.
    admin.batch_execute(&format!("ALTER DATABASE {} SET synchronous_commit = off", scratch.name)).await.unwrap();
    let pool = pool(&scratch);
    for tenant in TENANTS {
        let tx = pool.begin(Access::Tenant(tenant), Mode::Batch).await.unwrap();
        tx.run("INSERT INTO homes DEFAULT VALUES", &[]).await.unwrap();
        let first = "INSERT INTO requests (request, started_at, duration_us, operation, model, status, cost) \
            VALUES ($1, 0, 0, 'chat', $2, 200, 0)";
        tx.run(first, &[&[0xff_u8; 16].as_slice(), &tenant.bare()]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let (finished, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let random = SeededRandom::new(7);
    let mut visits = JoinSet::new();
    for _ in 0..TRANSACTIONS {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let [tenant, key, polls, commits] = bytes;
        let tenant = TENANTS[usize::from(tenant % 2)];
        let (pool, finished, dropped) = (pool.clone(), finished.clone(), dropped.clone());
        if visits.len() >= AT_ONCE {
            visits.join_next().await.unwrap().unwrap();
        }
        visits.spawn(async move {
            let work = visit(&pool, tenant, key % 64, commits % 2 == 0);
            match dropped_after(u32::from(polls) % POLLS_MAX, work).await {
                // None has failed: none was begun on a connection where another's is still open, or broken.
                Some(done) => {
                    done.unwrap();
                    finished.fetch_add(1, SeqCst);
                }
                None => drop(dropped.fetch_add(1, SeqCst)),
            }
        });
    }
    while let Some(visited) = visits.join_next().await {
        visited.unwrap();
    }
    let (finished, dropped) = (finished.load(SeqCst), dropped.load(SeqCst));
    assert!(finished > TRANSACTIONS / 4 && dropped > TRANSACTIONS / 4, "{finished} finished, {dropped} dropped");
    let connections = all_idle(&admin, &scratch.app()).await;
    assert!((1..=CONNECTIONS).contains(&connections), "{connections} connections");
    assert_eq!(pool.status(), (connections, connections), "all at rest");
    for tenant in TENANTS {
        visit(&pool, tenant, 1, true).await.unwrap();
    }
    let sql = "SELECT count(DISTINCT model) FROM insula_tenant.requests GROUP BY tenant_id";
    let writers = admin.query(sql, &[]).await.unwrap();
    assert!(writers.len() == TENANTS.len() && writers.iter().all(|row| row.get::<_, i64>(0) == 1), "{writers:?}");
    scratch.remove().await;
}

/// Waits until no connection of the login is in a transaction; how many there are.
async fn all_idle(admin: &tokio_postgres::Client, login: &str) -> usize {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let sql = "SELECT state FROM pg_stat_activity WHERE usename = $1";
        let states = admin.query(sql, &[&login]).await.unwrap();
        let states: Vec<Option<String>> = states.iter().map(|row| row.get(0)).collect();
        if states.iter().all(|state| state.as_deref() == Some("idle")) {
            return states.len();
        }
        assert!(Instant::now() < deadline, "{states:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
