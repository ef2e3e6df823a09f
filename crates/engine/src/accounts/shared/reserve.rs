//! Reserving of leases, and what a budget looks like over all nodes.

use std::time::Duration;

use insula_model::{Result, Subject, Window};
use tokio::time::Instant;

use super::worker::Shared;
use crate::accounts::{
    Accounts, Amounts, BudgetView, Place, State,
    account::WINDOWS,
    law::{Ask, Hold},
    told,
};

/// How long a negotiation may take beside the time for which somebody waits for held money.
const NEGOTIATION_MAX: Duration = Duration::from_secs(15);

impl Accounts {
    /// Holds what `ask` may cost, or refuses; `None` where only held money stands in the way for longer than `wait_max`.
    pub(in crate::accounts) async fn reserve_shared(
        &self,
        shared: &Shared,
        ask: &Ask,
        wait_max: Duration,
    ) -> Result<Option<Hold>> {
        let turn = {
            let mut state = self.state.lock();
            let State { book, turns, .. } = &mut *state;
            let now = self.clock.now();
            if !book.is_capped(&ask.subjects) {
                return told(book.reserve(ask, now));
            }
            shared.may_spend()?;
            if !turns.is_behind(ask)
                && let Some(hold) = book.reserve_leased(ask, now)
            {
                return Ok(Some(hold));
            }
            turns.join_until(ask.clone(), Some(Instant::now() + wait_max))
        };
        shared.wake();
        let place = Place { accounts: self, tenant: ask.tenant, ticket: turn.ticket, outcome: Some(turn.outcome) };
        place.wait(wait_max + NEGOTIATION_MAX).await
    }

    /// The budgets of a subject with what all nodes spent and hold of them.
    pub(in crate::accounts) async fn view_shared(&self, shared: &Shared, subject: &Subject) -> Result<Vec<BudgetView>> {
        let budgets = self.state.lock().book.budgets(subject).to_vec();
        if budgets.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        // What this node settled so far is meant to be seen.
        self.store.flush_ledger().await?;
        let spent = self.store.control().spend_since(subject, Window::Month.span(now).start).await?;
        let mut views = Vec::with_capacity(budgets.len());
        for window in WINDOWS {
            let span = window.span(now);
            let (money, tokens) = match budgets.iter().any(|budget| budget.window == window) {
                true => shared.broker.reserved(subject, span.start).await?,
                false => continue,
            };
            let mut used = Amounts::default();
            for hour in spent.iter().filter(|hour| span.contains(hour.hour)) {
                used.add(Amounts { money: hour.money, tokens: hour.tokens });
            }
            let reserved = Amounts { money, tokens };
            let of_window = budgets.iter().enumerate().filter(|(_, budget)| budget.window == window);
            views
                .extend(of_window.map(|(place, budget)| {
                    (place, BudgetView { budget: budget.clone(), used, reserved, resets_at: span.end })
                }));
        }
        views.sort_by_key(|(place, _)| *place);
        Ok(views.into_iter().map(|(_, view)| view).collect())
    }
}
