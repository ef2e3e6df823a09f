//! What is leased: a hard budget's running window.

use insula_model::{Result, Subject, TenantId, Timestamp, Window};

use crate::query::Tx;
use serde::{Deserialize, Serialize};

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// Money, in picodollars.
    Usd,
    /// Tokens of all classes.
    Tokens,
}

impl Unit {
    /// The word for it, as budgets are stored with.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Usd => "usd",
            Unit::Tokens => "tokens",
        }
    }
}

/// One window of a hard budget. The order is the one in which windows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowKey {
    /// Whose budget.
    pub subject: Subject,
    /// Of which length.
    pub window: Window,
    /// What it counts.
    pub unit: Unit,
    /// When the window began.
    pub starts_at: Timestamp,
}

/// What becomes of a lease when an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseMove {
    /// Of which window.
    pub key: WindowKey,
    /// How much of the lease is spent now.
    pub consumed: i64,
    /// How much of it goes back to all nodes.
    pub returned: i64,
}

/// Forgets the windows of an erased tenant and of its keys, and what is leased of them. Where one node decides alone there are
/// none.
pub(crate) async fn forget_windows(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    let Tx::Postgres(tx) = tx else { return Ok(()) };
    let id = tenant.as_bytes().as_slice();
    super::before_budgets_change(tx).await?;
    let lock =
        "SELECT 1 FROM budget_windows WHERE substring(subject, 2, 16) = $1 ORDER BY subject, span, unit, starts_at FOR UPDATE";
    tx.rows(lock, &[&id]).await?;
    tx.run("DELETE FROM budget_windows WHERE substring(subject, 2, 16) = $1", &[&id]).await?;
    tx.run("DELETE FROM budget_leases WHERE substring(subject, 2, 16) = $1", &[&id]).await?;
    Ok(())
}
