//! What requests must agree on while they run: pace ([`Coordination::charge`]) and concurrency ([`Coordination::seat`]).
//!
//! Pace is GCRA: a subject may take a minute's allowance at once, and gets it back evenly over a minute. Both kinds of call
//! take everything they ask for or nothing.

mod rate;
mod seats;

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Subject};

pub use seats::Seat;

/// Where pace and concurrency are counted.
#[derive(Debug)]
pub enum Coordination {
    /// In this process, for all its requests.
    Local(Local),
}

/// Counts kept in this process.
#[derive(Debug)]
pub struct Local {
    rates: rate::Rates,
    seats: Arc<seats::Seats>,
}

/// What is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateKind {
    /// Requests in a minute.
    Requests,
    /// Tokens in a minute.
    Tokens,
}

/// One limit to check and charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Whose limit.
    pub subject: Subject,
    /// Of what.
    pub kind: RateKind,
    /// How much in a minute.
    pub per_minute: u32,
    /// How much this takes. 0 takes nothing and only asks how the limit stands. More than `per_minute` counts as all of it: it
    /// waits for a full minute's allowance and takes it whole, because it could otherwise never be served and any advice to
    /// try again later would be false.
    pub amount: u32,
}

/// How one limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// How much in a minute.
    pub limit: u32,
    /// How much could be taken at once right now.
    pub remaining: u32,
    /// How long until `remaining` is `limit` again, if nothing more is taken.
    pub reset: Duration,
}

/// Whether all charges were accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether they were; otherwise nothing was charged.
    pub allowed: bool,
    /// Which charge refused, as an index, and how long to wait before all could be accepted: of several the one with the
    /// longest wait.
    pub refused: Option<(usize, Duration)>,
    /// How each limit stands after the decision, in the order of the charges.
    pub remaining: Vec<RateState>,
}

impl Coordination {
    /// Counts in this process, by `clock`'s elapsed time.
    pub fn local(clock: Arc<dyn Clock>) -> Self {
        Self::Local(Local { rates: rate::Rates::new(clock), seats: Arc::default() })
    }

    /// Charges all of these limits at once, or none of them where one refuses. A changed `per_minute` takes effect with the next
    /// charge; what share of a minute is used up stays used up.
    pub async fn charge(&self, charges: &[Charge]) -> RateDecision {
        match self {
            Self::Local(local) => local.rates.charge(charges),
        }
    }

    /// Takes a seat with each of these subjects, which has that many of them, or none where one is full: the error is its index.
    /// The seats are given back when the [`Seat`] is dropped.
    pub async fn seat(&self, wanted: &[(Subject, u32)]) -> Result<Seat, usize> {
        match self {
            Self::Local(local) => local.seats.clone().take(wanted),
        }
    }
}
