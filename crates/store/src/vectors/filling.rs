//! A space that is being filled to take the place of the one that serves.
//!
//! Everything is done in steps that come to the same when they are done again: a space is begun, chunks get their vectors in it some at a
//! time, and one transaction lets it serve. Until then searches look into the old one alone; documents that are shown meanwhile are embedded
//! for both.

use std::collections::HashSet;

use insula_model::{DocumentId, EmbeddingWait, Error, Result};

use super::{
    Change, NewVector, Space, Spaces,
    spaces::{find, lock_corpus, make_space},
};
use crate::{
    TenantStore,
    query::{Tx, Val, args, aside, rec},
    tenants::raise_epoch,
};

/// A chunk without a vector in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// Its number.
    pub chunk: u64,
    /// Whose it is.
    pub document: DocumentId,
    /// Which one of that.
    pub place: u64,
    /// Its text.
    pub sealed_text: Vec<u8>,
}

rec!(Unfilled { chunk, document, place, sealed_text });

/// A chunk with the vector that it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// Its number.
    pub chunk: u64,
    /// Whose it is.
    pub document: DocumentId,
    /// Which one of that.
    pub place: u64,
    /// Where it lies.
    pub vector: NewVector,
}

/// How far a space is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filling {
    /// Chunks that have their vector.
    pub done: u64,
    /// All chunks.
    pub total: u64,
    /// What the others wait for.
    pub waiting: Option<EmbeddingWait>,
}

rec!(Filling { done, total, waiting });

/// Whether a space serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It does, from this epoch on.
    Since(u64),
    /// Chunks came meanwhile that have no vector in it.
    Unfilled,
    /// It is not the one that is being filled any more.
    GivenUp,
    /// What searches vectors does not have all of it yet.
    Behind,
}

struct Number {
    number: u64,
}

rec!(Number { number });

struct Last {
    last: Option<u64>,
}

rec!(Last { last });

/// Vectors that one statement drops: a statement has a bound in time, and a tenant may have a million. So few in this crate's tests that there
/// is more than one piece.
pub(super) const DROPPED_AT_ONCE: u32 = if cfg!(test) { 2 } else { 4_096 };

impl TenantStore {
    /// The spaces that there are; `None` where nothing was ever embedded.
    pub async fn known_spaces(&self) -> Result<Option<Spaces>> {
        find(&mut self.home.db().read().await?).await
    }

    /// Begins a space that is to serve later. What was being filled before is given up, unless it is one of this very embedder.
    pub async fn begin_space(&self, embedder: &str, dimension: u32) -> Result<Spaces> {
        let (store, embedder) = (self.clone(), embedder.to_owned());
        aside(async move {
            let mut tx = store.home.db().write().await?;
            lock_corpus(&mut tx).await?;
            let known = find(&mut tx)
                .await?
                .ok_or_else(|| Error::internal("there is no space that another could take the place of"))?;
            let is_it = |space: &Space| space.embedder == embedder && space.dimension == dimension;
            if known.next.as_ref().is_some_and(is_it) {
                return Ok(known);
            }
            give_up(&store, &mut tx, &known).await?;
            let number = make_space(&mut tx, &embedder, dimension).await?;
            tx.exec("UPDATE corpus SET next_space = $1, next_waiting = NULL WHERE id = 1", args![number]).await?;
            let begun = find(&mut tx).await?;
            tx.commit().await?;
            begun.ok_or_else(|| Error::internal("a space that was begun is not there"))
        })
        .await
    }

    /// Gives up what is being filled.
    pub async fn give_up_space(&self) -> Result<()> {
        let store = self.clone();
        aside(async move {
            let mut tx = store.home.db().write().await?;
            lock_corpus(&mut tx).await?;
            if let Some(known) = find(&mut tx).await? {
                give_up(&store, &mut tx, &known).await?;
                tx.commit().await?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets the space that serves where there is no chunk in it: the next document begins with another embedder. False where there are chunks.
    pub async fn forget_empty_spaces(&self) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        lock_corpus(&mut tx).await?;
        let chunks: Number = tx.one("SELECT COUNT(*) AS number FROM chunks", &[]).await?;
        if chunks.number > 0 {
            return Ok(false);
        }
        for sql in [
            "UPDATE corpus SET space = NULL, next_space = NULL, next_waiting = NULL WHERE id = 1",
            "DELETE FROM staged_vectors",
            "DELETE FROM spaces",
        ] {
            tx.exec(sql, &[]).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// At most `limit` chunks behind the one numbered `after` that have no vector in a space, in their order.
    pub async fn unfilled(&self, space: u64, after: u64, limit: u32) -> Result<Vec<Unfilled>> {
        let unfilled = "SELECT c.chunk AS chunk, c.document AS document, c.place AS place, c.sealed_text AS sealed_text FROM chunks c \
                        WHERE c.chunk > $2 AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.chunk AND v.space = $1) \
                        ORDER BY c.chunk LIMIT $3";
        self.home.db().read().await?.all(unfilled, args![space, after, limit]).await
    }

    /// Keeps vectors of a space that is being filled. Those of chunks that are gone, or have one by now, are dropped. False where
    /// the space is not being filled any more.
    pub async fn fill(&self, space: &Space, filled: Vec<Filled>) -> Result<bool> {
        let (store, space) = (self.clone(), space.clone());
        aside(async move {
            let mut tx = store.home.db().write().await?;
            lock_corpus(&mut tx).await?;
            if !is_next(&mut tx, &space).await? {
                return Ok(false);
            }
            let missing = still_missing(&mut tx, space.space, &filled).await?;
            let kept: Vec<&Filled> = filled.iter().filter(|filled| missing.contains(&filled.chunk)).collect();
            let rows: Vec<Vec<Val<'_>>> = kept
                .iter()
                .map(|filled| vec![Val::count(filled.chunk), Val::count(space.space), Val::bytes(&filled.vector.sealed)])
                .collect();
            tx.exec_all("INSERT INTO vectors (chunk, space, sealed_vector) VALUES ($1, $2, $3)", &rows).await?;
            tx.exec("UPDATE corpus SET next_waiting = NULL WHERE id = 1", &[]).await?;
            store.vectors.engine.write(&mut tx, &Change::Filled { space: space.space, chunks: &kept }).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// How far the space is that is being filled.
    pub async fn filling(&self, space: u64) -> Result<Filling> {
        let filling = "SELECT (SELECT COUNT(*) FROM chunks c JOIN vectors v ON v.chunk = c.chunk AND v.space = $1) AS done, \
                       (SELECT COUNT(*) FROM chunks) AS total, (SELECT next_waiting FROM corpus WHERE id = 1) AS waiting";
        self.home.db().read().await?.one(filling, args![space]).await
    }

    /// Notes what the filling waits for.
    pub async fn note_filling_waits(&self, waiting: Option<EmbeddingWait>) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        tx.exec("UPDATE corpus SET next_waiting = $1 WHERE id = 1", args![waiting]).await?;
        tx.commit().await
    }

    /// Lets a space serve in which every chunk has a vector, and drops the one that did.
    pub async fn serve_space(&self, space: &Space) -> Result<Served> {
        let (store, space) = (self.clone(), space.clone());
        // Many rows go.
        aside(async move {
            let mut tx = store.home.db().write().await?;
            let epoch = raise_epoch(&mut tx).await?.epoch;
            if !is_next(&mut tx, &space).await? {
                return Ok(Served::GivenUp);
            }
            let missing = "SELECT COUNT(*) AS number FROM chunks c \
                           WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.chunk AND v.space = $1)";
            let missing: Number = tx.one(missing, args![space.space]).await?;
            if missing.number > 0 {
                return Ok(Served::Unfilled);
            }
            if store.vectors.engine.is_behind(&mut tx).await? {
                return Ok(Served::Behind);
            }
            let old = find(&mut tx).await?.ok_or_else(|| Error::internal("a space that is filled is not there"))?.serving;
            tx.exec("UPDATE corpus SET space = $1, next_space = NULL, next_waiting = NULL WHERE id = 1", args![space.space])
                .await?;
            let documents = "UPDATE documents SET embedder = $1, dimension = $2 WHERE published IS NOT NULL";
            tx.exec(documents, args![space.embedder, space.dimension]).await?;
            drop_space(&mut tx, old.space).await?;
            store.vectors.engine.write(&mut tx, &Change::Serves { space: space.space, instead_of: old.space, epoch }).await?;
            tx.commit().await?;
            Ok(Served::Since(epoch))
        })
        .await
    }
}

async fn is_next(tx: &mut Tx, space: &Space) -> Result<bool> {
    Ok(find(tx).await?.and_then(|spaces| spaces.next).as_ref() == Some(space))
}

async fn give_up(store: &TenantStore, tx: &mut Tx, known: &Spaces) -> Result<()> {
    let Some(next) = &known.next else { return Ok(()) };
    tx.exec("UPDATE corpus SET next_space = NULL, next_waiting = NULL WHERE id = 1", &[]).await?;
    drop_space(tx, next.space).await?;
    store.vectors.engine.write(tx, &Change::GivenUp { space: next.space }).await
}

async fn drop_space(tx: &mut Tx, space: u64) -> Result<()> {
    let last = "SELECT MAX(chunk) AS last FROM \
                (SELECT chunk FROM vectors WHERE space = $1 AND chunk >= $2 ORDER BY chunk LIMIT $3) some_vectors";
    let mut first = 0_u64;
    while let Last { last: Some(last) } = tx.one(last, args![space, first, DROPPED_AT_ONCE]).await? {
        let some = "DELETE FROM vectors WHERE space = $1 AND chunk >= $2 AND chunk <= $3";
        tx.exec(some, args![space, first, last]).await?;
        first = last + 1;
    }
    for sql in ["DELETE FROM staged_vectors WHERE space = $1", "DELETE FROM spaces WHERE space = $1"] {
        tx.exec(sql, args![space]).await?;
    }
    Ok(())
}

/// Which of these chunks are there, and have no vector in the space yet.
async fn still_missing(tx: &mut Tx, space: u64, filled: &[Filled]) -> Result<HashSet<u64>> {
    let numbers = || filled.iter().map(|filled| filled.chunk);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Ok(HashSet::new()) };
    let missing = "SELECT c.chunk AS number FROM chunks c WHERE c.chunk >= $2 AND c.chunk <= $3 \
                   AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.chunk AND v.space = $1)";
    let missing: Vec<Number> = tx.all(missing, args![space, first, last]).await?;
    Ok(missing.into_iter().map(|missing| missing.number).collect())
}
