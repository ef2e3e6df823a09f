//! The law of budgets: synchronous, without I/O, over all accounts at once.

use std::collections::HashMap;

use insula_model::{Budget, BudgetMode, BudgetRefusal, Cap, Money, Price, Subject, TenantId, Timestamp};

use super::account::{Account, Amounts, BudgetView, Headroom};

/// What a call may take at most, and from whom.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Whose turn it uses while it waits.
    pub tenant: TenantId,
    /// Every account it belongs to.
    pub subjects: Vec<Subject>,
    /// The most input tokens that it can have.
    pub input_tokens_max: u64,
    /// The output tokens that it wants.
    pub output: OutputAsk,
    /// What a token costs.
    pub price: Price,
}

/// How many output tokens a call wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputAsk {
    /// The caller said how many, over all choices.
    Fixed(u64),
    /// The caller left it open: as many as the budgets afford, within these bounds.
    Open {
        /// The fewest per choice that are worth sending.
        floor: u64,
        /// The most per choice.
        most: u64,
        /// How many choices share the amount.
        choices: u64,
    },
}

/// A call without a stated maximum takes at most this share of what is free, so that it does not hold up all others.
const OPEN_SHARE: i128 = 8;

/// Money and tokens that are held for one attempt.
#[derive(Debug, Clone)]
pub struct Hold {
    subjects: Vec<Subject>,
    at: Timestamp,
    amounts: Amounts,
    /// The output tokens granted over all choices: what is sent upstream as the maximum.
    pub output_tokens_max: u64,
    /// The input tokens that it was computed with.
    pub input_tokens_max: u64,
    /// Whether the output maximum is ours, and so has to be sent upstream, rather than the caller's.
    pub sets_output_max: bool,
}

impl Hold {
    /// When it was reserved: this decides the windows it belongs to.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What is held.
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }

    pub(super) fn tenant(&self) -> Option<TenantId> {
        self.subjects.iter().find_map(Subject::tenant)
    }
}

/// A refusal with what the call would have needed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub shown: BudgetRefusal,
    pub needed: String,
}

/// The answer to an ask.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is held.
    Granted(Hold),
    /// It does not fit what is left, even with nothing held.
    Refused(Box<Refusal>),
    /// It would fit if what others hold of this account came back.
    Wait(Subject),
    /// It could cost more than an amount can be.
    TooLarge,
}

/// All accounts and budgets.
#[derive(Default)]
pub(super) struct Book {
    accounts: HashMap<Subject, Account>,
    budgets: HashMap<Subject, Vec<Budget>>,
}

impl Book {
    pub fn missing(&self, subjects: &[Subject]) -> Vec<Subject> {
        subjects.iter().filter(|subject| !self.accounts.contains_key(subject)).copied().collect()
    }

    pub fn insert_if_missing(&mut self, subject: Subject, account: Account) {
        self.accounts.entry(subject).or_insert(account);
    }

    pub fn set_budgets(&mut self, subject: Subject, budgets: Vec<Budget>) {
        if budgets.is_empty() {
            self.budgets.remove(&subject);
        } else {
            self.budgets.insert(subject, budgets);
        }
    }

    pub fn budgets(&self, subject: &Subject) -> &[Budget] {
        self.budgets.get(subject).map_or(&[], Vec::as_slice)
    }

    pub fn is_capped(&self, subjects: &[Subject]) -> bool {
        !self.budgets.is_empty()
            && subjects.iter().any(|subject| self.budgets(subject).iter().any(|budget| budget.mode == BudgetMode::Hard))
    }

    pub fn forget(&mut self, tenant: TenantId) {
        self.accounts.retain(|subject, _| subject.tenant() != Some(tenant));
        self.budgets.retain(|subject, _| subject.tenant() != Some(tenant));
    }

    /// Holds the ask in all its accounts, or in none.
    pub fn reserve(&mut self, ask: &Ask, now: Timestamp) -> Verdict {
        for subject in &ask.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.roll(now);
            }
        }
        let output_tokens_max = match self.output_granted(ask) {
            Ok(tokens) => tokens,
            Err(verdict) => return verdict,
        };
        let amounts = Amounts {
            money: ask.price.bound(ask.input_tokens_max, output_tokens_max),
            tokens: ask.input_tokens_max.saturating_add(output_tokens_max),
        };
        if amounts.money > Money::STORABLE_MAX {
            return Verdict::TooLarge;
        }
        for subject in &ask.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.hold(amounts);
            }
        }
        Verdict::Granted(Hold {
            subjects: ask.subjects.clone(),
            at: now,
            amounts,
            output_tokens_max,
            input_tokens_max: ask.input_tokens_max,
            sets_output_max: matches!(ask.output, OutputAsk::Open { .. }),
        })
    }

    /// Whether the ask would fit, now or once others' holds come back; holds nothing.
    pub fn could_fit(&self, ask: &Ask) -> bool {
        !matches!(self.output_granted(ask), Err(Verdict::Refused(_)))
    }

    /// How many output tokens every hard budget can cover now, or why not.
    fn output_granted(&self, ask: &Ask) -> Result<u64, Verdict> {
        let (least, most, choices) = match ask.output {
            OutputAsk::Fixed(tokens) => (tokens, tokens, 1),
            OutputAsk::Open { floor, most, choices } => {
                (floor.min(most).saturating_mul(choices), most.saturating_mul(choices), choices)
            }
        };
        let (mut granted, mut awaited) = (most, None);
        for subject in &ask.subjects {
            let (Some(account), budgets) = (self.accounts.get(subject), self.budgets(subject)) else { continue };
            for room in budgets.iter().filter_map(|budget| Headroom::of(budget, account)) {
                if affordable(ask, &room, room.unsettled()).is_none_or(|tokens| tokens < least) {
                    return Err(Verdict::Refused(Box::new(refusal(ask, least, &room, subject))));
                }
                match affordable(ask, &room, room.free()) {
                    Some(tokens) if tokens >= least => {
                        let share = affordable(ask, &room, room.free() / OPEN_SHARE).unwrap_or(0);
                        granted = granted.min(share.max(least));
                    }
                    _ => awaited = awaited.or(Some(*subject)),
                }
            }
        }
        if let Some(account) = awaited {
            return Err(Verdict::Wait(account));
        }
        // Each choice gets the same maximum, so the sum is a multiple of the choices.
        Ok(granted / choices.max(1) * choices.max(1))
    }

    pub fn settle(&mut self, hold: &Hold, used: Amounts) {
        for subject in &hold.subjects {
            if let Some(account) = self.accounts.get_mut(subject) {
                account.settle(hold.at, hold.amounts, used);
            }
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

    pub fn held(&mut self, subject: &Subject, now: Timestamp) -> Amounts {
        let Some(account) = self.accounts.get_mut(subject) else { return Amounts::default() };
        account.roll(now);
        account.tally(insula_model::Window::Month).held
    }
}

/// The most output tokens that `left` of this budget covers after the input; `None` when not even the input.
fn affordable(ask: &Ask, room: &Headroom<'_>, left: i128) -> Option<u64> {
    let (input, per_token) = match room.budget.cap {
        Cap::Usd(_) => (ask.price.bound(ask.input_tokens_max, 0).pico(), i128::from(ask.price.output_pico)),
        Cap::Tokens(_) => (i128::from(ask.input_tokens_max), 1),
    };
    // A budget of nothing covers nothing, not even a call that is free.
    if left <= 0 || left < input {
        return None;
    }
    Some((left - input).checked_div(per_token).map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX)))
}

fn refusal(ask: &Ask, output_tokens: u64, room: &Headroom<'_>, subject: &Subject) -> Refusal {
    let money: Money = ask.price.bound(ask.input_tokens_max, output_tokens);
    let needed = match room.budget.cap {
        Cap::Usd(_) => money.to_string(),
        Cap::Tokens(_) => ask.input_tokens_max.saturating_add(output_tokens).to_string(),
    };
    Refusal {
        shown: BudgetRefusal {
            level: subject.level(),
            window: room.budget.window,
            unit: room.unit(),
            used: room.used_shown(),
            limit: room.limit_shown(),
            resets_at: room.tally.span.end,
        },
        needed,
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
