//! The law of budgets: what an ask may take of the rooms that its hard budgets leave. The same for one node and for several.

use std::sync::OnceLock;

use insula_model::{Budget, BudgetRefusal, Cap, Money, Price, Subject, TenantId, Timestamp};
use insula_store::{LeaseMove, WindowKey};

use super::Amounts;

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

impl OutputAsk {
    /// The fewest that will do, the most that are wanted, and into how many equal parts they fall.
    fn bounds(self) -> (u64, u64, u64) {
        match self {
            OutputAsk::Fixed(tokens) => (tokens, tokens, 1),
            OutputAsk::Open { floor, most, choices } => {
                (floor.min(most).saturating_mul(choices), most.saturating_mul(choices), choices)
            }
        }
    }

    /// The most that are wanted, over all choices.
    pub(super) fn most(self) -> u64 {
        self.bounds().1
    }
}

impl Ask {
    /// What it takes at most with so many output tokens.
    pub(super) fn amounts(&self, output_tokens_max: u64) -> Amounts {
        Amounts {
            money: self.price.bound(self.input_tokens_max, output_tokens_max),
            tokens: self.input_tokens_max.saturating_add(output_tokens_max),
        }
    }
}

/// A call without a stated maximum takes at most this share of what is free, so that it does not hold up all others.
const OPEN_SHARE: i128 = 8;

/// Money and tokens that are held for one attempt.
#[derive(Debug, Clone)]
pub struct Hold {
    pub(super) subjects: Vec<Subject>,
    pub(super) at: Timestamp,
    pub(super) amounts: Amounts,
    /// What it holds of this node's leases, and in which epoch they were leased. Nothing where the node is alone.
    pub(super) leased: Vec<(WindowKey, i64)>,
    pub(super) epoch: u64,
    /// What its end moves of them, once that was decided.
    pub(super) moves: OnceLock<Vec<LeaseMove>>,
    /// The output tokens granted over all choices: what is sent upstream as the maximum.
    pub output_tokens_max: u64,
    /// The input tokens that it was computed with.
    pub input_tokens_max: u64,
    /// Whether the output maximum is ours, and so has to be sent upstream, rather than the caller's.
    pub sets_output_max: bool,
}

impl Hold {
    /// What `ask` holds from `at` on.
    pub(super) fn of(ask: &Ask, at: Timestamp, amounts: Amounts, output_tokens_max: u64) -> Self {
        Self {
            subjects: ask.subjects.clone(),
            at,
            amounts,
            leased: Vec::new(),
            epoch: 0,
            moves: OnceLock::new(),
            output_tokens_max,
            input_tokens_max: ask.input_tokens_max,
            sets_output_max: matches!(ask.output, OutputAsk::Open { .. }),
        }
    }

    /// When it was reserved: this decides the windows it belongs to.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether any of it is leased of what several nodes share.
    pub fn is_leased(&self) -> bool {
        !self.leased.is_empty()
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
    /// It would have to wait, and too many of its tenant do already.
    Crowded,
    /// It could cost more than an amount can be.
    TooLarge,
    /// What the nodes share could not be asked.
    Failed(insula_model::Error),
}

/// Why an ask gets nothing now.
pub(super) enum Denial {
    /// It does not fit what is left, even with nothing held.
    Refused(Box<Refusal>),
    /// It would fit if what others hold of this account came back.
    Wait(Subject),
}

impl From<Denial> for Verdict {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Refused(refusal) => Verdict::Refused(refusal),
            Denial::Wait(account) => Verdict::Wait(account),
        }
    }
}

/// What a hard budget leaves in its running window, in its own unit.
pub(super) struct Room<'a> {
    pub subject: Subject,
    pub budget: &'a Budget,
    /// What may be spent.
    pub cap: i128,
    /// What is spent.
    pub settled: i128,
    /// What can be had now: the cap less what is spent less what is held.
    pub free: i128,
    pub resets_at: Timestamp,
}

impl Room<'_> {
    /// Limit less settled: what could be had if nothing were held.
    fn unsettled(&self) -> i128 {
        self.cap - self.settled
    }

    /// What a decimal or a count looks like to a person.
    fn shown(&self, amount: i128) -> String {
        match self.budget.cap {
            Cap::Usd(_) => Money::from_pico(amount).to_string(),
            Cap::Tokens(_) => amount.to_string(),
        }
    }
}

/// How many output tokens all rooms can cover now, or why not.
pub(super) fn output_granted<'a>(ask: &Ask, rooms: impl Iterator<Item = Room<'a>>) -> Result<u64, Denial> {
    let (least, most, choices) = ask.output.bounds();
    let (mut granted, mut awaited) = (most, None);
    for room in rooms {
        if affordable(ask, room.budget.cap, room.unsettled()).is_none_or(|tokens| tokens < least) {
            return Err(Denial::Refused(Box::new(refusal(ask, least, &room))));
        }
        match affordable(ask, room.budget.cap, room.free) {
            Some(tokens) if tokens >= least => {
                let share = affordable(ask, room.budget.cap, room.free / OPEN_SHARE).unwrap_or(0);
                granted = granted.min(share.max(least));
            }
            _ => awaited = awaited.or(Some(room.subject)),
        }
    }
    if let Some(account) = awaited {
        return Err(Denial::Wait(account));
    }
    // Each choice gets the same maximum, so the sum is a multiple of the choices.
    Ok(granted / choices.max(1) * choices.max(1))
}

/// The most output tokens that `left` of a budget covers after the input; `None` when not even the input.
pub(super) fn affordable(ask: &Ask, cap: Cap, left: i128) -> Option<u64> {
    let (input, per_token) = match cap {
        Cap::Usd(_) => (ask.price.bound(ask.input_tokens_max, 0).pico(), i128::from(ask.price.output_pico)),
        Cap::Tokens(_) => (i128::from(ask.input_tokens_max), 1),
    };
    // A budget of nothing covers nothing, not even a call that is free.
    if left <= 0 || left < input {
        return None;
    }
    Some((left - input).checked_div(per_token).map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX)))
}

/// How much of a cap is used, in whole percent; a cap of nothing is used up.
pub(super) fn percent(used: i128, cap: i128) -> u64 {
    match used.saturating_mul(100).checked_div(cap) {
        Some(percent) => u64::try_from(percent.max(0)).unwrap_or(u64::MAX),
        None => 100,
    }
}

fn refusal(ask: &Ask, output_tokens: u64, room: &Room<'_>) -> Refusal {
    let needed = ask.amounts(output_tokens);
    let (unit, needed) = match room.budget.cap {
        Cap::Usd(_) => ("usd", needed.money.to_string()),
        Cap::Tokens(_) => ("tokens", needed.tokens.to_string()),
    };
    let shown = BudgetRefusal {
        level: room.budget.level(),
        window: room.budget.window,
        unit,
        used: room.shown(room.settled),
        limit: room.shown(room.cap),
        used_percent: percent(room.settled, room.cap),
        resets_at: room.resets_at,
    };
    Refusal { shown, needed }
}
