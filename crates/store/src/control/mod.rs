//! The control database: who exists, what they may spend, what they spent. Never content.
//!
//! One file per noun; each adds its methods to [`Control`]. The ledger is written by the fold alone ([`ledger`]), everything
//! else by the management services.

mod budgets;
#[cfg(test)]
pub(crate) mod corrections;
mod erasures;
mod keys;
mod ledger;
mod limits;
mod operators;
mod spend;
mod tenants;
mod under_way;
mod usage;
mod verify;

use std::path::PathBuf;

use insula_model::{Error, ErrorKind, Result};

pub(crate) use ledger::{FoldBatch, Position, accounts, kept};
pub use operators::OperatorKey;
pub use spend::HourSpend;
pub use usage::{GroupBy, UsageQuery, UsageRow};
pub use verify::LedgerVerification;

use crate::{
    query::{Db, waiting},
    sqlite,
};

/// The control database. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    db: Db,
}

impl Control {
    /// Opens it in `file`, making it when absent.
    pub(crate) async fn open(file: PathBuf) -> Result<Self> {
        let db = waiting(move || sqlite::open_control(&file)).await?;
        Ok(Self { db })
    }

    /// The control tables of a database that is shared.
    pub(crate) fn over(db: Db) -> Self {
        Self { db }
    }

    /// Closes it; calls are refused from now on.
    pub(crate) async fn close(&self) -> Result<()> {
        self.db.close(stopped).await
    }
}

/// The refusal of a store that was closed.
pub(crate) fn stopped() -> Error {
    let retry_after = std::time::Duration::from_secs(1);
    Error::new(ErrorKind::Unavailable { retry_after }, "the server is stopping")
}
