//! pgvector: vectors are searched in the database that the nodes share, under the same row-level security as all else.
//!
//! The tables `embeddings` and `embeddings_kept` (`postgres/schema/pgvector`) hold what was embedded, unsealed. They are written in
//! the transaction that publishes or removes a document, and read in the snapshot of a search. `embeddings_kept` says up to which
//! epoch of the corpus they have everything of a space: where a search finds that they lag behind, because documents were published
//! before this engine was chosen or by a node without it, the embedded engine answers and what is missing is filled in beside it.
//!
//! - [`statements`]: what is asked;
//! - [`write`]: what a publication and a removal change;
//! - [`nearest`]: the search, exact or by an index;
//! - [`fill`]: what is missing is made from the sealed vectors;
//! - [`audit`]: what is there against what should be.

mod audit;
mod fill;
mod nearest;
mod statements;
#[cfg(test)]
mod tests;
mod write;

use std::{sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, Result, TenantId};

use self::{fill::Fills, statements::Statements};
use super::{AuditFinding, Change, Index, Near, Nearest, Pending, Space, VectorEngine, forget_home};
use crate::{
    Opener, TenantStore,
    postgres::{Extension, PgTx},
    query::Tx,
    tenants::{Corpus, Knowledge},
};

/// How long whoever could not search may wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The engine.
pub(crate) struct Pgvector {
    statements: Arc<Statements>,
    fills: Arc<Fills>,
    /// So many vectors are always compared one by one.
    exact_max: usize,
}

impl Pgvector {
    /// With an extension that was examined.
    pub(crate) fn new(extension: &Extension, exact_max: usize) -> Self {
        Self { statements: Arc::new(Statements::new(extension)), fills: Arc::new(Fills::new()), exact_max }
    }
}

impl VectorEngine for Pgvector {
    fn holds_vectors(&self) -> bool {
        false
    }

    fn serves<'a>(
        &'a self,
        tenant: &'a TenantStore,
        opener: &'a Arc<Opener>,
        snapshot: &'a mut Knowledge,
        corpus: Corpus,
        space: &'a Space,
    ) -> Pending<'a, bool> {
        Box::pin(async move {
            let kept = "SELECT 1 FROM embeddings_kept WHERE space = $1 AND epoch = $2";
            let (of, epoch) = (write::number(space.space)?, write::number(corpus.epoch)?);
            let rows = shared(snapshot.tx())?.rows(kept, &[&of, &epoch]).await.map_err(unsearchable)?;
            if rows.is_empty() {
                self.fills.begin(&self.statements, tenant, opener, space);
            }
            Ok(!rows.is_empty())
        })
    }

    fn write<'a>(&'a self, tx: &'a mut Tx, change: &'a Change<'a>) -> Pending<'a, ()> {
        Box::pin(async move {
            forget_home(tx).await?;
            let tx = shared(tx)?;
            let written = match change {
                Change::Published { document, first, vectors } => {
                    write::publish(tx, &self.statements, *document, *first, vectors).await
                }
                Change::Removed { document } => write::remove(tx, *document).await,
                Change::Filled { space, chunks } => write::fill(tx, &self.statements, *space, chunks).await,
                Change::Serves { space, instead_of, epoch } => write::serve(tx, *space, *instead_of, *epoch).await,
                Change::GivenUp { space } => write::give_up(tx, *space).await,
            };
            written.map_err(unchangeable)
        })
    }

    fn nearest<'a>(
        &'a self,
        _: &'a TenantStore,
        snapshot: &'a mut Knowledge,
        index: &'a Arc<Index>,
        ask: Nearest,
    ) -> Pending<'a, Vec<Near>> {
        Box::pin(async move {
            let tx = shared(snapshot.tx())?;
            nearest::nearest(tx, &self.statements, self.exact_max, index, &ask).await.map_err(unsearchable)
        })
    }

    fn forget(&self, _: TenantId) -> Pending<'_, ()> {
        // Its rows go with its home.
        Box::pin(std::future::ready(Ok(())))
    }

    fn audit<'a>(&'a self, tenant: &'a TenantStore) -> Pending<'a, Vec<AuditFinding>> {
        Box::pin(async move { audit::audit(shared(&mut tenant.home.db().read().await?)?).await })
    }
}

/// The transaction of a shared database, which this engine was chosen for.
fn shared(tx: &mut Tx) -> Result<&PgTx> {
    match tx {
        Tx::Postgres(tx) => Ok(tx),
        Tx::Sqlite(_) => Err(Error::internal("pgvector searches a shared database")),
    }
}

/// What the caller is told when vectors cannot be searched, whatever it is that the database says: it may be mended meanwhile.
fn unsearchable(error: Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, "documents cannot be searched just now; try again in a moment").caused_by(error)
}

/// The same of a change, which is not made by halves: nothing of it stays.
fn unchangeable(error: Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, "documents cannot be changed just now; try again in a moment").caused_by(error)
}
