//! What requests must agree on while they run: pace ([`Coordination::charge`]) and concurrency ([`Coordination::seat`]).
//!
//! They also carry the signal that something changed ([`Coordination::push_changes`]), and answers that nodes share
//! ([`Coordination::find_answer`]).
//!
//! Pace is GCRA: a subject may take a minute's allowance at once, and gets it back evenly over a minute. Both kinds of call
//! take everything they ask for or nothing.

#[cfg(test)]
mod conformance;
mod push;
mod rate;
mod redis;
mod seats;

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Result, Subject};
use tokio::sync::watch;

pub use self::redis::{Redis, RedisOptions, ping};
use crate::AnswerKey;

/// Where pace and concurrency are counted.
#[derive(Debug)]
pub enum Coordination {
    /// In this process, for all its requests.
    Local(Local),
    /// For several nodes together.
    Redis(Box<Redis>),
}

/// Counts kept in this process.
#[derive(Debug)]
pub struct Local {
    rates: rate::Rates,
    seats: Arc<seats::Seats>,
    changes: push::Changes,
}

/// One seat with each of some subjects, given back when this is dropped.
#[derive(Debug)]
pub struct Seat {
    _here: seats::Seat,
    _leased: Option<(seats::Seat, redis::Lease)>,
}

impl Seat {
    /// Counted in this process alone.
    fn here(seat: seats::Seat) -> Self {
        Self { _here: seat, _leased: None }
    }
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
        let (rates, seats, changes) = (rate::Rates::new(clock), Arc::default(), push::Changes::default());
        Self::Local(Local { rates, seats, changes })
    }

    /// Counts in Redis, for all nodes that share it and the secret. While Redis is away, now or later, this node gives out its share:
    /// every limit divided by `nodes`, how many live nodes there are, and rounded up; then `clock` counts.
    ///
    /// # Errors
    /// `Invalid` when the URL is none, or Redis refuses its user or password.
    pub async fn redis(
        options: RedisOptions,
        clock: Arc<dyn Clock>,
        nodes: Arc<dyn Fn() -> u32 + Send + Sync>,
    ) -> Result<Self> {
        Ok(Self::Redis(Box::new(Redis::open(options, clock, nodes).await?)))
    }

    /// Whether several nodes count together here.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Charges all of these limits at once, or none of them where one refuses. A changed `per_minute` takes effect with the next
    /// charge; what share of a minute is used up stays used up.
    pub async fn charge(&self, charges: &[Charge]) -> RateDecision {
        match self {
            Self::Local(local) => local.rates.charge(charges),
            Self::Redis(redis) => redis.charge(charges).await,
        }
    }

    /// Takes a seat with each of these subjects, which has that many of them, or none where one is full: the error is its index.
    /// The seats are given back when the [`Seat`] is dropped. Those of [`Subject::Platform`] are this node's own, whoever counts.
    pub async fn seat(&self, wanted: &[(Subject, u32)]) -> Result<Seat, usize> {
        match self {
            Self::Local(local) => local.seats.clone().take(wanted).map(Seat::here),
            Self::Redis(redis) => redis.seat(wanted).await,
        }
    }

    /// Tells all nodes, this one included, that something that they keep a copy of has changed. Nobody may depend on being told: what
    /// cannot be delivered is lost.
    pub async fn push_changes(&self) {
        match self {
            Self::Local(local) => local.changes.signal(),
            Self::Redis(redis) => redis.push_changes().await,
        }
    }

    /// The sealed answer that some node keeps under this key; nothing where one process serves alone, or Redis is away.
    pub async fn find_answer(&self, key: &AnswerKey) -> Option<Vec<u8>> {
        match self {
            Self::Local(_) => None,
            Self::Redis(redis) => redis.find_answer(key).await,
        }
    }

    /// Keeps an answer for all nodes for at most `ttl`; the caller has sealed it. What cannot be kept is not.
    pub async fn keep_answer(&self, key: &AnswerKey, sealed: &[u8], ttl: Duration) {
        match self {
            Self::Local(_) => {}
            Self::Redis(redis) => redis.keep_answer(key, sealed, ttl).await,
        }
    }

    /// Is told whenever something changed somewhere, or may have: several changes in a row may be seen as one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        match self {
            Self::Local(local) => local.changes.watch(),
            Self::Redis(redis) => redis.changes(),
        }
    }
}
