//! What is missing is made from the sealed vectors, beside the searches.
//!
//! Chunks are filled in by their numbers, some in each transaction, which holds the corpus's row so that no document goes meanwhile.
//! A fill that was interrupted leaves what it made, and the next one adds the rest. Two at once do no harm.

use std::{collections::HashSet, sync::Arc};

use insula_model::{DocumentId, Error, Result, TenantId};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    statements::Statements,
    write::{ROWS_AT_ONCE, Row, insert, number},
};
use crate::{
    Opener, TenantStore,
    postgres::PgTx,
    query::Tx,
    vectors::{Space, spaces::open_vector},
};

/// Tenants that this node fills in at once.
const FILLS_MAX: usize = 1;

/// The fills of this node.
pub(super) struct Fills {
    turns: Semaphore,
    /// Those that run or wait.
    begun: Mutex<HashSet<(TenantId, u64)>>,
}

impl Fills {
    pub(super) fn new() -> Self {
        Self { turns: Semaphore::new(FILLS_MAX), begun: Mutex::default() }
    }

    /// Fills in a space of a tenant, unless that is under way.
    pub(super) fn begin(
        self: &Arc<Self>,
        statements: &Arc<Statements>,
        tenant: &TenantStore,
        opener: &Arc<Opener>,
        space: &Space,
    ) {
        let key = (tenant.tenant, space.space);
        if !self.begun.lock().insert(key) {
            return;
        }
        let (fills, statements) = (Arc::clone(self), Arc::clone(statements));
        let (store, opener, space) = (tenant.clone(), Arc::clone(opener), space.clone());
        tokio::spawn(async move {
            let _begun = Begun { fills: Arc::clone(&fills), key };
            // Nobody closes it.
            let Ok(_turn) = fills.turns.acquire().await else { return };
            let tenant = key.0;
            match fill(&store, &statements, &opener, &space).await {
                Ok(added) => tracing::info!(%tenant, space = space.space, added, "vectors were filled in"),
                // The next search begins again.
                Err(error) => tracing::warn!(%tenant, space = space.space, %error, "vectors could not be filled in"),
            }
        });
    }
}

/// Ends with its fill, however that ends.
struct Begun {
    fills: Arc<Fills>,
    key: (TenantId, u64),
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.fills.begun.lock().remove(&self.key);
    }
}

/// Fills in all chunks of a space that are missing and removes what should not be there; how many were added.
pub(super) async fn fill(store: &TenantStore, statements: &Statements, opener: &Arc<Opener>, space: &Space) -> Result<usize> {
    let (mut from, mut added) = (0, 0);
    loop {
        let tx = store.home.db().write().await?;
        let Tx::Postgres(tx) = tx else { return Err(Error::internal("pgvector searches a shared database")) };
        let epoch = hold(&tx).await?;
        let some = missing(&tx, space, from).await?;
        let is_last = some.len() < ROWS_AT_ONCE;
        from = some.last().map_or(from, |chunk| chunk.chunk + 1);
        added += some.len();
        let opened = open(some, space, opener).await?;
        let rows: Vec<Row<'_>> =
            opened.iter().map(|(missing, vector)| Row { chunk: missing.chunk, document: missing.document, vector }).collect();
        insert(&tx, statements, space.space, &rows).await?;
        if is_last {
            finish(&tx, space, epoch).await?;
        }
        tx.commit().await?;
        if is_last {
            return Ok(added);
        }
    }
}

/// Keeps documents as they are until the transaction ends; the corpus's epoch.
async fn hold(tx: &PgTx) -> Result<i64> {
    let rows = tx.rows("SELECT epoch FROM corpus WHERE id = 1 FOR UPDATE", &[]).await?;
    rows.first().map(|row| row.get(0)).ok_or_else(Error::not_found)
}

/// A chunk without a vector, and what is sealed of it.
struct Missing {
    chunk: u64,
    document: DocumentId,
    place: u64,
    sealed: Option<Vec<u8>>,
}

/// Chunks from the one numbered `from` on whose vectors are not there, or are of another length.
async fn missing(tx: &PgTx, space: &Space, from: u64) -> Result<Vec<Missing>> {
    const MISSING: &str = "
        SELECT c.chunk, c.document, c.place, v.sealed_vector FROM chunks c
        LEFT JOIN vectors v ON v.chunk = c.chunk AND v.space = $1
        LEFT JOIN embeddings e ON e.space = $1 AND e.chunk = c.chunk AND e.document = c.document AND e.dimension = $2
        WHERE c.chunk >= $3 AND e.chunk IS NULL ORDER BY c.chunk LIMIT $4";
    // What stands in the way of the right ones.
    const WRONG: &str = "
        DELETE FROM embeddings e USING chunks c
        WHERE e.space = $1 AND c.chunk = e.chunk AND (e.document <> c.document OR e.dimension <> $2)";
    let (of, dimension, limit) = (number(space.space)?, i64::from(space.dimension), number(ROWS_AT_ONCE as u64)?);
    if from == 0 {
        tx.run(WRONG, &[&of, &dimension]).await?;
    }
    let rows = tx.rows(MISSING, &[&of, &dimension, &number(from)?, &limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        let counted = |column: &str| u64::try_from(row.get::<_, i64>(column)).map_err(Error::internal);
        let id: [u8; 16] = row.get::<_, &[u8]>("document").try_into().map_err(Error::internal)?;
        Ok(Missing {
            chunk: counted("chunk")?,
            document: DocumentId::from_bytes(id),
            place: counted("place")?,
            sealed: row.get("sealed_vector"),
        })
    };
    rows.iter().map(read).collect()
}

/// Opens vectors, off the runtime's own threads. One that is not there, or of another length, lies near nothing: its chunk is found by
/// its words.
async fn open(some: Vec<Missing>, space: &Space, opener: &Arc<Opener>) -> Result<Vec<(Missing, Vec<f32>)>> {
    let (opener, of, dimension) = (Arc::clone(opener), space.space, space.dimension as usize);
    let open = move || {
        let opened = some.into_iter().map(|missing| {
            let sealed = missing.sealed.as_deref();
            let vector = sealed.map(|sealed| open_vector(&opener, of, missing.document, missing.place, sealed)).transpose()?;
            let vector = vector.filter(|vector| vector.len() == dimension).unwrap_or_else(|| vec![0.0; dimension]);
            Ok((missing, vector))
        });
        opened.collect()
    };
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
}

/// All chunks are there: nothing else stays, and from here on publications keep it so.
async fn finish(tx: &PgTx, space: &Space, epoch: i64) -> Result<()> {
    const ORPHANS: &str = "DELETE FROM embeddings e WHERE e.space = $1 \
                           AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.chunk = e.chunk)";
    // A space that is gone has no chunks to be found.
    const SPACES: &str = "DELETE FROM embeddings e WHERE NOT EXISTS (SELECT 1 FROM spaces s WHERE s.space = e.space)";
    const KEPT: &str = "INSERT INTO embeddings_kept (space, epoch) VALUES ($1, $2) \
                        ON CONFLICT (tenant_id, space) DO UPDATE SET epoch = excluded.epoch";
    let of = number(space.space)?;
    tx.run(ORPHANS, &[&of]).await?;
    tx.run(SPACES, &[]).await?;
    tx.run(KEPT, &[&of, &epoch]).await?;
    Ok(())
}
