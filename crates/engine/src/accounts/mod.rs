//! Budgets that hold: reserve, settle, release over every account that a request belongs to.
//!
//! Every subject (the platform, a tenant, a key) has an account with one tally per window; a budget is a cap on a tally.
//! The counters in memory decide. They start from what storage has folded, which is exact: an account that this process
//! has not touched has nothing under way.
//!
//! - [`book`] is the law: plain synchronous rules over all accounts, tested by properties;
//! - [`account`] is one subject's tallies;
//! - [`queue`] keeps the turns of those for whom only held money stands in the way.

mod account;
mod book;
mod queue;

use std::{sync::Arc, time::Duration};

use insula_model::{Budget, BudgetId, Clock, Error, ErrorKind, Result, Subject, TenantId, Window};
use insula_store::Store;
use parking_lot::Mutex;

use account::Account;
pub use account::{Amounts, BudgetView};
pub use book::{Ask, Hold, OutputAsk};
use book::{Book, Verdict};
use queue::Turns;

/// All accounts of this node.
pub struct Accounts {
    store: Store,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    waiters_max: usize,
}

struct State {
    book: Book,
    turns: Turns,
}

impl Accounts {
    /// Opens the platform's account and the budgets that are set. At most `waiters_max` requests of one tenant wait.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn load(store: Store, clock: Arc<dyn Clock>, waiters_max: usize) -> Result<Self> {
        let mut book = Book::default();
        let mut budgets = store.control().budgets().await?;
        budgets.sort_by_key(|budget| budget.subject);
        for group in budgets.chunk_by(|a, b| a.subject == b.subject) {
            if let Some(first) = group.first() {
                book.set_budgets(first.subject, group.to_vec());
            }
        }
        let accounts = Self { store, clock, state: Mutex::new(State { book, turns: Turns::default() }), waiters_max };
        accounts.open(&[Subject::Platform]).await?;
        Ok(accounts)
    }

    /// Makes sure that these accounts are in memory. After the first time this is one look under a lock.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn open(&self, subjects: &[Subject]) -> Result<()> {
        let missing = self.state.lock().book.missing(subjects);
        for subject in missing {
            let now = self.clock.now();
            let spent = self.store.control().spend_since(&subject, Window::Month.span(now).start).await?;
            let spent = spent.iter().map(|hour| (hour.hour, Amounts { money: hour.money, tokens: hour.tokens }));
            let account = Account::starting_with(now, spent);
            // Whoever loaded it first wins: nothing was reserved before the first load ended.
            self.state.lock().book.insert_if_missing(subject, account);
        }
        Ok(())
    }

    /// Whether a hard budget watches any of these subjects.
    pub fn is_capped(&self, subjects: &[Subject]) -> bool {
        self.state.lock().book.is_capped(subjects)
    }

    /// Holds what `ask` may cost in every account at once, or refuses. Where only money held by others' open attempts
    /// stands in the way, waits its turn for up to `wait_max`.
    ///
    /// # Errors
    /// [`ErrorKind::BudgetExceeded`] when it can never fit what is left; [`ErrorKind::RateLimited`] when its turn did
    /// not come, or too many of its tenant wait already.
    pub async fn reserve(&self, ask: &Ask, wait_max: Duration) -> Result<Hold> {
        self.open(&ask.subjects).await?;
        let turn = {
            let mut state = self.state.lock();
            let State { book, turns } = &mut *state;
            match book.reserve(ask, self.clock.now()) {
                Verdict::Granted(hold) if !turns.is_behind(ask) => return Ok(hold),
                Verdict::Granted(hold) => book.release(&hold),
                Verdict::Refused(refusal) => return Err(refused(*refusal)),
                Verdict::TooLarge => return Err(too_large()),
                Verdict::Wait(_) => {}
            }
            if turns.waiting(ask.tenant) >= self.waiters_max {
                return Err(no_turn("too many requests of this tenant already wait for held budget"));
            }
            let turn = turns.join(ask.clone());
            // Notes what it waits for, so that those who come next know whether they stand behind it.
            turns.call(ask.tenant, |ask| book.reserve(ask, self.clock.now()));
            turn
        };
        let place = Place { accounts: self, tenant: ask.tenant, ticket: turn.ticket, outcome: Some(turn.outcome) };
        place.wait(wait_max).await
    }

    /// Like [`Accounts::reserve`] but never waits: `None` where it would have to.
    ///
    /// # Errors
    /// [`ErrorKind::BudgetExceeded`] when it can never fit what is left.
    pub async fn try_reserve(&self, ask: &Ask) -> Result<Option<Hold>> {
        self.open(&ask.subjects).await?;
        let mut state = self.state.lock();
        if state.turns.is_behind(ask) {
            return Ok(None);
        }
        match state.book.reserve(ask, self.clock.now()) {
            Verdict::Granted(hold) => Ok(Some(hold)),
            Verdict::Refused(refusal) => Err(refused(*refusal)),
            Verdict::TooLarge => Err(too_large()),
            Verdict::Wait(_) => Ok(None),
        }
    }

    /// Replaces a hold by what was really used.
    pub fn settle(&self, hold: &Hold, used: Amounts) {
        let mut state = self.state.lock();
        state.book.settle(hold, used);
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
        let State { book, turns } = &mut *state;
        turns.call_all(|ask| book.reserve(ask, self.clock.now()));
    }

    /// The budgets of a subject with what is used and held in their running windows.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn view(&self, subject: &Subject) -> Result<Vec<BudgetView>> {
        self.open(&[*subject]).await?;
        Ok(self.state.lock().book.view(subject, self.clock.now()))
    }

    /// What is held over all accounts of one subject in the running month.
    pub fn held(&self, subject: &Subject) -> Amounts {
        self.state.lock().book.held(subject, self.clock.now())
    }

    /// Whether the ask could fit, now or once others' holds come back; holds nothing.
    pub fn could_fit(&self, ask: &Ask) -> bool {
        self.state.lock().book.could_fit(ask)
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
        let State { book, turns } = state;
        if turns.is_empty() {
            return;
        }
        let now = self.clock.now();
        match tenant {
            Some(tenant) if !book.is_capped(&[Subject::Platform]) => turns.call(tenant, |ask| book.reserve(ask, now)),
            _ => turns.call_all(|ask| book.reserve(ask, now)),
        }
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
    async fn wait(mut self, wait_max: Duration) -> Result<Hold> {
        let until = tokio::time::Instant::now() + wait_max;
        loop {
            let Some(outcome) = self.outcome.as_mut() else { return Err(no_turn(NO_TURN)) };
            // A window that ends in the meantime frees money that nobody settles: look again then.
            let now = self.accounts.clock.now();
            let next_window = tokio::time::Instant::now() + Window::Hour.span(now).end.since(now);
            match tokio::time::timeout_at(until.min(next_window), outcome).await {
                Ok(verdict) => {
                    self.outcome = None;
                    return match verdict {
                        Ok(Verdict::Granted(hold)) => Ok(hold),
                        Ok(Verdict::Refused(refusal)) => Err(refused(*refusal)),
                        Ok(Verdict::TooLarge) => Err(too_large()),
                        Ok(Verdict::Wait(_)) | Err(_) => Err(no_turn(NO_TURN)),
                    };
                }
                Err(_) if until <= next_window => return Err(no_turn(NO_TURN)),
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
        if let Ok(Verdict::Granted(hold)) = outcome.try_recv() {
            state.book.release(&hold);
        }
        // Also without a grant: those behind may have waited for this one only.
        self.accounts.call_waiting(&mut state, Some(self.tenant));
    }
}

const NO_TURN: &str = "the budget is held by requests under way, and this one's turn did not come in time";

fn no_turn(message: &str) -> Error {
    Error::new(ErrorKind::RateLimited { retry_after: NO_TURN_RETRY_AFTER }, message)
}

fn too_large() -> Error {
    let most = insula_model::Money::STORABLE_MAX;
    Error::invalid(format!("this request could cost more than {most} USD; ask for less output")).at("max_tokens")
}

fn refused(refusal: book::Refusal) -> Error {
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

/// What a decimal or a count looks like to a person.
fn shown(amounts: Amounts, in_money: bool) -> String {
    if in_money { amounts.money.to_string() } else { amounts.tokens.to_string() }
}

/// The start of the month that `at` falls into, and nothing spent: for accounts that storage knows nothing of.
#[cfg(test)]
fn nothing_spent(at: insula_model::Timestamp) -> Account {
    Account::starting_with(at, std::iter::empty())
}

#[cfg(test)]
mod tests;
