//! The control database: who exists, what they may spend, what they spent. Never content.
//!
//! One file per noun; each adds its methods to [`Control`]. The ledger is written by the fold alone ([`ledger`]), everything
//! else by the management services.

mod budgets;
mod cache_hits;
mod catalogue;
mod corpora;
#[cfg(test)]
pub(crate) mod corrections;
mod credits;
mod end_users;
mod erasures;
#[cfg(test)]
mod explained;
mod export;
mod homes;
mod inherited;
mod keys;
mod ledger;
mod limits;
mod operators;
mod parts;
mod price_dates;
mod runs;
mod spend;
mod statement;
mod sums;
mod tag_sets;
mod tenants;
mod under_way;
mod usage;
mod verify;
mod webhook_deliveries;
mod webhook_events;
mod webhooks;

use std::path::PathBuf;

use insula_model::{Error, ErrorKind, Result, TenantScope};

pub use cache_hits::{CacheHitRow, CacheHitSums, CacheHits, CacheWriter};
pub use catalogue::Heirs;
pub use corpora::CorpusGrantRow;
pub use credits::Credit;
pub use end_users::EndUserRow;
pub use export::{LedgerCursor, LedgerEntry, LedgerPage, OverheadDifference, TokenDifferences};
pub(crate) use ledger::{FoldBatch, Position, accounts, kept};
pub use operators::OperatorKey;
pub use parts::PricedPart;
pub use price_dates::PriceDates;
pub use runs::{Run, RunsMax};
pub use spend::HourSpend;
pub use statement::{AttemptQuery, ChargeQuery, ChargeRow};
pub(crate) use tag_sets::TagSet;
pub use usage::{GroupBy, Sums, UsageQuery, UsageRow};
pub use verify::LedgerVerification;
pub use webhook_deliveries::{Claim, Delivery, DueDelivery, NextStep, Sending};
pub use webhook_events::{Once, WebhookEvent};
pub use webhooks::Webhook;

use self::sums::{SumTurn, SumTurns};
use crate::{
    query::{Db, waiting},
    sqlite,
};

/// The control database. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    db: Db,
    sums: SumTurns,
}

impl Control {
    /// Opens it in `file`, making it when absent.
    pub(crate) async fn open(file: PathBuf) -> Result<Self> {
        let db = waiting(move || sqlite::open_control(&file)).await?;
        Ok(Self::over(db))
    }

    /// The control tables in `db`.
    pub(crate) fn over(db: Db) -> Self {
        Self { db, sums: SumTurns::default() }
    }

    /// Waits for the turn of a long sum over one tenant, or over all. `Unavailable` where too many wait.
    async fn sum_turn(&self, tenant: Option<&TenantScope>) -> Result<SumTurn> {
        self.sums.take(tenant).await
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
