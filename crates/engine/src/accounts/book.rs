//! All accounts and budgets: synchronous, without I/O.
//!
//! A node that is alone keeps a tally for every account, and those decide. Among several nodes the windows of hard budgets
//! are shared: then the book keeps what this node leases of them ([`LeaseTable`]), and nothing at all of accounts without one.

use std::collections::{BTreeSet, HashMap};

use insula_model::{Budget, BudgetMode, Cap, Money, Subject, TenantId, Timestamp};
use insula_store::WindowKey;

use super::{
    account::{Account, Amounts, BudgetView},
    law::{self, Ask, Denial, Hold, Room, Verdict},
    shared::LeaseTable,
};

/// All accounts and budgets.
#[derive(Default)]
pub(super) struct Book {
    accounts: HashMap<Subject, Account>,
    budgets: HashMap<Subject, Vec<Budget>>,
    /// What this node leases; absent where it is alone.
    leases: Option<LeaseTable>,
}

impl Book {
    /// The book of one of several nodes.
    pub fn among_others(epoch: u64) -> Self {
        Self { leases: Some(LeaseTable::new(epoch)), ..Self::default() }
    }

    pub fn leases(&mut self) -> Option<&mut LeaseTable> {
        self.leases.as_mut()
    }

    pub fn missing(&self, subjects: &[Subject]) -> Vec<Subject> {
        subjects.iter().filter(|subject| !self.is_open(subject)).copied().collect()
    }

    /// Whether an account knows what its budgets ask for: nobody asks what an end user without a budget has spent, and there may
    /// be millions of them.
    fn is_open(&self, subject: &Subject) -> bool {
        let is_unasked = matches!(subject, Subject::EndUser(..)) && self.budgets(subject).is_empty();
        is_unasked || self.accounts.get(subject).is_some_and(|account| !account.is_partial())
    }

    pub fn insert_if_missing(&mut self, subject: Subject, account: Account) {
        self.accounts.entry(subject).or_insert(account);
    }

    /// The past of an end user is about to be read: what settles from now on is noted. False where it is known already.
    pub fn begin_opening(&mut self, subject: Subject, now: Timestamp) -> bool {
        if self.is_open(&subject) {
            return false;
        }
        self.accounts.entry(subject).or_insert_with(|| Account::partial(now)).forget_settled();
        true
    }

    /// Opens an end user's account with what was read of its past. Not where something was settled meanwhile, which that may
    /// hold or not: except when it `must`, it is counted on top.
    pub fn end_opening(&mut self, subject: Subject, mut account: Account, now: Timestamp, must: bool) -> bool {
        if let Some(partial) = self.accounts.get_mut(&subject) {
            if !partial.has_settled_nothing() && !must {
                return false;
            }
            account.roll(now);
            partial.roll(now);
            account.take_over(partial);
        }
        self.accounts.insert(subject, account);
        // The budget may be gone again.
        self.close_if_unasked(&subject);
        true
    }

    pub fn set_budgets(&mut self, subject: Subject, budgets: Vec<Budget>) {
        if let Some(leases) = self.leases.as_mut().filter(|_| self.budgets.get(&subject) != Some(&budgets)) {
            leases.budgets_changed(subject, &budgets);
        }
        if budgets.is_empty() {
            self.budgets.remove(&subject);
            self.close_if_unasked(&subject);
        } else {
            self.budgets.insert(subject, budgets);
        }
    }

    /// An end user's account is kept while something is held in it or a budget caps it.
    fn close_if_unasked(&mut self, subject: &Subject) {
        let is_unasked = matches!(subject, Subject::EndUser(..)) && self.budgets(subject).is_empty();
        if is_unasked && self.accounts.get(subject).is_some_and(Account::is_idle) {
            self.accounts.remove(subject);
        }
    }

    /// The subjects of a tenant that have budgets.
    pub fn budgeted(&self, tenant: TenantId) -> impl Iterator<Item = Subject> {
        self.budgets.keys().filter(move |subject| subject.tenant() == Some(tenant)).copied()
    }

    pub fn budgets(&self, subject: &Subject) -> &[Budget] {
        self.budgets.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Whoever has budgets.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.budgets.keys()
    }

    pub fn is_capped(&self, subjects: &[Subject]) -> bool {
        !self.budgets.is_empty() && subjects.iter().any(|subject| hard(self.budgets(subject)).next().is_some())
    }

    pub fn caps_tokens(&self, subjects: &[Subject]) -> bool {
        self.hard_budgets(subjects).any(|(_, budget)| matches!(budget.cap, Cap::Tokens(_)))
    }

    pub fn counts_tokens(&self, subjects: &[Subject]) -> bool {
        subjects.iter().flat_map(|subject| self.budgets(subject)).any(|budget| matches!(budget.cap, Cap::Tokens(_)))
    }

    pub fn forget(&mut self, tenant: TenantId) {
        let forgotten: Vec<_> = self.budgeted(tenant).collect();
        for subject in forgotten {
            self.set_budgets(subject, Vec::new());
        }
        self.accounts.retain(|subject, _| subject.tenant() != Some(tenant));
    }

    /// Holds the ask in all its accounts, or in none.
    pub fn reserve(&mut self, ask: &Ask, now: Timestamp) -> Verdict {
        for subject in &ask.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.roll(now);
            }
        }
        match law::output_granted(ask, self.rooms(ask, now)) {
            Ok(output_tokens_max) => self.hold(ask, output_tokens_max, now),
            Err(denial) => denial.into(),
        }
    }

    /// Holds the ask from what this node leases already, where nothing about its windows has to be asked: all of what it wants,
    /// and only while there is plenty for all nodes.
    pub fn reserve_leased(&mut self, ask: &Ask, now: Timestamp) -> Option<Hold> {
        let (leases, most) = (self.leases.as_ref()?, ask.output.most());
        let suffices = |(subject, budget): (&Subject, &Budget)| {
            let slice = leases.slice(&window(*subject, budget, now));
            slice.is_some_and(|free| law::affordable(ask, budget.cap, free).is_some_and(|tokens| tokens >= most))
        };
        if !self.hard_budgets(&ask.subjects).all(suffices) {
            return None;
        }
        match self.hold(ask, most, now) {
            Verdict::Granted(hold) => Some(hold),
            _ => None,
        }
    }

    /// Whether the ask would fit, now or once others' holds come back; holds nothing.
    pub fn could_fit(&self, ask: &Ask, now: Timestamp) -> bool {
        !matches!(law::output_granted(ask, self.rooms(ask, now)), Err(Denial::Refused(_)))
    }

    /// The windows whose states decide about an ask among several nodes.
    pub fn windows<'a>(&'a self, ask: &'a Ask, now: Timestamp) -> impl Iterator<Item = WindowKey> + 'a {
        self.hard_budgets(&ask.subjects).map(move |(subject, budget)| window(*subject, budget, now))
    }

    fn hold(&mut self, ask: &Ask, output_tokens_max: u64, now: Timestamp) -> Verdict {
        let amounts = ask.amounts(output_tokens_max);
        if amounts.money > Money::STORABLE_MAX {
            return Verdict::TooLarge;
        }
        let mut hold = Hold::of(ask, now, amounts, output_tokens_max);
        for subject in &ask.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.hold(amounts);
            } else if self.leases.is_none() && matches!(subject, Subject::EndUser(..)) {
                // Remembered while it is held: a budget may be set meanwhile.
                self.accounts.entry(*subject).or_insert_with(|| Account::partial(now)).hold(amounts);
            }
        }
        let windows: BTreeSet<_> = if self.leases.is_some() { self.windows(ask, now).collect() } else { BTreeSet::new() };
        if let Some(leases) = &mut self.leases {
            leases.hold(&mut hold, windows);
        }
        Verdict::Granted(hold)
    }

    fn rooms<'a>(&'a self, ask: &'a Ask, now: Timestamp) -> impl Iterator<Item = Room<'a>> {
        self.hard_budgets(&ask.subjects).filter_map(move |(subject, budget)| match &self.leases {
            None => Some(self.accounts.get(subject)?.room(*subject, budget)),
            Some(leases) => leases.room(window(*subject, budget, now), budget),
        })
    }

    fn hard_budgets<'a>(&'a self, subjects: &'a [Subject]) -> impl Iterator<Item = (&'a Subject, &'a Budget)> {
        subjects.iter().flat_map(|subject| hard(self.budgets(subject)).map(move |budget| (subject, budget)))
    }

    pub fn settle(&mut self, hold: &Hold, used: Amounts) {
        if let Some(leases) = &mut self.leases {
            leases.settle(hold);
        }
        for subject in &hold.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.settle(hold.at, hold.amounts, used);
            }
            self.close_if_unasked(subject);
        }
    }

    pub fn release(&mut self, hold: &Hold) {
        self.settle(hold, Amounts::default());
    }

    pub fn view(&mut self, subject: &Subject, now: Timestamp) -> Vec<BudgetView> {
        let Some(account) = self.accounts.get_mut(subject) else { return Vec::new() };
        account.roll(now);
        let account = &*account;
        self.budgets
            .get(subject)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|budget| {
                let tally = account.tally(budget.window);
                BudgetView { budget: budget.clone(), used: tally.settled, reserved: tally.held, resets_at: tally.span.end }
            })
            .collect()
    }
}

fn hard(budgets: &[Budget]) -> impl Iterator<Item = &Budget> {
    budgets.iter().filter(|budget| budget.mode == BudgetMode::Hard)
}

/// The window of a budget that runs at `now`.
fn window(subject: Subject, budget: &Budget, now: Timestamp) -> WindowKey {
    let starts_at = budget.window.span(now).start;
    WindowKey { subject, window: budget.window, unit: super::shared::unit(budget.cap), starts_at }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "levels_tests.rs"]
mod levels_tests;
