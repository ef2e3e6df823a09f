//! The control database: who exists, what they may spend, what they spent. Never content.
//!
//! One file per noun; each adds its methods to [`Control`]. The ledger is written by the fold alone ([`ledger`]), everything
//! else by the management services.

mod batch_runs;
mod budgets;
#[cfg(test)]
pub(crate) mod corrections;
mod credits;
mod end_users;
mod erasures;
#[cfg(test)]
mod explained;
mod export;
mod inherited;
mod keys;
mod ledger;
mod limits;
mod operators;
mod plans;
mod segments;
mod spend;
mod statement;
mod tag_sets;
mod tenants;
mod under_way;
mod usage;
mod verify;
mod webhook_deliveries;
mod webhook_events;
mod webhooks;

use std::{path::PathBuf, sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use batch_runs::BatchRun;
pub use credits::Credit;
pub use end_users::EndUserRow;
pub use export::{LedgerCursor, LedgerEntry, LedgerPage, TokenDifferences};
pub(crate) use ledger::{FoldBatch, Position, accounts, kept};
pub use operators::OperatorKey;
pub use plans::Heirs;
pub use spend::HourSpend;
pub use statement::{AttemptQuery, ChargeQuery, ChargeRow};
pub(crate) use tag_sets::TagSet;
pub use usage::{GroupBy, Sums, UsageQuery, UsageRow};
pub use verify::LedgerVerification;
pub use webhook_deliveries::{Claim, Delivery, DueDelivery, NextStep, Sending};
pub use webhook_events::{Once, WebhookEvent};
pub use webhooks::Webhook;

use crate::{
    query::{Db, waiting},
    sqlite,
};

/// The control database. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    db: Db,
    /// How many long sums may run at once, so that they leave connections to everything else.
    sums: Arc<Semaphore>,
}

/// Long sums at once, over all tenants.
const SUMS_MAX: usize = 3;

/// How long a sum waits for its turn.
const SUM_WAIT_MAX: Duration = Duration::from_secs(30);

impl Control {
    /// Opens it in `file`, making it when absent.
    pub(crate) async fn open(file: PathBuf) -> Result<Self> {
        let db = waiting(move || sqlite::open_control(&file)).await?;
        Ok(Self::over(db))
    }

    /// The control tables in `db`.
    pub(crate) fn over(db: Db) -> Self {
        Self { db, sums: Arc::new(Semaphore::new(SUMS_MAX)) }
    }

    /// Waits for the turn of a long sum. `Unavailable` where too many wait.
    async fn sum_turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(SUM_WAIT_MAX, self.sums.clone().acquire_owned()).await;
        let busy = || {
            let kind = ErrorKind::Unavailable { retry_after: SUM_WAIT_MAX };
            Error::new(kind, "too many sums over the ledger are asked for at once; try again, with a shorter span")
        };
        turn.map_err(|_| busy())?.map_err(Error::internal)
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
