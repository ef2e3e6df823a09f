//! Budgets that hold: reserve, settle, release over every account that a request belongs to.
//!
//! Every subject (the platform, a tenant, a key) has an account with one tally per window; a budget is a cap on a tally.
//! The counters in memory decide. They start from what storage has folded, which is exact: an account that this process
//! has not touched has nothing under way. End users have one while a budget caps them; without one, only while something is
//! held for them, so that a million of them take no room.
//!
//! Among several nodes the counters that decide are shared, and a node leases of them what it spends: see [`shared`].
//!
//! - [`law`] says what an ask may take: plain rules, the same for one node and for several;
//! - [`book`] keeps what they are applied to, tested by properties;
//! - [`account`] is one subject's tallies, [`opening`] where they begin;
//! - [`watch`] keeps whose budgets moved, for those who want to be told;
//! - [`queue`] keeps the turns of those for whom only held money stands in the way.

mod account;
mod book;
mod law;
mod opening;
mod queue;
mod shared;
mod watch;

use std::{sync::Arc, time::Duration};

use insula_model::{Budget, BudgetId, Clock, Error, ErrorKind, Result, Subject, TenantId, Window};
use insula_store::{LeaseMove, Store};
use parking_lot::Mutex;

pub use account::{Amounts, BudgetView};
use book::Book;
use law::Verdict;
pub use law::{Ask, Hold, OutputAsk};
use queue::Turns;
use shared::{Broker, Shared, Storage};
pub(crate) use watch::Moved;
use watch::Watch;

/// All accounts of this node.
pub struct Accounts {
    store: Store,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    waiters_max: usize,
    /// Held while an end user's account is opened: two that opened the same one would miss what settles between them.
    opening: tokio::sync::Mutex<()>,
    /// Whom it asks for what the nodes share; absent where it is alone.
    shared: Option<Shared>,
}

struct State {
    book: Book,
    turns: Turns,
    watch: Watch,
}

impl Accounts {
    /// Opens the platform's account and the budgets that are set. At most `waiters_max` requests of one tenant wait.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn load(store: Store, clock: Arc<dyn Clock>, waiters_max: usize) -> Result<Self> {
        let storage = store.cluster().map(|cluster| Arc::new(Storage::of(cluster.clone())) as Arc<dyn Broker>);
        Self::load_with(store, clock, waiters_max, storage).await
    }

    /// Opens the book of a node that asks `broker` for what it shares with others, or of one that is alone.
    async fn load_with(
        store: Store,
        clock: Arc<dyn Clock>,
        waiters_max: usize,
        broker: Option<Arc<dyn Broker>>,
    ) -> Result<Self> {
        let mut book = broker.as_ref().map_or_else(Book::default, |broker| Book::among_others(broker.epoch()));
        let mut budgets = store.control().budgets().await?;
        budgets.sort_by_key(|budget| budget.subject);
        for group in budgets.chunk_by(|a, b| a.subject == b.subject) {
            if let Some(first) = group.first() {
                book.set_budgets(first.subject, group.to_vec());
            }
        }
        let state = Mutex::new(State { book, turns: Turns::default(), watch: Watch::default() });
        let (opening, shared) = (tokio::sync::Mutex::default(), broker.map(Shared::new));
        let accounts = Self { store, clock, state, waiters_max, opening, shared };
        accounts.open(&[Subject::Platform]).await?;
        accounts.watch_all();
        Ok(accounts)
    }

    /// Whether a hard budget watches any of these subjects.
    pub fn is_capped(&self, subjects: &[Subject]) -> bool {
        self.state.lock().book.is_capped(subjects)
    }

    /// Whether a hard budget of any of these subjects counts tokens.
    pub fn caps_tokens(&self, subjects: &[Subject]) -> bool {
        self.state.lock().book.caps_tokens(subjects)
    }

    /// Whether any budget of these subjects counts tokens, whatever follows from it.
    pub fn counts_tokens(&self, subjects: &[Subject]) -> bool {
        self.state.lock().book.counts_tokens(subjects)
    }

    /// Holds what `ask` may cost in every account at once, or refuses. Where only money held by others' open attempts
    /// stands in the way, waits its turn for up to `wait_max`.
    ///
    /// # Errors
    /// [`ErrorKind::BudgetExceeded`] when it can never fit what is left; [`ErrorKind::RateLimited`] when its turn did
    /// not come, or too many of its tenant wait already.
    pub async fn reserve(&self, ask: &Ask, wait_max: Duration) -> Result<Hold> {
        if let Some(shared) = &self.shared {
            return self.reserve_shared(shared, ask, wait_max).await?.ok_or_else(|| no_turn(NO_TURN));
        }
        self.open(&ask.subjects).await?;
        let turn = {
            let mut state = self.state.lock();
            let State { book, turns, .. } = &mut *state;
            match book.reserve(ask, self.clock.now()) {
                Verdict::Granted(hold) if !turns.is_behind(ask) => return Ok(hold),
                Verdict::Granted(hold) => book.release(&hold),
                Verdict::Refused(refusal) => return Err(refused(*refusal)),
                Verdict::TooLarge => return Err(too_large()),
                Verdict::Wait(_) | Verdict::Crowded | Verdict::Failed(_) => {}
            }
            if turns.waiting(ask.tenant) >= self.waiters_max {
                return Err(no_turn(CROWDED));
            }
            let turn = turns.join(ask.clone());
            // Notes what it waits for, so that those who come next know whether they stand behind it.
            turns.call(ask.tenant, |ask| book.reserve(ask, self.clock.now()));
            turn
        };
        let place = Place { accounts: self, tenant: ask.tenant, ticket: turn.ticket, outcome: Some(turn.outcome) };
        place.wait(wait_max).await?.ok_or_else(|| no_turn(NO_TURN))
    }

    /// Like [`Accounts::reserve`] but never waits: `None` where it would have to.
    ///
    /// # Errors
    /// [`ErrorKind::BudgetExceeded`] when it can never fit what is left.
    pub async fn try_reserve(&self, ask: &Ask) -> Result<Option<Hold>> {
        if let Some(shared) = &self.shared {
            return self.reserve_shared(shared, ask, Duration::ZERO).await;
        }
        self.open(&ask.subjects).await?;
        let mut state = self.state.lock();
        if state.turns.is_behind(ask) {
            return Ok(None);
        }
        told(state.book.reserve(ask, self.clock.now()))
    }

    /// What the end of this attempt moves of this node's leases, for the journal to take along with it. Nothing where the node
    /// is alone or no hard budget applies. Once it was asked for, [`Accounts::settle`] or [`Accounts::release`] follows when
    /// the journal has synced the end.
    pub fn lease_moves(&self, hold: &Hold, used: Amounts) -> Vec<LeaseMove> {
        if hold.leased.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        self.state.lock().book.leases().map(|leases| leases.moves(hold, used, now)).unwrap_or_default()
    }

    /// Whether what is held may still be spent. Asked once the attempt's BEGIN is admitted, before it is sent: a node that was
    /// given up meanwhile holds nothing any more, however soon it is back.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the node lost its leases since.
    pub fn still_held(&self, hold: &Hold) -> Result<()> {
        match &self.shared {
            Some(shared) if !hold.leased.is_empty() && hold.epoch != shared.broker.epoch() => {
                Err(crate::Engine::unavailable("this node lost touch with the others for a moment; try again"))
            }
            _ => Ok(()),
        }
    }

    /// Replaces a hold by what was really used.
    pub fn settle(&self, hold: &Hold, used: Amounts) {
        let mut state = self.state.lock();
        state.book.settle(hold, used);
        let State { book, watch, .. } = &mut *state;
        watch.settled(book, hold);
        self.call_waiting(&mut state, hold.tenant());
    }

    /// Gives a hold back whole.
    pub fn release(&self, hold: &Hold) {
        let mut state = self.state.lock();
        state.book.release(hold);
        self.call_waiting(&mut state, hold.tenant());
    }

    /// Replaces the budgets of a subject; what is spent in the running windows counts at once.
    pub fn set_budgets(&self, subject: &Subject, budgets: Vec<Budget>) {
        let mut state = self.state.lock();
        state.book.set_budgets(*subject, budgets);
        let State { book, watch, .. } = &mut *state;
        watch.moved(book, subject);
        self.call_all_waiting(&mut state);
    }

    /// The budgets of a subject with what is used and held in their running windows.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn view(&self, subject: &Subject) -> Result<Vec<BudgetView>> {
        if let Some(shared) = &self.shared {
            return self.view_shared(shared, subject).await;
        }
        self.open(&[*subject]).await?;
        Ok(self.state.lock().book.view(subject, self.clock.now()))
    }

    /// Whether the ask could fit, now or once others' holds come back; holds nothing.
    pub fn could_fit(&self, ask: &Ask) -> bool {
        self.state.lock().book.could_fit(ask, self.clock.now())
    }

    /// Forgets an erased tenant's accounts and budgets, and sends away who waits for them.
    pub fn forget(&self, tenant: TenantId) {
        let mut state = self.state.lock();
        state.turns.dismiss(tenant);
        state.book.forget(tenant);
    }

    /// The budgets of a subject as they are counted now.
    pub fn budgets(&self, subject: &Subject) -> Vec<Budget> {
        self.state.lock().book.budgets(subject).to_vec()
    }

    /// The subjects of a tenant that have budgets.
    pub(crate) fn budgeted(&self, tenant: TenantId) -> Vec<Subject> {
        self.state.lock().book.budgeted(tenant).collect()
    }

    /// The ids of a subject's budgets by window and unit, so that a replaced budget keeps its id.
    pub fn budget_ids(&self, subject: &Subject) -> Vec<(Window, bool, BudgetId)> {
        self.state
            .lock()
            .book
            .budgets(subject)
            .iter()
            .map(|b| (b.window, matches!(b.cap, insula_model::Cap::Usd(_)), b.id))
            .collect()
    }

    /// Money came free: those whose turn it is look again. Platform money concerns everybody's turn.
    fn call_waiting(&self, state: &mut State, tenant: Option<TenantId>) {
        let has_loose = state.book.leases().is_some_and(|leases| leases.has_loose());
        let State { book, turns, .. } = state;
        if turns.is_empty() && !has_loose {
            return;
        }
        let everybody = tenant.is_none() || book.is_capped(&[Subject::Platform]);
        if let Some(shared) = &self.shared {
            if has_loose || everybody || tenant.is_some_and(|tenant| turns.waiting(tenant) > 0) {
                shared.wake();
            }
            return;
        }
        let now = self.clock.now();
        match tenant {
            Some(tenant) if !everybody => turns.call(tenant, |ask| book.reserve(ask, now)),
            _ => turns.call_all(|ask| book.reserve(ask, now)),
        }
    }

    /// Everybody looks again.
    fn call_all_waiting(&self, state: &mut State) {
        self.call_waiting(state, None);
    }
}

/// A place in the line. Left early, it is given up; a grant that crossed the leaving is given back.
struct Place<'a> {
    accounts: &'a Accounts,
    tenant: TenantId,
    ticket: u64,
    /// Taken once the verdict was heard.
    outcome: Option<tokio::sync::oneshot::Receiver<Verdict>>,
}

impl Place<'_> {
    /// The verdict; `None` for one that may fit later.
    async fn wait(mut self, wait_max: Duration) -> Result<Option<Hold>> {
        let until = tokio::time::Instant::now() + wait_max;
        loop {
            let Some(outcome) = self.outcome.as_mut() else { return Ok(None) };
            // A window that ends in the meantime frees money that nobody settles: look again then.
            let now = self.accounts.clock.now();
            let next_window = tokio::time::Instant::now() + Window::Hour.span(now).end.since(now);
            match tokio::time::timeout_at(until.min(next_window), outcome).await {
                Ok(verdict) => {
                    self.outcome = None;
                    return verdict.map_or(Ok(None), told);
                }
                Err(_) if until <= next_window => return Ok(None),
                Err(_) => self.accounts.call_waiting(&mut self.accounts.state.lock(), Some(self.tenant)),
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(mut outcome) = self.outcome.take() else { return };
        let mut state = self.accounts.state.lock();
        state.turns.leave(self.tenant, self.ticket);
        // Also a verdict that is still being settled elsewhere: from here on it finds nobody.
        outcome.close();
        if let Ok(Verdict::Granted(hold)) = outcome.try_recv() {
            state.book.release(&hold);
        }
        // Also without a grant: those behind may have waited for this one only.
        self.accounts.call_waiting(&mut state, Some(self.tenant));
    }
}

/// A verdict as whoever asked hears it; `None` where it may fit later.
fn told(verdict: Verdict) -> Result<Option<Hold>> {
    match verdict {
        Verdict::Granted(hold) => Ok(Some(hold)),
        Verdict::Refused(refusal) => Err(refused(*refusal)),
        Verdict::TooLarge => Err(too_large()),
        Verdict::Crowded => Err(no_turn(CROWDED)),
        Verdict::Failed(error) => Err(error),
        Verdict::Wait(_) => Ok(None),
    }
}

const CROWDED: &str = "too many requests of this tenant already wait for held budget";

const NO_TURN: &str = "the budget is held by requests under way, and this one's turn did not come in time";

fn no_turn(message: &str) -> Error {
    Error::new(ErrorKind::RateLimited { retry_after: NO_TURN_RETRY_AFTER }, message)
}

fn too_large() -> Error {
    let most = insula_model::Money::STORABLE_MAX;
    Error::invalid(format!("this request could cost more than {most} USD; ask for less output")).at("max_tokens")
}

fn refused(refusal: law::Refusal) -> Error {
    let message = format!(
        "the {} budget of the {} does not cover this request: {} of {} {} used, and it could take up to {}; it resets at {}",
        refusal.shown.window.name(),
        refusal.shown.level.name(),
        refusal.shown.used,
        refusal.shown.limit,
        refusal.shown.unit,
        refusal.needed,
        refusal.shown.resets_at,
    );
    Error::new(ErrorKind::BudgetExceeded(Box::new(refusal.shown)), message)
}

/// When to come back after a turn that did not come: not at once, the wait was long enough.
const NO_TURN_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The start of the month that `at` falls into, and nothing spent: for accounts that storage knows nothing of.
#[cfg(test)]
fn nothing_spent(at: insula_model::Timestamp) -> account::Account {
    account::Account::starting_with(at, std::iter::empty())
}

#[cfg(test)]
mod tests;
