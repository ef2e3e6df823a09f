//! Turns over a real store: who waits for whom.

use std::{sync::Arc, time::Duration};

use insula_model::{
    Budget, BudgetMode, Cap, Clock, IdGenerator, KeyId, ManualClock, Price, SeededRandom, Subject, TenantId, Timestamp, Window,
};
use insula_store::{RealDisk, RootKey, Store, StoreOptions};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    accounts: Arc<Accounts>,
    clock: Arc<ManualClock>,
    ids: IdGenerator,
    tenant: TenantId,
    _files: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-03-01T12:30:00Z").expect("a time")));
        let random = Arc::new(SeededRandom::new(5));
        let root_key = RootKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        let options = StoreOptions::new(files.path(), root_key);
        let store = Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await.expect("opens");
        let ids = IdGenerator::new(clock.clone(), random);
        let accounts = Arc::new(Accounts::load(store, clock.clone(), 8).await.expect("loads"));
        Self { tenant: ids.tenant(), accounts, clock, ids, _files: files }
    }

    /// Caps a key at this many tokens an hour.
    fn cap(&self, key: KeyId, tokens: u64) {
        let subject = Subject::Key(self.tenant, key);
        let id = self.ids.budget();
        let budget = Budget {
            id,
            subject,
            window: Window::Hour,
            cap: Cap::Tokens(tokens),
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        self.accounts.set_budgets(&subject, vec![budget]);
    }

    fn ask(&self, key: KeyId, output: u64) -> Ask {
        Ask {
            tenant: self.tenant,
            subjects: vec![Subject::Platform, Subject::Tenant(self.tenant), Subject::Key(self.tenant, key)],
            input_tokens_max: 0,
            output: OutputAsk::Fixed(output),
            price: Price { input_pico: 1, cache_read_pico: 1, cache_write_pico: 1, cache_write_1h_pico: 1, output_pico: 1 },
        }
    }

    async fn waiting(&self, ask: Ask) -> tokio::task::JoinHandle<Result<Hold>> {
        let accounts = self.accounts.clone();
        let before = accounts.state.lock().turns.waiting(self.tenant);
        let waiter = tokio::spawn(async move { accounts.reserve(&ask, PATIENCE).await });
        while self.accounts.state.lock().turns.waiting(self.tenant) == before {
            tokio::task::yield_now().await;
        }
        waiter
    }
}

#[tokio::test]
async fn one_keys_held_budget_is_no_matter_of_the_others() {
    let world = World::new().await;
    let (capped, free) = (world.ids.key(), world.ids.key());
    world.cap(capped, 100);
    let _held = world.accounts.reserve(&world.ask(capped, 100), PATIENCE).await.expect("fits");
    let waiter = world.waiting(world.ask(capped, 50)).await;
    world.accounts.reserve(&world.ask(free, 1_000), Duration::ZERO).await.expect("has no budget to wait for");
    waiter.abort();
}

#[tokio::test]
async fn whoever_leaves_the_head_of_the_line_lets_the_next_look() {
    let world = World::new().await;
    let key = world.ids.key();
    world.cap(key, 100);
    let _held = world.accounts.reserve(&world.ask(key, 60), PATIENCE).await.expect("fits");
    let large = world.waiting(world.ask(key, 100)).await;
    let small = world.waiting(world.ask(key, 40)).await;
    large.abort();
    let hold = small.await.expect("ran").expect("fits beside what is held");
    assert_eq!(hold.output_tokens_max, 40);
}

#[tokio::test(start_paused = true)]
async fn a_new_window_frees_those_who_wait() {
    let world = World::new().await;
    let key = world.ids.key();
    world.cap(key, 100);
    let accounts = world.accounts.clone();
    world.clock.advance(Duration::from_secs(29 * 60 + 50));
    let _held = accounts.reserve(&world.ask(key, 100), PATIENCE).await.expect("fits");
    let waiter = world.waiting(world.ask(key, 100)).await;
    world.clock.advance_to(Window::Hour.span(world.clock.now()).end);
    waiter.await.expect("ran").expect("the next hour has its own budget");
}

#[tokio::test]
async fn an_erased_tenants_line_is_sent_away() {
    let world = World::new().await;
    let key = world.ids.key();
    world.cap(key, 100);
    let _held = world.accounts.reserve(&world.ask(key, 100), PATIENCE).await.expect("fits");
    let waiter = world.waiting(world.ask(key, 100)).await;
    world.accounts.forget(world.tenant);
    assert!(waiter.await.expect("ran").is_err());
}

#[tokio::test]
async fn what_could_cost_more_than_an_amount_is_refused() {
    let world = World::new().await;
    let mut ask = world.ask(world.ids.key(), u64::MAX);
    ask.price.output_pico = u64::MAX;
    let error = world.accounts.reserve(&ask, PATIENCE).await.expect_err("is no amount");
    assert_eq!((error.kind(), error.param()), (&ErrorKind::Invalid, Some("max_tokens")));
}

#[tokio::test]
async fn only_what_somebody_wants_to_know_counts_as_moved() {
    let world = World::new().await;
    let (watched, quiet) = (world.ids.key(), world.ids.key());
    world.cap(watched, 100);
    world.cap(quiet, 100);
    let subject = Subject::Key(world.tenant, watched);
    let budget = world.accounts.budgets(&subject).remove(0);
    world.accounts.set_budgets(&subject, vec![Budget { alert_at: vec![0.5], ..budget.clone() }]);
    let moved = |refused: &[(BudgetId, Timestamp)]| Moved { subject, refused: refused.iter().copied().collect() };
    assert_eq!(world.accounts.take_moved(8), (vec![moved(&[])], false), "a new budget may be passed already");
    for key in [quiet, watched] {
        let held = world.accounts.reserve(&world.ask(key, 60), PATIENCE).await.expect("fits");
        assert_eq!(world.accounts.take_moved(8).0, [], "what is held moves nothing");
        world.accounts.settle(&held, held.amounts());
    }
    assert_eq!(world.accounts.take_moved(8).0, [moved(&[])]);
    // A refusal is told of any hard budget, by the one that refused.
    let ask = world.ask(watched, 60);
    let refused = world.accounts.reserve(&ask, PATIENCE).await.expect_err("does not fit");
    let ErrorKind::BudgetExceeded(refusal) = refused.kind() else { panic!("{refused}") };
    world.accounts.note_refusal(&ask.subjects, refusal);
    let (taken, _) = world.accounts.take_moved(8);
    assert_eq!(taken, [moved(&[(budget.id, Window::Hour.span(world.clock.now()).end)])]);
    world.accounts.put_back(taken.clone());
    assert_eq!(world.accounts.take_moved(8).0, taken, "what could not be looked at waits");
    world.accounts.watch_all();
    assert_eq!(world.accounts.take_moved(8).0, [moved(&[])]);
}
