//! Whose budgets moved since somebody last looked: what alerts are made of.
//!
//! Noted where money moves, which costs a look at the subject's budgets; whoever tells of it looks later, and only at these.

use std::collections::{HashMap, HashSet};

use insula_model::{Budget, BudgetId, BudgetMode, BudgetRefusal, Subject, Timestamp};

use super::{Accounts, Hold, book::Book};

/// A subject whose budgets moved, and which of them refused: by id and by when the window ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) subject: Subject,
    pub(crate) refused: HashSet<(BudgetId, Timestamp)>,
}

/// All that moved and was not looked at yet.
#[derive(Default)]
pub(super) struct Watch(HashMap<Subject, HashSet<(BudgetId, Timestamp)>>);

impl Watch {
    /// What a hold was settled to has moved.
    pub fn settled(&mut self, book: &Book, hold: &Hold) {
        for subject in &hold.subjects {
            self.moved(book, subject);
        }
    }

    /// A subject's account or its budgets changed.
    pub fn moved(&mut self, book: &Book, subject: &Subject) {
        if book.budgets(subject).iter().any(is_watched) {
            self.0.entry(*subject).or_default();
        }
    }
}

/// Whether a look is worth its while whenever the budget moves. A hard one without alerts tells by its refusal.
fn is_watched(budget: &Budget) -> bool {
    !budget.alert_at.is_empty() || budget.mode == BudgetMode::Soft
}

impl Accounts {
    /// Notes that a budget of one of these subjects refused.
    pub(crate) fn note_refusal(&self, subjects: &[Subject], refusal: &BudgetRefusal) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let is_it = |budget: &&Budget| {
            let unit = super::shared::unit(budget.cap).name();
            (budget.level(), budget.window, unit, budget.mode)
                == (refusal.level, refusal.window, refusal.unit, BudgetMode::Hard)
        };
        for subject in subjects {
            for budget in state.book.budgets(subject).iter().filter(is_it) {
                state.watch.0.entry(*subject).or_default().insert((budget.id, refusal.resets_at));
            }
        }
    }

    /// Takes out up to `count` subjects that moved; true where more did.
    pub(crate) fn take_moved(&self, count: usize) -> (Vec<Moved>, bool) {
        let watch = &mut self.state.lock().watch.0;
        let subjects: Vec<_> = watch.keys().take(count).copied().collect();
        let taken = subjects.into_iter().filter_map(|subject| {
            let refused = watch.remove(&subject)?;
            Some(Moved { subject, refused })
        });
        let taken: Vec<_> = taken.collect();
        (taken, !watch.is_empty())
    }

    /// Puts back what could not be looked at.
    pub(crate) fn put_back(&self, moved: impl IntoIterator<Item = Moved>) {
        let watch = &mut self.state.lock().watch.0;
        for Moved { subject, refused } in moved {
            watch.entry(subject).or_default().extend(refused);
        }
    }

    /// Everything counts as moved: after a start, or when somebody new wants to know.
    pub(crate) fn watch_all(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        for subject in state.book.subjects() {
            state.watch.moved(&state.book, subject);
        }
    }
}
