//! Clients that leave at random moments while each node has two connections to share: no connection comes back to the pool
//! with somebody else's work, tenant or error on it.

use std::time::{Duration, Instant};

use http::Method;
use insula_model::Money;
use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::http::Call;
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Cluster, ClusterSetup, Reply, TestTenant, eventually_within, within};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, number_becomes};

const NODES: usize = 2;
const CLIENTS_PER_TENANT: usize = 100;
const REQUESTS_PER_CLIENT: usize = 100;
const SEED: u64 = 20_000;
/// Of a hundred requests, so many are left before their answer.
const LEFT_PERCENT: u32 = 70;
/// A client that leaves does so within this, mostly early: some while they wait for a connection, some in the middle of its work.
const PATIENCE_MAX: Duration = Duration::from_millis(400);
/// `Idempotency-Key`s that both tenants use.
const KEYS: u32 = 40;
/// What a connection says that was given back in the middle of something.
const SIGNS: [&str; 3] = ["transaction is aborted", "in a transaction", "already a transaction in progress"];

/// What the clients saw.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    whole: usize,
    left: usize,
    /// By a limit, or because a twin was under way.
    refused: usize,
    unavailable: usize,
    foreign: usize,
    failed: usize,
}

/// A tenant at every node, and by what its and the other's answers are told apart.
#[derive(Clone)]
struct Side {
    everywhere: Vec<TestTenant>,
    canary: &'static str,
    /// Of the other tenant: what must never be seen.
    foreign: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Ask {
    Chat,
    Usage,
    List,
    Keyed(u32),
}

impl Ask {
    fn any(random: &mut SmallRng) -> Ask {
        match random.random_range(0..100) {
            0..25 => Ask::Chat,
            25..35 => Ask::Usage,
            35..55 => Ask::List,
            _ => Ask::Keyed(random.random_range(0..KEYS)),
        }
    }

    fn call(self, side: &Side, random: &mut SmallRng) -> Call {
        let tenant = &side.everywhere[random.random_range(0..NODES)];
        let said = |text: String| if text.len().is_multiple_of(2) { chat(&text) } else { streamed_chat(&text) };
        match self {
            Ask::Chat => {
                let body = said(format!("{}-{}", side.canary, random.random_range(0..100_000)));
                tenant.service.call(Method::POST, CHAT).json(&body)
            }
            Ask::Usage => tenant.admin.call(Method::GET, &tenant.path("/usage?group_by=key")),
            Ask::List => tenant.admin.call(Method::GET, &tenant.path("/requests?limit=5")),
            Ask::Keyed(key) => {
                let call = tenant.service.call(Method::POST, CHAT).header("idempotency-key", &format!("key-{key}"));
                call.json(&said(format!("{}-keyed-{key}", side.canary)))
            }
        }
    }

    /// What an answer of one's own holds.
    fn own(self, side: &Side) -> Option<&str> {
        match self {
            Ask::Chat | Ask::Keyed(_) => Some(side.canary),
            // Empty at first.
            Ask::Usage | Ask::List => None,
        }
    }
}

/// An answer's body; of a stream, what it says.
fn said(reply: &Reply) -> String {
    if !reply.header("content-type").starts_with("text/event-stream") {
        return reply.text();
    }
    let text = reply.text();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    events.filter_map(|chunk| Some(chunk.pointer("/choices/0/delta/content")?.as_str()?.to_owned())).collect()
}

async fn client(side: Side, number: usize) -> Tally {
    let mut random = SmallRng::seed_from_u64(SEED + number as u64);
    let mut tally = Tally::default();
    for _ in 0..REQUESTS_PER_CLIENT {
        let ask = Ask::any(&mut random);
        let asking = ask.call(&side, &mut random).try_send();
        let leaves = random.random_ratio(LEFT_PERCENT, 100);
        let patience = PATIENCE_MAX.mul_f64(random.random::<f64>().powi(3));
        let answer = match leaves {
            true => tokio::time::timeout(patience, asking).await.ok(),
            false => Some(asking.await),
        };
        let Some(answer) = answer else {
            tally.left += 1;
            continue;
        };
        let Ok(reply) = answer else {
            tally.failed += 1;
            continue;
        };
        let text = said(&reply);
        tally.foreign += usize::from(side.foreign.iter().any(|foreign| text.contains(foreign.as_str())));
        match reply.status {
            200 => {
                assert!(ask.own(&side).is_none_or(|own| text.contains(own)), "not the own answer: {text}");
                tally.whole += 1;
            }
            429 | 409 => tally.refused += 1,
            503 => tally.unavailable += 1,
            status => {
                println!("{status}: {text}");
                tally.failed += 1;
            }
        }
    }
    tally
}

async fn sides(cluster: &Cluster) -> [Side; 2] {
    let (one, two) = (cluster.tenant("one").await, cluster.tenant("two").await);
    for tenant in [&one, &two] {
        tenant.set_monthly_budget(Money::from_usd("1000").unwrap()).await;
        tenant.set_limits(json!({"requests_per_minute": 1_000_000, "concurrency": 2 * CLIENTS_PER_TENANT})).await;
    }
    let signs = |tenant: &TestTenant, canary: &str| {
        [canary, &tenant.id, &tenant.service_key, &tenant.admin_key].map(str::to_owned).to_vec()
    };
    let side = |own: &TestTenant, canary: &'static str, other: &TestTenant, foreign: &str| Side {
        everywhere: cluster.everywhere(own),
        canary,
        foreign: signs(other, foreign),
    };
    [side(&one, "CANARY-ONE", &two, "CANARY-TWO"), side(&two, "CANARY-TWO", &one, "CANARY-ONE")]
}

/// Every endpoint answers on every node, and the books are right.
async fn assert_healthy(cluster: &Cluster, sides: &[Side; 2]) {
    let limit = Duration::from_secs(10);
    for side in sides {
        for tenant in &side.everywhere {
            within(limit, "a chat", tenant.chat(side.canary)).await.expect(200);
            for path in ["/usage", "/requests", "/budgets", "/keys", "/limits"] {
                within(limit, path, tenant.admin.get(&tenant.path(path))).await.expect(200);
            }
        }
    }
    let idle = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    number_becomes(cluster, 0, limit, idle).await;
    let usage = |side: &Side| {
        let tenant = side.everywhere[0].clone();
        async move { tenant.usage().await["attempts"].as_u64().unwrap() }
    };
    eventually_within(limit, "every attempt is in the books", || async {
        (usage(&sides[0]).await + usage(&sides[1]).await == cluster.simulator().count()).then_some(())
    })
    .await;
    let operator = cluster.operator();
    let verified = operator.get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(verified["difference_usd"], "0.00", "{verified}");
    for side in sides {
        let tenant = &side.everywhere[0];
        tenant.settled().await;
        for row in list(tenant.admin.get(&tenant.path("/usage?group_by=key")).await) {
            let keys = [tenant.service_key.as_str(), tenant.admin_key.as_str()].map(Value::from);
            assert!(keys.contains(&row["group"]), "{row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_comes_back_with_somebody_elses_work_on_it() {
    // A hundred callers wait for two connections: on a busy machine for longer than a real one should.
    let storage = "postgres_connections_max = 2\npostgres_connect_ms_max = 15000";
    let more = vec![("storage", storage.to_owned())];
    let config = ServeConfig { more, ..ServeConfig::default() };
    let mut cluster = ClusterSetup::new(NODES).serve(config).own_postgres().start().await;
    cluster.scenario(Scenario { chunks: 4, output_tokens: 8, latency_ms: 2, gap_ms: 1, ..Scenario::default() });
    let sides = sides(&cluster).await;
    let begun = Instant::now();
    let clients: JoinSet<Tally> = (0..2 * CLIENTS_PER_TENANT).map(|number| client(sides[number % 2].clone(), number)).collect();
    let mut all = Tally::default();
    for one in clients.join_all().await {
        all.whole += one.whole;
        all.left += one.left;
        all.refused += one.refused;
        all.unavailable += one.unavailable;
        all.foreign += one.foreign;
        all.failed += one.failed;
    }
    let requests = 2 * CLIENTS_PER_TENANT * REQUESTS_PER_CLIENT;
    println!("{requests} requests of {} clients in {:?}: {all:?}", 2 * CLIENTS_PER_TENANT, begun.elapsed());
    assert_eq!((all.foreign, all.failed), (0, 0), "{all:?}");
    assert!(all.left > requests / 4 && all.whole > requests / 5, "{all:?}");
    assert!(all.unavailable < requests / 100, "{all:?}");
    assert_healthy(&cluster, &sides).await;
    println!("healthy after {:?}", begun.elapsed());
    let mut logs: Vec<String> = cluster.nodes.iter().map(|node| node.said()).collect();
    logs.push(cluster.postgres().log());
    for log in logs {
        let found: Vec<&str> = log.lines().filter(|line| SIGNS.iter().any(|sign| line.contains(sign))).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
