//! Leases: how much of a budget's running window each node may spend without asking.
//!
//! A window's row (`budget_windows`) says what is settled and what is leased to all nodes together; what one of them leases
//! stands in `budget_leases`. A node leases more ([`Leases::negotiate`]) and gives back ([`Leases::give_back`]) here; what
//! its attempts used and what they left over moves with their ENDs, in the register's transactions.
//!
//! Locks are taken in one order everywhere: the node's own row, [`LEDGER_LOCK`](super::LEDGER_LOCK), `spend_hour`, `budget_windows` in the order
//! of their keys, `budget_leases`. A window is made in a transaction of its own under the ledger's lock alone, so that what
//! is settled before and after adds up to all of it: an END moves `spend_hour` and the window in one transaction under the
//! same lock, shared.
//!
//! - [`statements`]: the statements;
//! - [`owed`]: what must be given back whatever happens, also after a commit of which nobody knows how it ended;
//! - [`recall`]: what nodes ask of each other.

mod owed;
mod recall;
mod statements;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use insula_model::{Error, ErrorKind, Money, Result, Subject, Timestamp};
use tokio::sync::broadcast;

pub use recall::{Recall, Recalls};
pub use statements::WindowState;
pub(crate) use statements::{after_settlements, before_budgets_change, follow_budgets};

use crate::{
    cluster::WindowKey,
    postgres::{Access, Mode, Notice, PgPool, PgTx},
};
use owed::Owed;
use statements::Columns;

/// How often a negotiation makes windows that are missing before it gives up.
const MAKING_MAX: usize = 3;

/// What this node leases of budgets. Clones are the same.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    pool: PgPool,
    node: [u8; 16],
    owed: Owed,
    /// Never read itself: receivers start from it.
    notices: broadcast::Receiver<Notice>,
}

impl Leases {
    /// The leases of `node`. `notices` are those of a listener on [`RECALL`](super::RECALL).
    pub(crate) fn new(pool: PgPool, node: [u8; 16], notices: broadcast::Receiver<Notice>) -> Self {
        Self(Arc::new(Inner { pool, node, owed: Owed::default(), notices }))
    }

    /// Locks the windows, hands their states to `decide`, and leases as much more of each as that says, at least nothing.
    ///
    /// A window that is missing is made where the stored budgets have a hard one for it; where they have none, its state is
    /// `None`: the caller's knowledge is old. The locks are held while `decide` runs, so it must not wait. When this returns
    /// an error, nothing may be spent of what was decided; what was leased nevertheless is given back later.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when shared storage is away, or this node lost its standing as of `epoch`.
    pub async fn negotiate(
        &self,
        epoch: u64,
        windows: &[WindowKey],
        decide: impl FnOnce(&[Option<WindowState>]) -> Vec<i64> + Send,
    ) -> Result<()> {
        self.settle_owed(epoch).await?;
        let columns = Columns::of(windows.iter());
        for _ in 0..MAKING_MAX {
            let tx = self.0.pool.begin(Access::Control, Mode::Batch).await?;
            if !statements::stand(&tx, &self.0.node, epoch).await? {
                return Err(no_standing());
            }
            let states = statements::lock(&tx, &columns, windows).await?;
            let caps = statements::hard_caps(&tx, &columns, windows).await?;
            if states.iter().zip(&caps).any(|(state, capped)| *capped && state.is_none()) {
                // Not under the locks of the others: making one waits for every settlement under way.
                drop(tx);
                statements::make(&self.0.pool, &columns).await?;
                continue;
            }
            let known: Vec<_> = states.into_iter().zip(caps).map(|(state, capped)| state.filter(|_| capped)).collect();
            let more = decide(&known);
            let leased = windows.iter().copied().zip(more).zip(&known);
            let leased = leased.filter(|((_, more), known)| *more > 0 && known.is_some()).map(|(leased, _)| leased);
            return self.lease(tx, epoch, leased.collect()).await;
        }
        Err(Error::internal("a budget's window was made and is not there"))
    }

    async fn lease(&self, tx: PgTx, epoch: u64, more: Vec<(WindowKey, i64)>) -> Result<()> {
        if more.is_empty() {
            // Nothing was written: the locks go without a commit.
            return Ok(());
        }
        let columns = Columns::with_amounts(&more);
        let (transaction, (), ()) = tokio::try_join!(
            statements::transaction(&tx),
            statements::raise_leased(&tx, &columns),
            statements::raise_own(&tx, &self.0.node, &columns),
        )?;
        let doubt = self.0.owed.unless_confirmed(epoch, more, transaction);
        tx.commit().await?;
        doubt.confirmed();
        Ok(())
    }

    /// Gives these amounts back, which nobody holds and nobody may hold any longer. They are remembered: what cannot be
    /// given back now is with the next call, also one without amounts.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when shared storage is away.
    pub async fn give_back(&self, epoch: u64, returned: &[(WindowKey, i64)]) -> Result<()> {
        self.0.owed.add(epoch, returned);
        self.settle_owed(epoch).await
    }

    /// What an open attempt of any node has reserved for a subject since a moment: money and tokens.
    pub async fn reserved(&self, subject: &Subject, since: Timestamp) -> Result<(Money, u64)> {
        let mut tx = self.0.pool.begin(Access::Control, Mode::Read).await?;
        statements::reserved(&mut tx, subject, since).await
    }

    /// Asks every other node to give back what it leases of these windows and does not hold.
    pub async fn recall(&self, windows: &[WindowKey]) -> Result<()> {
        recall::send(&self.0.pool, &self.0.node, windows).await
    }

    /// What other nodes ask back, from now on.
    pub fn recalls(&self) -> Recalls {
        Recalls::new(self.0.notices.resubscribe(), self.0.node)
    }

    /// Gives back everything that is owed; one at a time.
    async fn settle_owed(&self, epoch: u64) -> Result<()> {
        if self.0.owed.is_empty() {
            return Ok(());
        }
        let _turn = self.0.owed.turn().await;
        for doubt in self.0.owed.doubts(epoch) {
            let tx = self.0.pool.begin(Access::Control, Mode::Read).await?;
            self.0.owed.resolve(doubt.id, statements::outcome(&tx, &doubt.transaction).await?);
        }
        let (ids, due) = self.0.owed.due(epoch);
        match self.return_due(epoch, &ids, &due).await {
            Err(error) if *error.kind() == ErrorKind::Internal => {
                // It would fail again and again, and with it every negotiation. Nobody can spend it meanwhile.
                let cause = error.private_source().map(ToString::to_string);
                tracing::error!(cause, "leases could not be given back: they stay with this node until it leaves");
                self.0.owed.drop_all(&ids);
                Ok(())
            }
            returned => returned,
        }
    }

    async fn return_due(&self, epoch: u64, ids: &[u64], due: &[(WindowKey, i64)]) -> Result<()> {
        if due.is_empty() {
            self.0.owed.drop_all(ids);
            return Ok(());
        }
        let tx = self.0.pool.begin(Access::Control, Mode::Batch).await?;
        let columns = Columns::with_amounts(due);
        let keys: Vec<_> = due.iter().map(|(window, _)| *window).collect();
        if !statements::stand(&tx, &self.0.node, epoch).await? {
            return Err(no_standing());
        }
        statements::lock(&tx, &columns, &keys).await?;
        let (transaction, (), ()) = tokio::try_join!(
            statements::transaction(&tx),
            statements::lower_leased(&tx, &columns),
            statements::lower_own(&tx, &self.0.node, &columns),
        )?;
        self.0.owed.in_doubt(ids, &transaction);
        tx.commit().await?;
        self.0.owed.drop_all(ids);
        Ok(())
    }
}

/// This node was declared dead, or never joined.
fn no_standing() -> Error {
    let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(1) };
    Error::new(kind, "this node lost touch with the others and is joining them again; try again in a moment")
}
