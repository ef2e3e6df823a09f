//! Several nodes over one memory: nothing overspent, nothing lost, nearly everything that can be afforded served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use insula_model::{
    Budget, BudgetId, BudgetMode, Cap, Clock, ErrorKind, IdGenerator, KeyId, ManualClock, Money, Price, SeededRandom, Subject,
    TenantId, Timestamp, Window,
};
use insula_store::{RealDisk, RootKey, Store, StoreOptions, Unit, WindowKey};

use super::memory::{Memory, MemoryBroker};
use crate::accounts::{Accounts, Amounts, Ask, Hold, OutputAsk};

const PATIENCE: Duration = Duration::from_secs(30);

fn price() -> Price {
    Price {
        input_pico: 1_000_000,
        cache_read_pico: 500_000,
        cache_write_pico: 1_250_000,
        cache_write_1h_pico: 1_250_000,
        output_pico: 2_000_000,
    }
}

/// Nodes over one memory.
struct World {
    memory: Memory,
    nodes: Vec<(Arc<Accounts>, Arc<MemoryBroker>)>,
    clock: Arc<ManualClock>,
    tenant: TenantId,
    key: KeyId,
    _files: tempfile::TempDir,
}

impl World {
    async fn of(nodes: u32) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-03-01T12:30:00Z").expect("a time")));
        let random = Arc::new(SeededRandom::new(5));
        let root_key = RootKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        let options = StoreOptions::new(files.path(), root_key);
        let store = Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await.expect("opens");
        let ids = IdGenerator::new(clock.clone(), random);
        let memory = Memory::of(nodes);
        let mut all = Vec::new();
        for node in 0..nodes as usize {
            let broker = memory.broker(node);
            let accounts = Accounts::load_with(store.clone(), clock.clone(), 1_000, Some(broker.clone())).await;
            let accounts = Arc::new(accounts.expect("loads"));
            tokio::spawn(accounts.clone().run());
            all.push((accounts, broker));
        }
        Self { memory, nodes: all, clock, tenant: ids.tenant(), key: ids.key(), _files: files }
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::Platform, Subject::Tenant(self.tenant), Subject::Key(self.tenant, self.key)]
    }

    /// Sets these budgets on all nodes.
    fn set_budgets(&self, caps: &[(Subject, Window, Cap)]) {
        let budget = |(subject, window, cap): &(Subject, Window, Cap)| Budget {
            id: BudgetId::from_bytes([7; 16]),
            subject: *subject,
            window: *window,
            cap: *cap,
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        let budgets: Vec<_> = caps.iter().map(budget).collect();
        self.memory.tables.lock().set_budgets(budgets.clone());
        for subject in self.subjects() {
            let of = budgets.iter().filter(|budget| budget.subject == subject).cloned().collect::<Vec<_>>();
            self.nodes.iter().for_each(|(accounts, _)| accounts.set_budgets(&subject, of.clone()));
        }
    }

    fn ask(&self, input: u64, output: OutputAsk) -> Ask {
        Ask { tenant: self.tenant, subjects: self.subjects(), input_tokens_max: input, output, price: price() }
    }

    fn window(&self, subject: Subject, window: Window, unit: Unit) -> WindowKey {
        WindowKey { subject, window, unit, starts_at: window.span(self.clock.now()).start }
    }

    /// What an attempt's end does: the END with its moves, then the book.
    fn end(&self, node: usize, hold: &Hold, used: Amounts) {
        let accounts = &self.nodes[node].0;
        let moves = accounts.lease_moves(hold, used);
        let of = |(window, _): &(WindowKey, i64)| match window.unit {
            Unit::Usd => (*window, used.money.storable().unwrap()),
            Unit::Tokens => (*window, i64::try_from(used.tokens).unwrap()),
        };
        let used_of: Vec<_> = hold.leased.iter().map(of).collect();
        self.memory.tables.lock().end(node, hold.epoch, &moves, &used_of);
        accounts.settle(hold, used);
    }

    async fn close(&self) {
        for (accounts, _) in &self.nodes {
            accounts.close().await;
        }
        assert_eq!(self.memory.tables.lock().leased(), 0, "a closed node leases nothing");
    }

    fn granted(&self, node: usize, window: &WindowKey) -> i128 {
        let mut state = self.nodes[node].0.state.lock();
        state.book.leases().and_then(|leases| leases.slice(window)).unwrap_or(0)
    }
}

fn usd(pico: i128) -> Cap {
    Cap::Usd(Money::from_pico(pico))
}

fn tokens(hold: &Hold, output: u64) -> Amounts {
    let output = output.min(hold.output_tokens_max);
    Amounts { money: price().bound(hold.input_tokens_max, output), tokens: hold.input_tokens_max + output }
}

/// Two hundred callers on three nodes against money for fifty; how many were served.
async fn race(output: OutputAsk, input_max: u64) -> u64 {
    const INPUT: u64 = 10;
    const OUTPUT: u64 = 64;
    let world = Arc::new(World::of(3).await);
    let cost = price().bound(INPUT, OUTPUT);
    let budget = usd(cost.pico() * 50);
    world.set_budgets(&[
        (Subject::Tenant(world.tenant), Window::Month, budget),
        (Subject::Platform, Window::Month, usd(cost.pico() * 1_000_000)),
        (Subject::Tenant(world.tenant), Window::Hour, Cap::Tokens(1_000_000)),
    ]);
    let served = Arc::new(AtomicU64::new(0));
    let calls = (0..200).map(|caller| {
        let (world, served) = (world.clone(), served.clone());
        tokio::spawn(async move {
            let node = caller % 3;
            let ask = world.ask(input_max, output);
            let held = match world.nodes[node].0.try_reserve(&ask).await {
                Ok(Some(hold)) => Ok(hold),
                Ok(None) => world.nodes[node].0.reserve(&ask, PATIENCE).await,
                Err(error) => Err(error),
            };
            match held {
                Ok(hold) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    world.nodes[node].0.still_held(&hold).expect("nobody was fenced");
                    world.end(node, &hold, Amounts { money: cost, tokens: INPUT + OUTPUT });
                    served.fetch_add(1, SeqCst);
                }
                Err(error) => assert!(matches!(error.kind(), ErrorKind::BudgetExceeded(_)), "{error}"),
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("ran");
    }
    world.close().await;
    let window = world.window(Subject::Tenant(world.tenant), Window::Month, Unit::Usd);
    let state = world.memory.tables.lock().state(&window).expect("was made");
    let served = served.load(SeqCst);
    assert_eq!(i128::from(state.settled), cost.pico() * i128::from(served));
    served
}

#[tokio::test(start_paused = true)]
async fn three_nodes_serve_what_can_be_afforded() {
    let served = race(OutputAsk::Fixed(64), 10).await;
    assert_eq!(served, 50, "exact reservations leave nothing over");
    let served = race(OutputAsk::Fixed(64), 40).await;
    assert!((45..=50).contains(&served), "{served} with a wide bound of the input");
    let served = race(OutputAsk::Open { floor: 256, most: 4_096, choices: 1 }, 10).await;
    assert!((45..=50).contains(&served), "{served} of open calls");
}

#[tokio::test(start_paused = true)]
async fn what_no_hard_budget_watches_asks_nobody() {
    let world = World::of(2).await;
    let ask = world.ask(10, OutputAsk::Fixed(1_000));
    let hold = world.nodes[0].0.reserve(&ask, Duration::ZERO).await.expect("is not capped");
    assert!(world.nodes[0].0.lease_moves(&hold, hold.amounts()).is_empty());
    world.nodes[0].0.settle(&hold, hold.amounts());
    assert_eq!(world.nodes[0].1.rounds.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn plenty_is_asked_for_once() {
    let world = World::of(3).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(1_000_000))]);
    let ask = world.ask(10, OutputAsk::Open { floor: 256, most: 1_000, choices: 1 });
    for _ in 0..50 {
        let hold = world.nodes[1].0.reserve(&ask, PATIENCE).await.expect("fits");
        assert_eq!(hold.output_tokens_max, 1_000);
        world.end(1, &hold, tokens(&hold, 5));
    }
    assert_eq!(world.nodes[1].1.rounds.load(SeqCst), 1, "a slice serves many");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_one_node_does_not_hold_another_gets_back() {
    let world = World::of(2).await;
    let subject = Subject::Tenant(world.tenant);
    world.set_budgets(&[(subject, Window::Day, Cap::Tokens(1_000))]);
    let small = world.ask(0, OutputAsk::Fixed(1));
    let hold = world.nodes[0].0.reserve(&small, PATIENCE).await.expect("fits");
    let window = world.window(subject, Window::Day, Unit::Tokens);
    assert!(world.granted(0, &window) > 100, "the first has a slice");
    // All but what the first holds: only once its slice is back.
    let large = world.ask(0, OutputAsk::Fixed(999));
    let rest = world.nodes[1].0.reserve(&large, PATIENCE).await.expect("the slice came back");
    assert_eq!(world.granted(0, &window), 0);
    world.end(0, &hold, tokens(&hold, 1));
    world.end(1, &rest, tokens(&rest, 0));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_goes_back_to_all() {
    let world = World::of(2).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(100))]);
    let all = world.ask(0, OutputAsk::Fixed(100));
    let hold = world.nodes[0].0.reserve(&all, PATIENCE).await.expect("fits");
    world.nodes[0].0.release(&hold);
    let again = world.nodes[1].0.reserve(&all, PATIENCE).await.expect("was given back");
    world.end(1, &again, tokens(&again, 100));
    let refused = world.nodes[0].0.reserve(&all, PATIENCE).await.expect_err("is spent");
    let ErrorKind::BudgetExceeded(refusal) = refused.kind() else { panic!("{refused}") };
    assert_eq!((refusal.used.as_str(), refusal.limit.as_str()), ("100", "100"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_lowered_cap_holds_for_slices_too() {
    let world = World::of(2).await;
    let subject = Subject::Tenant(world.tenant);
    world.set_budgets(&[(subject, Window::Day, Cap::Tokens(10_000))]);
    let ask = world.ask(0, OutputAsk::Fixed(10));
    let hold = world.nodes[0].0.reserve(&ask, PATIENCE).await.expect("fits");
    world.end(0, &hold, tokens(&hold, 10));
    world.nodes[0].0.close().await;
    world.set_budgets(&[(subject, Window::Day, Cap::Tokens(15))]);
    let refused = world.nodes[1].0.reserve(&ask, PATIENCE).await.expect_err("10 of 15 are spent");
    assert!(matches!(refused.kind(), ErrorKind::BudgetExceeded(_)), "{refused}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_storage_does_not_know_any_more_keeps_nobody() {
    let world = World::of(1).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(1))]);
    world.memory.tables.lock().set_budgets(Vec::new());
    let hold = world.nodes[0].0.reserve(&world.ask(0, OutputAsk::Fixed(10)), PATIENCE).await.expect("is not capped");
    assert!(hold.leased.is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn while_storage_is_away_nothing_is_reserved_and_nothing_is_kept() {
    let world = World::of(1).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(100))]);
    let (accounts, broker) = &world.nodes[0];
    let all = world.ask(0, OutputAsk::Fixed(100));
    for lost in [&broker.is_away, &broker.loses_answers] {
        lost.store(true, SeqCst);
        let error = accounts.reserve(&all, PATIENCE).await.expect_err("nobody answers");
        assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
        lost.store(false, SeqCst);
    }
    let hold = accounts.reserve(&all, PATIENCE).await.expect("nothing was held by those that failed");
    world.end(0, &hold, tokens(&hold, 100));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_fenced_node_holds_nothing_any_more() {
    let world = World::of(2).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(100))]);
    let ask = world.ask(0, OutputAsk::Fixed(60));
    let hold = world.nodes[0].0.reserve(&ask, PATIENCE).await.expect("fits");
    world.memory.tables.lock().sweep(0, &hold.leased);
    world.nodes[0].1.epochs.send_replace(2);
    assert!(world.nodes[0].0.still_held(&hold).is_err(), "its lease is gone");
    // Ends late: others have settled it.
    world.end(0, &hold, tokens(&hold, 1));
    let refused = world.nodes[0].0.reserve(&ask, PATIENCE).await.expect_err("60 of 100 are settled");
    assert!(matches!(refused.kind(), ErrorKind::BudgetExceeded(_)), "{refused}");
    world.nodes[0].0.reserve(&world.ask(0, OutputAsk::Fixed(40)), PATIENCE).await.expect("the rest is there");
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_want_to_wait_is_told_at_once() {
    let world = World::of(1).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(100))]);
    let ask = world.ask(0, OutputAsk::Fixed(60));
    let _hold = world.nodes[0].0.reserve(&ask, PATIENCE).await.expect("fits");
    assert!(world.nodes[0].0.try_reserve(&ask).await.expect("only held money is in the way").is_none());
    let begun = tokio::time::Instant::now();
    let error = world.nodes[0].0.reserve(&ask, Duration::from_millis(200)).await.expect_err("nobody ends");
    assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_keeps_nothing() {
    let world = World::of(1).await;
    world.set_budgets(&[(Subject::Tenant(world.tenant), Window::Day, Cap::Tokens(100))]);
    let ask = world.ask(0, OutputAsk::Fixed(100));
    for patience_us in (0..6_000).step_by(250) {
        let reserving = world.nodes[0].0.reserve(&ask, PATIENCE);
        if let Ok(held) = tokio::time::timeout(Duration::from_micros(patience_us), reserving).await {
            world.nodes[0].0.release(&held.expect("fits"));
        }
    }
    let hold = world.nodes[0].0.reserve(&ask, PATIENCE).await.expect("nothing was left behind");
    world.end(0, &hold, tokens(&hold, 0));
    world.close().await;
}
