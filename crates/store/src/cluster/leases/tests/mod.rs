//! Leases on a real server: nodes that negotiate at once, windows that are made while attempts settle.

mod attempts;

use std::{sync::Arc, time::Duration};

use insula_model::{Budget, BudgetId, BudgetMode, Cap, Clock, Random, SeededRandom, SystemClock, TenantId, Window};
use tokio_postgres::Client;

use super::*;
use crate::{
    Control,
    cluster::subject_bytes,
    cluster::{Cluster, Unit},
    postgres::{PgPool, PoolOptions, tests::scratch::Scratch},
};

const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    scratch: Scratch,
    admin: Client,
    clock: Arc<SystemClock>,
}

struct Node {
    cluster: Cluster,
    pool: PgPool,
}

impl World {
    async fn new() -> Self {
        let scratch = Scratch::migrated().await;
        let admin = scratch.administer().await;
        admin.batch_execute("SET search_path TO insula_control").await.unwrap();
        Self { scratch, admin, clock: Arc::new(SystemClock::default()) }
    }

    async fn node(&self, seed: u64) -> Node {
        let url = self.scratch.url(&self.scratch.app());
        let options = PoolOptions { url: url.clone(), connections_max: 8, connect_max: PATIENCE, statement_max: PATIENCE };
        let pool = PgPool::new(&options).unwrap();
        let random = SeededRandom::new(seed);
        let cluster = Cluster::join(pool.clone(), url, PATIENCE, self.clock.clone(), &random).await.unwrap();
        Node { cluster, pool }
    }

    /// A window of a tenant that runs now.
    fn window(&self, tenant: u8, window: Window, unit: Unit) -> WindowKey {
        let subject = Subject::Tenant(TenantId::from_bytes([tenant; 16]));
        WindowKey { subject, window, unit, starts_at: window.span(self.clock.now()).start }
    }

    async fn state(&self, window: &WindowKey) -> Option<(i64, i64, i64, i64)> {
        let sql = "SELECT cap, settled, leased, overdrawn FROM budget_windows \
                   WHERE (subject, span, unit, starts_at) = ($1, $2, $3, $4)";
        let subject = subject_bytes(&window.subject);
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&subject, &window.window.name(), &window.unit.name(), &window.starts_at.micros()];
        let row = self.admin.query_opt(sql, &key).await.unwrap()?;
        Some((row.get(0), row.get(1), row.get(2), row.get(3)))
    }

    async fn one(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What must always hold, beside what the tables themselves check.
    async fn check(&self) {
        let sql = "SELECT COUNT(*) FROM budget_windows w WHERE w.leased <> (SELECT COALESCE(SUM(l.amount), 0) FROM budget_leases l \
                   WHERE (l.subject, l.span, l.unit, l.starts_at) = (w.subject, w.span, w.unit, w.starts_at))";
        assert_eq!(self.one(sql).await, 0, "a window's leases are not the nodes'");
    }

    async fn remove(self) {
        drop(self.admin);
        self.scratch.remove().await;
    }
}

impl Node {
    fn leases(&self) -> &Leases {
        self.cluster.leases()
    }

    async fn lease(&self, window: &WindowKey, more: i64) -> Result<()> {
        self.leases().negotiate(self.cluster.epoch(), &[*window], |_| vec![more]).await
    }

    async fn seen(&self, window: &WindowKey) -> Option<WindowState> {
        let mut seen = None;
        let decide = |states: &[Option<WindowState>]| {
            seen = states[0];
            vec![0]
        };
        self.leases().negotiate(self.cluster.epoch(), &[*window], decide).await.unwrap();
        seen
    }

    async fn set(&self, window: &WindowKey, cap: Cap, mode: BudgetMode) {
        let mut id = subject_bytes(&window.subject);
        id.resize(16, 0);
        let id = BudgetId::from_bytes(id.try_into().unwrap());
        let budget = Budget {
            id,
            subject: window.subject,
            window: window.window,
            cap,
            mode,
            alert_at: vec![],
            origin: Default::default(),
        };
        let control = Control::over(self.pool.db(Access::Control));
        control.replace_budgets(&window.subject, &[budget]).await.unwrap();
    }
}

fn tokens(cap: u64) -> Cap {
    Cap::Tokens(cap)
}

#[tokio::test]
async fn a_window_is_made_of_its_budget_and_of_what_was_spent() {
    let world = World::new().await;
    let node = world.node(1).await;
    let window = world.window(1, Window::Day, Unit::Tokens);
    assert_eq!(node.seen(&window).await, None, "without a budget there is nothing to lease");
    let spend = "INSERT INTO spend_hour (subject, hour, money, tokens) VALUES ($1, $2, 5, 30), ($1, $3, 7, 1000)";
    let (hour, before) = (Window::Hour.span(world.clock.now()).start.micros(), window.starts_at.micros() - 3_600_000_000);
    world.admin.execute(spend, &[&subject_bytes(&window.subject), &hour, &before]).await.unwrap();

    node.set(&window, tokens(100), BudgetMode::Hard).await;
    assert_eq!(world.state(&window).await, None, "setting a budget makes no window");
    assert_eq!(node.seen(&window).await, Some(WindowState { cap: 100, settled: 30, leased: 0 }));
    node.lease(&window, 70).await.unwrap();
    assert_eq!(world.state(&window).await, Some((100, 30, 70, 0)));
    node.lease(&window, 1).await.unwrap_err();
    world.check().await;

    // Lowered: what is leased above it is overdrawn until it is given back.
    node.set(&window, tokens(60), BudgetMode::Hard).await;
    assert_eq!(world.state(&window).await, Some((60, 30, 70, 40)));
    node.leases().give_back(1, &[(window, 50)]).await.unwrap();
    assert_eq!(world.state(&window).await, Some((60, 30, 20, 0)));
    // Soft: nobody leases of it any more, and what is leased can be given back.
    node.set(&window, tokens(60), BudgetMode::Soft).await;
    assert_eq!(node.seen(&window).await, None);
    node.leases().give_back(1, &[(window, 20)]).await.unwrap();
    assert_eq!(world.state(&window).await, Some((60, 30, 0, 0)));
    // Hard again, lower than what is spent.
    node.set(&window, tokens(20), BudgetMode::Hard).await;
    assert_eq!(node.seen(&window).await, Some(WindowState { cap: 20, settled: 30, leased: 0 }));
    assert_eq!(world.state(&window).await, Some((20, 30, 0, 10)));
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn windows_that_are_over_are_forgotten_with_the_next() {
    let world = World::new().await;
    let node = world.node(1).await;
    let now = world.window(1, Window::Hour, Unit::Tokens);
    let hours_ago = |hours: i64| {
        let starts_at = Timestamp::from_micros(now.starts_at.micros() - hours * 3_600_000_000);
        WindowKey { starts_at, ..now }
    };
    node.set(&now, tokens(100), BudgetMode::Hard).await;
    node.lease(&hours_ago(3), 10).await.unwrap();
    node.lease(&hours_ago(2), 10).await.unwrap();
    node.leases().give_back(1, &[(hours_ago(3), 10)]).await.unwrap();
    node.lease(&now, 10).await.unwrap();
    assert_eq!(world.state(&hours_ago(3)).await, None);
    assert_eq!(world.state(&hours_ago(2)).await, Some((100, 0, 10, 0)), "somebody still leases of it");
    assert_eq!(world.one("SELECT COUNT(*) FROM budget_leases").await, 2);
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn a_node_that_was_given_up_leases_nothing() {
    let world = World::new().await;
    let node = world.node(1).await;
    let window = world.window(1, Window::Day, Unit::Tokens);
    node.set(&window, tokens(100), BudgetMode::Hard).await;
    node.lease(&window, 40).await.unwrap();
    let unavailable = |error: Error| matches!(error.kind(), ErrorKind::Unavailable { .. });
    assert!(unavailable(node.leases().negotiate(2, &[window], |_| vec![1]).await.unwrap_err()));
    assert!(unavailable(node.leases().give_back(2, &[(window, 1)]).await.unwrap_err()));
    assert_eq!(world.state(&window).await, Some((100, 0, 40, 0)));
    world.remove().await;
}

#[tokio::test]
async fn a_commit_without_an_answer_leaks_nothing_and_returns_nothing_twice() {
    let world = World::new().await;
    let node = world.node(1).await;
    let window = world.window(1, Window::Day, Unit::Tokens);
    node.set(&window, tokens(100), BudgetMode::Hard).await;
    node.lease(&window, 50).await.unwrap();
    let owed = &node.leases().0.owed;
    let transaction = |commits: bool| {
        let pool = node.pool.clone();
        async move {
            let tx = pool.begin(Access::Control, Mode::Batch).await.unwrap();
            let number = statements::transaction(&tx).await.unwrap();
            if commits {
                tx.commit().await.unwrap();
            }
            number
        }
    };
    // Leased after all, and nobody knew: it goes back. Not leased: there is nothing to give back.
    let _ = owed.unless_confirmed(1, vec![(window, 20)], transaction(true).await);
    let _ = owed.unless_confirmed(1, vec![(window, 20)], transaction(false).await);
    settled(&node).await;
    assert_eq!(world.state(&window).await, Some((100, 0, 30, 0)));
    // Given back already, and nobody knew: not twice. Not given back: it is now.
    for commits in [true, false] {
        owed.add(1, &[(window, 10)]);
        let (ids, _) = owed.due(1);
        owed.in_doubt(&ids, &transaction(commits).await);
        settled(&node).await;
    }
    assert_eq!(world.state(&window).await, Some((100, 0, 20, 0)));
    assert!(owed.is_empty());
    world.check().await;
    world.remove().await;
}

/// Gives back what is owed; a rollback is on its way for a moment.
async fn settled(node: &Node) {
    for _ in 0..200 {
        node.leases().give_back(1, &[]).await.unwrap();
        if node.leases().0.owed.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what is owed is never given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_negotiate_at_once_never_lease_above_the_cap() {
    let world = World::new().await;
    let mut nodes = Vec::new();
    for seed in 1..=4 {
        nodes.push(Arc::new(world.node(seed).await));
    }
    let windows: Vec<_> = (1..=3)
        .flat_map(|tenant| [world.window(tenant, Window::Day, Unit::Tokens), world.window(tenant, Window::Hour, Unit::Tokens)])
        .collect();
    for window in windows.iter().step_by(2) {
        let subject = window.subject;
        let budget = |n: u8, window| {
            let id = [subject_bytes(&subject)[1], n].repeat(8).try_into().unwrap();
            let id = BudgetId::from_bytes(id);
            Budget {
                id,
                subject,
                window,
                cap: tokens(1_000),
                mode: BudgetMode::Hard,
                alert_at: vec![],
                origin: Default::default(),
            }
        };
        let control = Control::over(nodes[0].pool.db(Access::Control));
        control.replace_budgets(&subject, &[budget(1, Window::Day), budget(2, Window::Hour)]).await.unwrap();
    }
    let work = (0..8u64).map(|n| {
        let (node, windows, random) = (nodes[n as usize % 4].clone(), windows.clone(), SeededRandom::new(n));
        tokio::spawn(async move {
            let dice = move |sides: u64| {
                let mut bytes = [0; 8];
                random.fill(&mut bytes);
                u64::from_le_bytes(bytes) % sides
            };
            let mut leased: Vec<(WindowKey, i64)> = Vec::new();
            for _ in 0..40 {
                // In any order: the locks are taken in one.
                let from = dice(6) as usize;
                let chosen: Vec<_> = (0..1 + dice(4) as usize).map(|n| windows[(from + n) % 6]).collect();
                let (mut more, want) = (Vec::new(), dice(400) as i64);
                let decide = |states: &[Option<WindowState>]| {
                    let left = |state: &Option<WindowState>| state.map_or(0, |state| state.cap - state.settled - state.leased);
                    more = states.iter().map(|state| left(state).min(want)).collect();
                    more.clone()
                };
                node.leases().negotiate(1, &chosen, decide).await.unwrap();
                leased.extend(chosen.into_iter().zip(more).filter(|(_, more)| *more > 0));
                let returned: Vec<_> = (0..dice(4)).filter_map(|_| leased.pop()).collect();
                node.leases().give_back(1, &returned).await.unwrap();
            }
            node.leases().give_back(1, &leased).await.unwrap();
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.unwrap();
    }
    world.check().await;
    assert_eq!(world.one("SELECT COALESCE(SUM(leased), 0)::bigint FROM budget_windows").await, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM budget_windows").await, 6);
    world.remove().await;
}

#[tokio::test]
async fn a_recall_reaches_the_others() {
    let world = World::new().await;
    let (one, two) = (world.node(1).await, world.node(2).await);
    let (mut mine, mut theirs) = (one.leases().recalls(), two.leases().recalls());
    // They may not listen yet.
    let probe = [world.window(200, Window::Day, Unit::Usd)];
    for (asks, hears) in [(&one, &mut theirs), (&two, &mut mine)] {
        let heard = async { while hears.next().await != Some(Recall::These(probe.to_vec())) {} };
        let asked = async {
            loop {
                asks.leases().recall(&probe).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = heard => {}
            () = asked => {}
        }
    }
    let windows: Vec<_> = (0..100).map(|tenant| world.window(tenant, Window::Day, Unit::Usd)).collect();
    one.leases().recall(&windows).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < windows.len() {
        match theirs.next().await {
            Some(Recall::These(some)) if some == probe => {}
            Some(Recall::These(some)) => heard.extend(some),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, windows);
    two.leases().recall(&windows[..1]).await.unwrap();
    let not_probed = loop {
        match mine.next().await {
            Some(Recall::These(some)) if some == probe => {}
            other => break other,
        }
    };
    assert_eq!(not_probed, Some(Recall::These(windows[..1].to_vec())), "not what it asked itself");
    world.remove().await;
}
