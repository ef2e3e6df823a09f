//! One subject's account: what is settled and held in the running hour, day and month.

use insula_model::{Budget, Cap, Money, Subject, Timestamp, Window, WindowSpan};

use super::law::{Room, percent};

/// Money and tokens side by side: every attempt moves both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Money.
    pub money: Money,
    /// Tokens of all classes.
    pub tokens: u64,
}

impl Amounts {
    pub(super) fn add(&mut self, other: Amounts) {
        self.money += other.money;
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    pub(super) fn take(&mut self, other: Amounts) {
        debug_assert!(self.money >= other.money && self.tokens >= other.tokens, "took back more than was held");
        self.money = self.money.saturating_sub(other.money);
        self.tokens = self.tokens.saturating_sub(other.tokens);
    }
}

/// A budget with the state of its running window.
#[derive(Debug, Clone)]
pub struct BudgetView {
    /// The budget.
    pub budget: Budget,
    /// Settled in the running window.
    pub used: Amounts,
    /// Held by attempts under way.
    pub reserved: Amounts,
    /// When the window ends.
    pub resets_at: Timestamp,
}

impl BudgetView {
    /// How much of the cap is settled, in whole percent.
    pub fn used_percent(&self) -> u64 {
        match self.budget.cap {
            Cap::Usd(limit) => percent(self.used.money.pico(), limit.pico()),
            Cap::Tokens(limit) => percent(self.used.tokens.into(), limit.into()),
        }
    }
}

/// What one window has settled and holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub span: WindowSpan,
    pub settled: Amounts,
    pub held: Amounts,
}

/// The tallies of one subject.
#[derive(Debug)]
pub(super) struct Account {
    tallies: [Tally; 3],
    /// Nothing is known of what was settled before it was opened: such an account only remembers what is held.
    is_partial: bool,
}

/// In the order of the tallies.
pub(super) const WINDOWS: [Window; 3] = [Window::Hour, Window::Day, Window::Month];

impl Account {
    /// An account at `now` to which these amounts were settled in these hours.
    pub fn starting_with(now: Timestamp, spent: impl IntoIterator<Item = (Timestamp, Amounts)>) -> Self {
        let mut tallies =
            WINDOWS.map(|window| Tally { span: window.span(now), settled: Amounts::default(), held: Amounts::default() });
        for (hour, amounts) in spent {
            for tally in tallies.iter_mut().filter(|tally| tally.span.contains(hour)) {
                tally.settled.add(amounts);
            }
        }
        Self { tallies, is_partial: false }
    }

    /// An account at `now` of whose past nothing is known.
    pub fn partial(now: Timestamp) -> Self {
        Self { is_partial: true, ..Self::starting_with(now, []) }
    }

    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether nothing is held that could still settle into a running window: the month's tally holds whatever the others do.
    pub fn is_idle(&self) -> bool {
        self.tally(Window::Month).held == Amounts::default()
    }

    /// Whether nothing was settled since it was opened or [`Account::forget_settled`] was called.
    pub fn has_settled_nothing(&self) -> bool {
        self.tallies.iter().all(|tally| tally.settled == Amounts::default())
    }

    /// Counts what is settled from now on only.
    pub fn forget_settled(&mut self) {
        for tally in &mut self.tallies {
            tally.settled = Amounts::default();
        }
    }

    /// Takes over what another account of the same subject holds, and settled.
    pub fn take_over(&mut self, other: &Account) {
        for (tally, other) in self.tallies.iter_mut().zip(&other.tallies).filter(|(tally, other)| tally.span == other.span) {
            tally.held.add(other.held);
            tally.settled.add(other.settled);
        }
    }

    /// Starts afresh every window that is over. What was held in it settles into the ledger, not into the new window.
    pub fn roll(&mut self, now: Timestamp) {
        for (tally, window) in self.tallies.iter_mut().zip(WINDOWS) {
            if now >= tally.span.end {
                *tally = Tally { span: window.span(now), settled: Amounts::default(), held: Amounts::default() };
            }
        }
    }

    pub fn tally(&self, window: Window) -> &Tally {
        match window {
            Window::Hour => &self.tallies[0],
            Window::Day => &self.tallies[1],
            Window::Month => &self.tallies[2],
        }
    }

    /// What a hard budget of this account leaves.
    pub fn room<'a>(&self, subject: Subject, budget: &'a Budget) -> Room<'a> {
        let tally = self.tally(budget.window);
        let (cap, settled, held) = match budget.cap {
            Cap::Usd(limit) => (limit.pico(), tally.settled.money.pico(), tally.held.money.pico()),
            Cap::Tokens(limit) => (i128::from(limit), i128::from(tally.settled.tokens), i128::from(tally.held.tokens)),
        };
        Room { subject, budget, cap, settled, free: cap - settled - held, resets_at: tally.span.end }
    }

    /// Holds `amounts` from `at` on.
    pub fn hold(&mut self, amounts: Amounts) {
        for tally in &mut self.tallies {
            tally.held.add(amounts);
        }
    }

    /// Takes back what was held at `at` and settles `used`, in the windows that still run.
    pub fn settle(&mut self, at: Timestamp, held: Amounts, used: Amounts) {
        for tally in self.tallies.iter_mut().filter(|tally| tally.span.contains(at)) {
            tally.held.take(held);
            tally.settled.add(used);
        }
    }
}
