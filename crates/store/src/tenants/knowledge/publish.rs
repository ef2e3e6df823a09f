//! All of a document becomes searchable in one transaction, or goes in one.

use insula_model::{DocumentId, DocumentStatus, Error, Result, Timestamp};

use super::{super::TenantStore, documents, staged};
use crate::{
    query::{Tx, Val, args, aside, rec},
    vectors::{Change, NewVector, Space, VectorEngine, spaces},
};

/// Everything that makes a document searchable.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Which document.
    pub document: DocumentId,
    /// Its chunks, in their order.
    pub chunks: Vec<NewChunk>,
    /// For each space that a search may look into, a vector for each chunk.
    pub vectors: Vec<(Space, Vec<NewVector>)>,
    /// Keyed hashes of the values of its fields, and of who may see it.
    pub facets: Vec<i64>,
    /// When it was read.
    pub changed_at: Timestamp,
    /// What is known of it now, sealed for (`documents`, `detail`, its id).
    pub sealed_detail: Vec<u8>,
}

/// A chunk of it.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Its length in tokens.
    pub tokens: u64,
    /// Its text and where that stands, sealed for (`chunks`, `text`, document and place).
    pub sealed_text: Vec<u8>,
    /// Keyed hashes of its tokens, each with how often it has it.
    pub postings: Vec<(i64, u64)>,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It can be searched, from this epoch on.
    Shown(u64),
    /// The document was removed or cancelled meanwhile; nothing of it is kept.
    Gone,
    /// The tenant would have more chunks than it may; nothing of it is kept.
    NoRoom,
    /// Other spaces are searched by now than it was embedded for; nothing of it is kept. Embed it for those.
    OtherSpaces,
}

pub(crate) struct Counts {
    pub epoch: u64,
    chunks: u64,
    tokens: u64,
    next_chunk: u64,
}

rec!(Counts { epoch, chunks, tokens, next_chunk });

struct Held {
    chunks: u64,
    tokens: u64,
    first: u64,
}

rec!(Held { chunks, tokens, first });

impl TenantStore {
    /// Shows a document as it is now, instead of what was shown of it before. It runs to its end even if the caller's future is
    /// dropped.
    pub async fn publish_document(&self, publication: Publication, chunks_max: u64) -> Result<Published> {
        let store = self.clone();
        // Many rows come.
        aside(async move {
            let mut tx = store.home.db().write().await?;
            let published = publish(&mut tx, &*store.vectors.engine, &publication, chunks_max).await?;
            if matches!(published, Published::Shown(_)) {
                tx.commit().await?;
            }
            Ok(published)
        })
        .await
    }

    /// Removes a document with all that was made of it, and what was handed in. `NotFound` where there is none.
    pub async fn remove_document(&self, id: DocumentId) -> Result<()> {
        let store = self.clone();
        // Many rows go.
        aside(async move {
            let mut tx = store.home.db().write().await?;
            let counts = raise_epoch(&mut tx).await?;
            let row = documents::find(&mut tx, id).await?.ok_or_else(Error::not_found)?;
            let gone = clear(&mut tx, id).await?;
            staged::forget(&mut tx, id).await?;
            store.vectors.engine.write(&mut tx, &Change::Removed { document: id }).await?;
            tx.exec("DELETE FROM documents WHERE id = $1", args![id]).await?;
            tx.exec("UPDATE files SET state = 'removing' WHERE id = $1", args![row.raw_file]).await?;
            let left = Counts {
                chunks: counts.chunks.saturating_sub(gone.chunks),
                tokens: counts.tokens.saturating_sub(gone.tokens),
                ..counts
            };
            keep(&mut tx, &left).await?;
            tx.commit().await?;
            // What a crash leaves of the file is swept.
            store.discard(row.raw_file).await
        })
        .await
    }
}

async fn publish(tx: &mut Tx, engine: &dyn VectorEngine, publication: &Publication, chunks_max: u64) -> Result<Published> {
    let counts = raise_epoch(tx).await?;
    let id = publication.document;
    let is_wanted = documents::find(tx, id).await?.is_some_and(|row| row.status != DocumentStatus::Cancelled);
    if !is_wanted {
        return Ok(Published::Gone);
    }
    let Some(serving) = embedded_for(tx, publication).await? else { return Ok(Published::OtherSpaces) };
    let gone = clear(tx, id).await?;
    staged::forget(tx, id).await?;
    let total = publication.chunks.len() as u64;
    let now = Counts {
        chunks: counts.chunks.saturating_sub(gone.chunks) + total,
        tokens: counts.tokens.saturating_sub(gone.tokens) + publication.chunks.iter().map(|chunk| chunk.tokens).sum::<u64>(),
        next_chunk: counts.next_chunk + total,
        ..counts
    };
    if now.chunks > chunks_max {
        return Ok(Published::NoRoom);
    }
    insert(tx, publication, counts.next_chunk).await?;
    let vectors: Vec<(u64, &[NewVector])> =
        publication.vectors.iter().map(|(space, vectors)| (space.space, vectors.as_slice())).collect();
    engine.write(tx, &Change::Published { document: id, first: counts.next_chunk, vectors: &vectors }).await?;
    let shown = "UPDATE documents SET status = 'ready', chunks_total = $2, chunks_done = $2, published = $3, embedder = $4, \
                 dimension = $5, changed_at = $6, sealed_detail = $7, waiting = NULL WHERE id = $1";
    let Publication { changed_at, sealed_detail, .. } = publication;
    tx.exec(shown, args![id, total, now.epoch, serving.embedder, serving.dimension, changed_at, sealed_detail]).await?;
    keep(tx, &now).await?;
    Ok(Published::Shown(now.epoch))
}

/// The space that serves, if every space that a search may look into has a vector for each chunk.
async fn embedded_for<'a>(tx: &mut Tx, publication: &'a Publication) -> Result<Option<&'a Space>> {
    let Some(spaces) = spaces::find(tx).await? else { return Ok(None) };
    let total = publication.chunks.len();
    let has = |space: &Space| publication.vectors.iter().find(|(given, vectors)| given == space && vectors.len() == total);
    let has_all = spaces.iter().all(|space| has(space).is_some());
    Ok(has(&spaces.serving).filter(|_| has_all).map(|(serving, _)| serving))
}

async fn insert(tx: &mut Tx, publication: &Publication, first: u64) -> Result<()> {
    let id = publication.document.as_bytes();
    let numbered = || (first..).zip(&publication.chunks);
    let chunks: Vec<Vec<Val<'_>>> = numbered()
        .zip(0_u64..)
        .map(|((number, chunk), place)| {
            let (number, place, tokens) = (Val::count(number), Val::count(place), Val::count(chunk.tokens));
            vec![number, Val::bytes(id), place, tokens, Val::bytes(&chunk.sealed_text)]
        })
        .collect();
    tx.exec_all("INSERT INTO chunks (chunk, document, place, tokens, sealed_text) VALUES ($1, $2, $3, $4, $5)", &chunks)
        .await?;
    for (space, vectors) in &publication.vectors {
        let numbered = (first..).zip(vectors);
        let rows: Vec<Vec<Val<'_>>> = numbered
            .map(|(number, vector)| vec![Val::count(number), Val::count(space.space), Val::bytes(&vector.sealed)])
            .collect();
        tx.exec_all("INSERT INTO vectors (chunk, space, sealed_vector) VALUES ($1, $2, $3)", &rows).await?;
    }
    // In the order of the key, which is kinder to the pages.
    let mut postings: Vec<(i64, u64, u64)> = numbered()
        .flat_map(|(number, chunk)| chunk.postings.iter().map(move |(token, often)| (*token, number, *often)))
        .collect();
    postings.sort_unstable();
    let insert = "INSERT INTO postings (token, chunk, frequency) VALUES ($1, $2, $3)";
    for some in postings.chunks(POSTINGS_AT_ONCE) {
        let rows: Vec<Vec<Val<'_>>> =
            some.iter().map(|(token, number, often)| vec![Val::int(*token), Val::count(*number), Val::count(*often)]).collect();
        tx.exec_all(insert, &rows).await?;
    }
    insert_facets(tx, publication.document, &publication.facets).await
}

/// Adds what a document is looked up by.
pub(super) async fn insert_facets(tx: &mut Tx, document: DocumentId, facets: &[i64]) -> Result<()> {
    let mut facets = facets.to_vec();
    facets.sort_unstable();
    facets.dedup();
    let rows: Vec<Vec<Val<'_>>> = facets.iter().map(|facet| vec![Val::int(*facet), Val::bytes(document.as_bytes())]).collect();
    tx.exec_all("INSERT INTO facets (facet, document) VALUES ($1, $2)", &rows).await?;
    Ok(())
}

/// Removes what makes a document searchable; how much that was. The chunks of a document are numbered one after the other.
async fn clear(tx: &mut Tx, id: DocumentId) -> Result<Held> {
    let held = "SELECT COUNT(*) AS chunks, CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens, COALESCE(MIN(chunk), 0) AS first \
                FROM chunks WHERE document = $1";
    let held: Held = tx.one(held, args![id]).await?;
    let end = held.first + held.chunks;
    // Some at a time: a statement has only so long, and a chunk has hundreds of postings.
    for from in (held.first..end).step_by(CLEARED_AT_ONCE) {
        let range = [from, end.min(from + CLEARED_AT_ONCE as u64)].map(Val::count);
        tx.exec("DELETE FROM postings WHERE chunk >= $1 AND chunk < $2", &range).await?;
        tx.exec("DELETE FROM vectors WHERE chunk >= $1 AND chunk < $2", &range).await?;
    }
    tx.exec("DELETE FROM chunks WHERE document = $1", args![id]).await?;
    tx.exec("DELETE FROM facets WHERE document = $1", args![id]).await?;
    Ok(held)
}

/// The next epoch, with what the corpus holds. First of all: who changes documents or spaces waits here for who does.
pub(crate) async fn raise_epoch(tx: &mut Tx) -> Result<Counts> {
    let first = "INSERT INTO corpus (id, epoch, chunks, tokens, next_chunk) VALUES (1, 0, 0, 0, 1) ON CONFLICT (id) DO NOTHING";
    tx.exec(first, &[]).await?;
    tx.one("UPDATE corpus SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch, chunks, tokens, next_chunk", &[]).await
}

async fn keep(tx: &mut Tx, counts: &Counts) -> Result<()> {
    let update = "UPDATE corpus SET chunks = $1, tokens = $2, next_chunk = $3 WHERE id = 1";
    tx.exec(update, args![counts.chunks, counts.tokens, counts.next_chunk]).await?;
    Ok(())
}

/// Chunks whose postings are removed at once.
const CLEARED_AT_ONCE: usize = 512;
/// Postings that are bound at once.
const POSTINGS_AT_ONCE: usize = 4_096;
