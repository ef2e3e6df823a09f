//! What is leased: a hard budget's running window.

use insula_model::{Result, Subject, TenantId, Timestamp, Window};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;

use crate::query::{Field, Tx, Val};

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

/// Windows as the columns of `unnest`, in the order in which they were given.
#[derive(Default)]
pub(crate) struct WindowColumns {
    subjects: Vec<Vec<u8>>,
    spans: Vec<&'static str>,
    units: Vec<&'static str>,
    starts: Vec<i64>,
}

impl WindowColumns {
    pub(crate) fn of<'k>(keys: impl Iterator<Item = &'k WindowKey>) -> Self {
        let mut columns = Self::default();
        for key in keys {
            columns.subjects.push(subject_bytes(&key.subject));
            columns.spans.push(key.window.name());
            columns.units.push(key.unit.name());
            columns.starts.push(key.starts_at.micros());
        }
        columns
    }

    /// The first four parameters of a statement: subjects, spans, units, starts.
    pub(crate) fn params(&self) -> [&(dyn ToSql + Sync); 4] {
        [&self.subjects, &self.spans, &self.units, &self.starts]
    }
}

/// A subject as its column holds it.
pub(crate) fn subject_bytes(subject: &Subject) -> Vec<u8> {
    match subject.bind() {
        Val::Bytes(Some(bytes)) => bytes.into_owned(),
        _ => Vec::new(),
    }
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
