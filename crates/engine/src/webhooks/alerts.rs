//! Budgets that moved: which of their shares are passed, and which are used up.

use std::time::Duration;

use insula_model::{Budget, Cap, ErrorKind, EventType, Result, Timestamp};
use insula_store::{Once, WebhookEvent};

use super::payload::budget_payload;
use crate::{
    Engine,
    accounts::{BudgetView, Moved},
};

/// Subjects that are looked at in one go; the rest waits for the next.
const SUBJECTS_MAX: usize = 256;

/// After how long it is looked again whether somebody wants to know.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// The mark of a budget that is used up, beside those of shares in permille.
const EXHAUSTED: u32 = 0;

/// A mark that a budget has reached.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reached {
    mark: u32,
    /// The share that was asked for; absent where the budget is used up.
    share: Option<f64>,
}

impl Engine {
    /// Looks at the budgets that moved or refused since the last time; true where more are waiting.
    pub(super) async fn look_at_budgets(&self) -> Result<bool> {
        let now = self.clock.now();
        self.webhooks.told.lock().retain(|_, until| *until > now);
        let (mut moved, more) = self.accounts.take_moved(SUBJECTS_MAX);
        while let Some(next) = moved.pop() {
            if let Err(error) = self.look_at(&next).await {
                self.accounts.put_back(moved.into_iter().chain([next]));
                return Err(error);
            }
        }
        Ok(more)
    }

    async fn look_at(&self, moved: &Moved) -> Result<()> {
        let now = self.clock.now();
        if !self.accounts.budgets(&moved.subject).iter().any(|budget| self.is_open(budget, now)) {
            return Ok(());
        }
        for view in self.accounts.view(&moved.subject).await? {
            // A window that ended since is nobody's concern any more.
            let has_refused = moved.refused.contains(&(view.budget.id, view.resets_at));
            for reached in reached(&view, has_refused) {
                self.tell(&view, reached).await?;
            }
        }
        Ok(())
    }

    /// Whether there is anything about a budget that was not told in its running window.
    fn is_open(&self, budget: &Budget, now: Timestamp) -> bool {
        let told = self.webhooks.told.lock();
        let mut marks = budget.alert_at.iter().map(|share| permille(*share)).chain([EXHAUSTED]);
        marks.any(|mark| told.get(&(budget.id, mark)).is_none_or(|until| *until <= now))
    }

    async fn tell(&self, view: &BudgetView, reached: Reached) -> Result<()> {
        let (budget, key) = (&view.budget, (view.budget.id, reached.mark));
        // Noted first: a webhook that is made meanwhile takes the note away, and is told in the next look.
        let now = self.clock.now();
        if self.webhooks.told.lock().get(&key).is_some_and(|until| *until > now) {
            return Ok(());
        }
        self.webhooks.told.lock().insert(key, view.resets_at);
        let event = self.budget_event(view, reached);
        let once = Once::BudgetMark(budget.id, window_start(view), reached.mark);
        match self.store.control().raise_event(&once, &event, self.settings.webhooks.pending_max).await {
            Ok(true) => {
                tracing::info!(budget = %budget.id, event = %event.id, kind = event.kind.name(), "webhooks are told of a budget");
                Ok(())
            }
            // It was told before, or nobody wants to know yet: who does may say so to another node.
            Ok(false) => {
                self.webhooks.told.lock().entry(key).and_modify(|until| *until = now.plus(ASKED_AGAIN).min(*until));
                Ok(())
            }
            // Its tenant is gone, and with it whoever wants to know.
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => {
                self.webhooks.told.lock().remove(&key);
                Err(error)
            }
        }
    }

    fn budget_event(&self, view: &BudgetView, reached: Reached) -> WebhookEvent {
        let (now, tenant) = (self.clock.now(), view.budget.subject.tenant());
        let kind = if reached.share.is_some() { EventType::BudgetAlert } else { EventType::BudgetExhausted };
        let entry = tenant.and_then(|tenant| self.directory.tenant(tenant));
        let hides_amounts = entry.as_ref().is_some_and(|entry| self.directory.sells_to(&entry.record));
        let payload = budget_payload(kind, now, view, reached.share, entry.as_deref(), hides_amounts);
        WebhookEvent { id: self.ids.event(), tenant, kind, created_at: now, payload }
    }
}

fn window_start(view: &BudgetView) -> Timestamp {
    view.budget.window.span(view.resets_at.minus(Duration::from_micros(1))).start
}

/// A share as it is marked. Finer ones than a permille are told as one.
fn permille(share: f64) -> u32 {
    ((share * 1_000.0).round() as u32).clamp(1, 1_000)
}

/// What a budget has reached. One without anything to spend has no shares.
fn reached(view: &BudgetView, has_refused: bool) -> Vec<Reached> {
    let (used, limit) = match view.budget.cap {
        Cap::Usd(limit) => (view.used.money.pico(), limit.pico()),
        Cap::Tokens(limit) => (i128::from(view.used.tokens), i128::from(limit)),
    };
    let passed = |share: f64| limit > 0 && used * 1_000 >= limit * i128::from(permille(share));
    let shares = view.budget.alert_at.iter().filter(|share| passed(**share));
    let mut reached: Vec<_> = shares.map(|share| Reached { mark: permille(*share), share: Some(*share) }).collect();
    if has_refused || limit > 0 && used >= limit {
        reached.push(Reached { mark: EXHAUSTED, share: None });
    }
    reached
}

#[cfg(test)]
mod tests {
    use insula_model::{BudgetId, BudgetMode, Money, Subject, Window};

    use super::*;
    use crate::accounts::Amounts;

    fn view(cap: Cap, used: Amounts) -> BudgetView {
        let budget = Budget {
            id: BudgetId::from_bytes([1; 16]),
            subject: Subject::Platform,
            window: Window::Month,
            cap,
            mode: BudgetMode::Soft,
            alert_at: vec![0.5, 0.8, 1.0],
            origin: Default::default(),
        };
        let now = Timestamp::parse("2026-02-15T12:00:00Z").unwrap();
        BudgetView { budget, used, reserved: Amounts::default(), resets_at: Window::Month.span(now).end }
    }

    fn marks(cap: Cap, used: Amounts, has_refused: bool) -> Vec<u32> {
        reached(&view(cap, used), has_refused).iter().map(|reached| reached.mark).collect()
    }

    #[test]
    fn shares_are_passed_exactly() {
        let usd = |text: &str| Amounts { money: Money::from_usd(text).unwrap(), tokens: u64::MAX };
        let ten = Cap::Usd(Money::from_usd("10").unwrap());
        assert_eq!(marks(ten, usd("4.999999"), false), [0; 0]);
        assert_eq!(marks(ten, usd("5"), false), [500]);
        assert_eq!(marks(ten, usd("7.999999999999"), false), [500]);
        assert_eq!(marks(ten, usd("8"), true), [500, 800, EXHAUSTED]);
        assert_eq!(marks(ten, usd("12"), false), [500, 800, 1_000, EXHAUSTED]);
        let tokens = |tokens| Amounts { money: Money::ZERO, tokens };
        assert_eq!(marks(Cap::Tokens(3), tokens(2), false), [500]);
        assert_eq!(marks(Cap::Tokens(0), tokens(0), false), [0; 0]);
        assert_eq!(marks(Cap::Tokens(0), tokens(0), true), [EXHAUSTED]);
    }

    #[test]
    fn a_window_is_known_by_its_end() {
        let view = view(Cap::Tokens(1), Amounts::default());
        assert_eq!(window_start(&view).to_string(), "2026-02-01T00:00:00Z");
    }
}
