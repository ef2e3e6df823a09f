//! What moves of a leased window when an attempt ends.

use insula_model::{Subject, Timestamp, Window};
use serde::{Deserialize, Serialize};

/// Held shared, to its end, by whatever moves `spend_hour` or the stored budgets; alone by who makes windows of them.
pub(crate) const LEDGER_LOCK: i64 = 0x1a5a_0002;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// Money, in picodollars.
    Usd,
    /// Tokens of all classes.
    Tokens,
}

impl Unit {
    /// The word for it, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Usd => "usd",
            Unit::Tokens => "tokens",
        }
    }
}

/// One window of one budget on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowKey {
    /// Whose budget.
    pub subject: Subject,
    /// Which kind of window.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// When it starts.
    pub starts_at: Timestamp,
}

/// Of what this node leases of a window, what an attempt used and what it leaves to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseMove {
    /// Which window.
    pub key: WindowKey,
    /// Becomes settled.
    pub consumed: i64,
    /// Goes back to all.
    pub returned: i64,
}
