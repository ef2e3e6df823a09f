//! Counts that several nodes share, in Redis.
//!
//! Every question is one script, so one round trip, and it counts all that it is asked or nothing. Keys are keyed hashes and end by
//! themselves; every value carries its tenant's tag, which the script compares: one that is not the tenant's refuses, and is logged.
//!
//! While Redis is away (no answer within the timeout, then for a second nobody asks it) each node gives out its share of every
//! limit: the limit divided by the number of live nodes, rounded up.

mod answers;
mod changes;
mod dial;
mod fallback;
mod leases;
mod link;
mod names;
mod ping;
mod scripts;
#[cfg(test)]
mod tests;

pub(super) use fallback::Nodes;
pub(super) use leases::Lease;
pub use ping::ping;
#[cfg(test)]
pub(super) use tests::World;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use insula_model::{Clock, OsRandom, Random, Result, Subject};
use redis::Value;
use tokio::sync::watch;

use self::{
    answers::Answers,
    changes::Listener,
    dial::Dial,
    fallback::Fallback,
    leases::Leases,
    link::{Away, Link, Task},
    names::Names,
    scripts::Scripts,
};
use super::{Charge, RateDecision, RateState, Seat, push::Changes, rate, seats};
use crate::AnswerKey;

/// What is said when Redis cannot be asked to count.
const WITHOUT: &str = "this node counts on its own until it is back";

/// How long a request waits for Redis unless told otherwise.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How to reach Redis. `Debug` shows neither password nor secret.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:6379`, or `rediss://` for TLS.
    pub url: String,
    /// Certificates to trust beside those that every browser does, as PEM.
    pub ca_file: Option<PathBuf>,
    /// What names and tags are made of; the same on all nodes.
    pub secret: [u8; 32],
    /// How long a request waits before this node counts on its own.
    pub timeout: Duration,
}

/// Counts that several nodes share.
pub struct Redis {
    names: Names,
    scripts: Arc<Scripts>,
    link: Arc<Link>,
    /// Every seat that this node holds, wherever it was taken: what its share is measured by when Redis is away.
    own: Arc<seats::Seats>,
    leases: Arc<Leases>,
    fallback: Fallback,
    changes: Changes,
    answers: Answers,
    node: String,
    /// They end with this.
    _tasks: [Task; 3],
}

impl RedisOptions {
    /// With the usual timeout and no authority of one's own.
    pub fn new(url: impl Into<String>, secret: [u8; 32]) -> Self {
        Self { url: url.into(), ca_file: None, secret, timeout: TIMEOUT }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = dial::address(&self.url);
        f.debug_struct("RedisOptions").field("address", &address).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("node", &self.node).field("seats", &self.leases.len()).finish_non_exhaustive()
    }
}

impl Redis {
    /// Connects. Redis may be away: then this node counts on its own until it is there.
    pub(super) async fn open(options: RedisOptions, clock: Arc<dyn Clock>, nodes: Nodes) -> Result<Self> {
        Self::start(options, clock, nodes, Scripts::default()).await
    }

    async fn start(options: RedisOptions, clock: Arc<dyn Clock>, nodes: Nodes, scripts: Scripts) -> Result<Self> {
        let (names, scripts) = (Names::new(&options.secret), Arc::new(scripts));
        let dial = Arc::new(Dial::new(&options)?);
        let (link, maker) = Link::open(dial.clone(), scripts.clone(), names.probe(), options.timeout, WITHOUT).await?;
        let answers = Answers::open(dial.clone(), scripts.clone(), names.probe(), options.timeout).await?;
        let mut random = [0; 16];
        OsRandom.fill(&mut random);
        let node = format!("{:032x}", u128::from_be_bytes(random));
        let (leases, returns) = Leases::new(node.clone());
        let keeper = Task::spawn(leases::keep(leases.clone(), link.clone(), scripts.clone(), returns));
        let changes = Changes::default();
        let listener = Listener { dial, channel: names.changes(), own: node.clone(), changes: changes.clone() };
        Ok(Self {
            names,
            scripts,
            link,
            own: Arc::default(),
            leases,
            fallback: Fallback::new(clock, nodes),
            changes,
            answers,
            node,
            _tasks: [maker, keeper, Task::spawn(listener.listen())],
        })
    }

    /// Charges all or none.
    pub(super) async fn charge(&self, charges: &[Charge]) -> RateDecision {
        if charges.is_empty() {
            return RateDecision { allowed: true, refused: None, remaining: Vec::new() };
        }
        let owed: Vec<u64> = charges.iter().map(|charge| self.fallback.take_owed(charge)).collect();
        match self.link.ask(&self.charge_call(charges, &owed)).await {
            Ok(answer) => self.decided(charges, &answer),
            Err(Away) => {
                charges.iter().zip(owed).for_each(|(charge, owed)| self.fallback.owe_again(charge, owed));
                self.fallback.charge(charges)
            }
        }
    }

    fn charge_call(&self, charges: &[Charge], owed: &[u64]) -> redis::Cmd {
        let names: Vec<_> = charges.iter().map(|charge| self.names.of(&charge.subject)).collect();
        let keys = names.iter().zip(charges).map(|(names, charge)| names.limiter(charge.kind));
        let mut command = self.scripts.charge.call(keys);
        for ((charge, names), owed) in charges.iter().zip(&names).zip(owed) {
            // The API takes no limit below 1; should one come, it is treated as 1. More than a minute's counts as all of it.
            let limit = charge.per_minute.max(1);
            command.arg(&names.tag).arg(limit).arg(charge.amount.min(limit)).arg(*owed);
        }
        command
    }

    fn decided(&self, charges: &[Charge], answer: &Value) -> RateDecision {
        let numbers = numbers(answer);
        let (standings, []) = numbers.get(1..).unwrap_or_default().as_chunks::<2>() else {
            return closed(charges, &numbers);
        };
        if standings.len() != charges.len() {
            return closed(charges, &numbers);
        }
        let booked: Vec<u64> = standings.iter().map(|[booked, _]| *booked).collect();
        self.fallback.follow(charges, &booked);
        let state = |(charge, booked): (&Charge, &u64)| rate::state_of(charge.per_minute, *booked);
        let remaining = charges.iter().zip(&booked).map(state).collect();
        if numbers.first() == Some(&TAKEN) {
            return RateDecision { allowed: true, refused: None, remaining };
        }
        let waits = standings.iter().map(|[_, wait]| Duration::from_nanos(*wait)).enumerate();
        // Of several with the same wait the first.
        let longest = waits.reduce(|longest, next| if next.1 > longest.1 { next } else { longest });
        RateDecision { allowed: false, refused: longest, remaining }
    }

    /// Takes a seat with each or none. The platform's are this node's own.
    pub(super) async fn seat(&self, wanted: &[(Subject, u32)]) -> Result<Seat, usize> {
        let (here, shared): (Vec<usize>, Vec<usize>) =
            (0..wanted.len()).partition(|index| matches!(wanted.get(*index), Some((Subject::Platform, _))));
        let pick = |indices: &[usize]| -> Vec<(Subject, u32)> {
            indices.iter().filter_map(|index| wanted.get(*index).copied()).collect()
        };
        let index_in = |indices: &[usize], index: usize| indices.get(index).copied().unwrap_or_default();
        let platform = self.own.clone().take(&pick(&here)).map_err(|full| index_in(&here, full))?;
        if shared.is_empty() {
            return Ok(Seat::here(platform));
        }
        let leased = self.lease(&pick(&shared)).await.map_err(|full| index_in(&shared, full))?;
        Ok(Seat { _here: platform, _leased: Some(leased) })
    }

    /// A seat with each of some subjects that are counted for all nodes, or none.
    async fn lease(&self, wanted: &[(Subject, u32)]) -> Result<(seats::Seat, Lease), usize> {
        let own = |limit: &dyn Fn(u32) -> u32| {
            let limited: Vec<_> = wanted.iter().map(|(subject, seats)| (*subject, limit(*seats))).collect();
            self.own.clone().take(&limited)
        };
        // From here on it is given back when this is dropped, even where nobody waited for the answer.
        let lease = self.leases.ask(&self.names, wanted);
        let own = match self.link.ask(&lease.call(&self.scripts, wanted)).await {
            Ok(answer) => match *numbers(&answer) {
                // It counts here too, whatever this node's share would be.
                [TAKEN] => own(&|_| u32::MAX)?,
                [verdict, index] => {
                    lease.forget();
                    let index = usize::try_from(index).unwrap_or_default().saturating_sub(1);
                    if verdict != REFUSED {
                        foreign(wanted.get(index).map(|(subject, _)| subject), "seats");
                    }
                    return Err(index);
                }
                _ => {
                    foreign(None, "seats");
                    return Err(0);
                }
            },
            // With the next renewal Redis hears of it.
            Err(Away) => own(&|seats| self.fallback.share(seats))?,
        };
        lease.hold();
        Ok((own, lease))
    }

    /// Tells all nodes, this one included, that something changed.
    pub(super) async fn push_changes(&self) {
        self.changes.signal();
        // Where it cannot be told, other nodes find it by looking.
        let _ = self.link.ask(redis::cmd("PUBLISH").arg(self.names.changes()).arg(&self.node)).await;
    }

    /// The sealed answer that is kept under a key.
    pub(super) async fn find_answer(&self, key: &AnswerKey) -> Option<Vec<u8>> {
        self.answers.find(&self.names, key).await
    }

    /// Keeps a sealed answer.
    pub(super) async fn keep_answer(&self, key: &AnswerKey, sealed: &[u8], ttl: Duration) {
        self.answers.keep(&self.names, key, sealed, ttl).await;
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.watch()
    }
}

/// The scripts' verdicts; any other is about a value that is not its tenant's.
const REFUSED: u64 = 0;
const TAKEN: u64 = 1;

/// The numbers of a script's answer; none where it is something else.
fn numbers(answer: &Value) -> Vec<u64> {
    redis::from_redis_value_ref(answer).unwrap_or_default()
}

/// The answer where a limiter's value is not its tenant's: nothing passes until it is gone.
fn closed(charges: &[Charge], answer: &[u64]) -> RateDecision {
    let index = answer.get(1).and_then(|index| usize::try_from(*index).ok()).unwrap_or(1).saturating_sub(1);
    foreign(charges.get(index).map(|charge| &charge.subject), "rates");
    let wait = Duration::from_nanos(rate::MINUTE_NANOS);
    let state = |charge: &Charge| RateState { limit: charge.per_minute.max(1), remaining: 0, reset: wait };
    RateDecision { allowed: false, refused: Some((index, wait)), remaining: charges.iter().map(state).collect() }
}

/// Tells the log of a value that carries another's tag or is none of ours.
fn foreign(subject: Option<&Subject>, what: &'static str) {
    tracing::error!(?subject, what, "Redis holds a value that is not this tenant's: refused");
}
