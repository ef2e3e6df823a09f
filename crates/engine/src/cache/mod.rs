//! The answer cache: what a tenant's provider has answered is given again to the very same request of that tenant.
//!
//! - `question.rs`: what is asked, hashed with a secret of the tenant's;
//! - `look.rs`: the stage, which finds an answer or waits for one that is under way;
//! - `fill.rs`: what becomes of an answer when it is finished;
//! - `give.rs`: giving an answer again;
//! - `memory.rs`, `misses.rs`, `shared.rs`: answers of this node, answers under way here, answers that nodes share;
//! - `hits.rs`: counting what was saved;
//! - `tend.rs`: what is done behind the requests.

mod fill;
mod give;
mod hits;
mod look;
mod memory;
mod misses;
mod question;
mod shared;
mod tend;

use std::{borrow::Cow, sync::Arc, time::Duration};

use insula_model::{Money, Timestamp};
use insula_store::{AnswerKey, Seq};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub(crate) use fill::{Ended, Fill};
pub(crate) use give::give;
pub(crate) use hits::{Hits, write as write_hits};
pub(crate) use look::{Found, look};

use self::{memory::Memory, misses::Misses};
use crate::Transcript;

/// Bounds of the answer cache.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Bytes of all tenants' answers in this node's memory.
    pub memory_bytes_max: usize,
    /// Bytes of one tenant's.
    pub tenant_bytes_max: usize,
    /// Bytes of one answer; a longer one is not kept.
    pub answer_bytes_max: usize,
    /// How long a request waits for the same request that came before it.
    pub wait_max: Duration,
    /// How many wait for one answer at once; further ones are sent.
    pub waiters_max: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 * 1024 * 1024,
            tenant_bytes_max: 32 * 1024 * 1024,
            answer_bytes_max: 1024 * 1024,
            wait_max: Duration::from_secs(60),
            waiters_max: 1_000,
        }
    }
}

/// What a caller wants of the cache, as `cache-control` says (RFC 9111, section 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheControl {
    /// Neither look for an answer nor keep one.
    pub no_store: bool,
    /// Look for none, but keep the one that comes.
    pub no_cache: bool,
    /// Answer from the cache or not at all.
    pub only_if_cached: bool,
    /// How old an answer may be.
    pub max_age: Option<Duration>,
}

/// What a caller is told of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheView {
    /// The answer was there, and is so old.
    Hit {
        /// Since it was made.
        age: Duration,
    },
    /// There was none.
    Miss,
    /// The cache took no part.
    Bypass,
}

impl CacheView {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            CacheView::Hit { .. } => "hit",
            CacheView::Miss => "miss",
            CacheView::Bypass => "bypass",
        }
    }
}

/// What the cache did for a request, as its trace has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheRecord {
    /// `hit`, `miss` or `bypass`.
    pub status: Cow<'static, str>,
    /// What the answer had cost, where it was given again.
    pub saved: Money,
}

/// The cache of this node.
pub(crate) struct AnswerCache {
    settings: CacheSettings,
    memory: Mutex<Memory<AnswerKey>>,
    misses: Arc<Misses>,
    pub(crate) hits: Hits,
    is_tended: Mutex<bool>,
}

impl AnswerCache {
    pub fn new(settings: &CacheSettings, hits: Hits) -> Self {
        Self {
            settings: settings.clone(),
            memory: Mutex::new(Memory::new(settings.memory_bytes_max, settings.tenant_bytes_max)),
            misses: Arc::default(),
            hits,
            is_tended: Mutex::default(),
        }
    }
}

/// How an answer came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    at: Timestamp,
    /// The model as the price book names it.
    model: String,
    tokens: u64,
    cost: Money,
}

/// A finished answer.
#[derive(Debug)]
pub(crate) struct Kept {
    transcript: Arc<Transcript>,
    made: Made,
    /// The record of its attempt, where that is this node's: nobody sees the answer before it is durable.
    record: Option<Seq>,
}

impl Kept {
    fn age(&self, now: Timestamp) -> Duration {
        now.since(self.made.at)
    }
}
