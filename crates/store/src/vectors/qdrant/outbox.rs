//! What the tenant's tables know of its points: which documents are to be brought there, and which collection they are in.
//!
//! A document is noted in the transaction that changes it, so nothing is forgotten by a kill; its note goes once its points are as the
//! tables say, if neither the document nor the tenant's collection has changed meanwhile.

use std::collections::BTreeSet;

use insula_model::{DocumentId, ErrorKind, Result, VectorCollection};

use crate::{
    TenantStore,
    query::{Tx, args, rec},
};

/// A document whose points are to be brought to what the tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    pub document: DocumentId,
    /// The epoch that asked for it.
    pub since: u64,
    /// Whether what is missing is of spaces alone that are not searched yet.
    pub is_ahead: bool,
}

rec!(Noted { document, since, is_ahead });

/// Where a tenant's points are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// The collection that is searched.
    pub collection: VectorCollection,
    /// The one that is being filled to take its place.
    pub moving_to: Option<VectorCollection>,
    /// The one that is being emptied.
    pub leaving: Option<VectorCollection>,
    /// Of which spaces there may be points.
    pub spaces: String,
    /// Counts the changes of all that.
    pub version: u64,
}

rec!(Home { collection, moving_to, leaving, spaces, version });

impl Home {
    /// Whether points belong there.
    pub fn is_live(&self, collection: VectorCollection) -> bool {
        self.collection == collection || self.moving_to == Some(collection)
    }
}

/// A chunk with its vector in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChunkRow {
    pub chunk: u64,
    pub place: u64,
    pub space: u64,
    pub sealed_vector: Vec<u8>,
}

rec!(ChunkRow { chunk, place, space, sealed_vector });

/// A vector that is there, without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub document: DocumentId,
    pub chunk: u64,
    pub space: u64,
}

rec!(Expected { document, chunk, space });

struct Epoch {
    epoch: u64,
}

rec!(Epoch { epoch });

struct Published {
    published: Option<u64>,
}

rec!(Published { published });

struct Id {
    id: DocumentId,
}

rec!(Id { id });

const NOTE: &str = "INSERT INTO vector_outbox (document, since) VALUES ($1, $2) \
                    ON CONFLICT (document) DO UPDATE SET since = excluded.since, is_ahead = 0";
const NOTE_AHEAD: &str = "INSERT INTO vector_outbox (document, since, is_ahead) VALUES ($1, $2, 1) \
                          ON CONFLICT (document) DO UPDATE SET since = excluded.since";

/// Notes a document, in the transaction that changes it.
pub(super) async fn note(tx: &mut Tx, document: DocumentId) -> Result<()> {
    let since = epoch(tx).await?;
    tx.exec(NOTE, args![document, since]).await?;
    Ok(())
}

/// Notes documents that get vectors in a space that is not searched yet.
pub(super) async fn note_ahead(tx: &mut Tx, documents: BTreeSet<DocumentId>) -> Result<()> {
    // Of another epoch than any note before, so that nobody who is at work on such a document takes it for done.
    let since = raise(tx).await?;
    for document in documents {
        tx.exec(NOTE_AHEAD, args![document, since]).await?;
    }
    Ok(())
}

/// The spaces that were not searched yet are: what was noted for them is missing from now on.
pub(super) async fn note_served(tx: &mut Tx) -> Result<()> {
    tx.exec("UPDATE vector_outbox SET is_ahead = 0", &[]).await.map(drop)
}

/// Whether a document is noted.
pub(super) async fn is_behind(tx: &mut Tx) -> Result<bool> {
    Ok(!noted(tx, 1).await?.is_empty())
}

/// Notes these documents to be brought there once more.
pub(super) async fn note_again(tenant: &TenantStore, documents: &[DocumentId]) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let since = raise(&mut tx).await?;
    for document in documents {
        tx.exec(NOTE, args![*document, since]).await?;
    }
    tx.commit().await
}

/// Notes all documents to be brought there once more.
pub(super) async fn note_everything(tenant: &TenantStore) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let since = raise(&mut tx).await?;
    note_all(&mut tx, since).await?;
    tx.commit().await
}

/// Where a tenant's points are; nothing where it has none.
pub(super) async fn home(tx: &mut Tx) -> Result<Option<Home>> {
    tx.optional("SELECT collection, moving_to, leaving, spaces, version FROM vector_home WHERE id = 1", &[]).await
}

/// At most `limit` noted documents, the first noted first.
pub(super) async fn noted(tx: &mut Tx, limit: u32) -> Result<Vec<Noted>> {
    tx.all("SELECT document, since, is_ahead FROM vector_outbox ORDER BY since, document LIMIT $1", args![limit]).await
}

/// Gives a tenant a collection, where it has none yet, and notes all its documents.
pub(super) async fn settle_in(tenant: &TenantStore, collection: VectorCollection) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let since = raise(&mut tx).await?;
    let spaces = spaces(&mut tx).await?;
    let first = "INSERT INTO vector_home (id, collection, spaces, version) VALUES (1, $1, $2, 1) ON CONFLICT (id) DO NOTHING";
    if tx.exec(first, args![collection, spaces]).await? == 1 {
        note_all(&mut tx, since).await?;
    }
    tx.commit().await
}

/// Nothing is left of spaces that are none of these.
pub(super) async fn keep_spaces(tenant: &TenantStore, home: &Home, spaces: &str) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let kept = "UPDATE vector_home SET spaces = $2, version = version + 1 WHERE id = 1 AND version = $1";
    tx.exec(kept, args![home.version, spaces.to_owned()]).await?;
    tx.commit().await
}

/// Begins to move a tenant's points, or turns back: all its documents are brought to the other collection as well. Changes nothing
/// where somebody else has changed something since `home` was read.
pub(super) async fn begin_move(tenant: &TenantStore, home: &Home, to: VectorCollection) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let since = raise(&mut tx).await?;
    let moved = if to == home.collection {
        let back = "UPDATE vector_home SET leaving = moving_to, moving_to = NULL, version = version + 1 \
                    WHERE id = 1 AND version = $1";
        tx.exec(back, args![home.version]).await?
    } else {
        let begin = "UPDATE vector_home SET moving_to = $2, version = version + 1 WHERE id = 1 AND version = $1";
        let begun = tx.exec(begin, args![home.version, to]).await?;
        note_all(&mut tx, since).await?;
        begun
    };
    if moved == 1 { tx.commit().await } else { Ok(()) }
}

/// Searches go to the other collection from here on, where no document is missing there; else nothing changes.
pub(super) async fn switch(tenant: &TenantStore, home: &Home) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    // Whoever changes a document waits here, and notes it before it is seen.
    raise(&mut tx).await?;
    if !noted(&mut tx, 1).await?.is_empty() {
        return Ok(());
    }
    let switch = "UPDATE vector_home SET collection = moving_to, leaving = collection, moving_to = NULL, version = version + 1 \
                  WHERE id = 1 AND version = $1 AND moving_to IS NOT NULL";
    tx.exec(switch, args![home.version]).await?;
    tx.commit().await
}

/// The collection that was left is empty.
pub(super) async fn left(tenant: &TenantStore, home: &Home) -> Result<()> {
    let mut tx = tenant.home.db().write().await?;
    let left = "UPDATE vector_home SET leaving = NULL, version = version + 1 WHERE id = 1 AND version = $1";
    tx.exec(left, args![home.version]).await?;
    tx.commit().await
}

/// A document's points are as the tables say: its note goes, unless it was noted anew or the tenant's collection changed.
pub(super) async fn done(tenant: &TenantStore, noted: Noted, home: &Home) -> Result<bool> {
    let mut tx = tenant.home.db().write().await?;
    let gone = "DELETE FROM vector_outbox WHERE document = $1 AND since = $2 \
                AND EXISTS (SELECT 1 FROM vector_home WHERE id = 1 AND version = $3)";
    let is_done = tx.exec(gone, args![noted.document, noted.since, home.version]).await? == 1;
    tx.commit().await?;
    Ok(is_done)
}

/// The epoch that shows a document; nothing where it is not to be found.
pub(super) async fn published(tx: &mut Tx, document: DocumentId) -> Result<Option<u64>> {
    let published = "SELECT published FROM documents WHERE id = $1";
    let row: Option<Published> = tx.optional(published, args![document]).await?;
    Ok(row.and_then(|row| row.published))
}

/// At most `limit` vectors of a document, those of a chunk one after the other, behind (`chunk`, `space`).
pub(super) async fn of_document(tx: &mut Tx, document: DocumentId, behind: (u64, u64), limit: u32) -> Result<Vec<ChunkRow>> {
    let rows = "SELECT c.chunk AS chunk, c.place AS place, v.space AS space, v.sealed_vector AS sealed_vector \
                FROM chunks c JOIN vectors v ON v.chunk = c.chunk \
                WHERE c.document = $1 AND (c.chunk > $2 OR (c.chunk = $2 AND v.space > $3)) \
                ORDER BY c.chunk, v.space LIMIT $4";
    tx.all(rows, args![document, behind.0, behind.1, limit]).await
}

/// A chunk of a document with its vector in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub chunk: u64,
    pub document: DocumentId,
    pub place: u64,
    pub sealed_vector: Vec<u8>,
}

rec!(Placed { chunk, document, place, sealed_vector });

/// At most `limit` vectors of a space, of chunks from `first` on and before `end`.
pub(super) async fn between(tx: &mut Tx, space: u64, first: u64, end: u64, limit: u32) -> Result<Vec<Placed>> {
    let rows = "SELECT c.chunk AS chunk, c.document AS document, c.place AS place, v.sealed_vector AS sealed_vector \
                FROM chunks c JOIN vectors v ON v.chunk = c.chunk \
                WHERE c.chunk >= $2 AND c.chunk < $3 AND v.space = $1 ORDER BY c.chunk LIMIT $4";
    tx.all(rows, args![space, first, end, limit]).await
}

/// At most `limit` of all vectors, without their numbers, behind (`chunk`, `space`).
pub(super) async fn expected(tx: &mut Tx, behind: (u64, u64), limit: u32) -> Result<Vec<Expected>> {
    let rows = "SELECT c.document AS document, c.chunk AS chunk, v.space AS space FROM chunks c JOIN vectors v ON v.chunk = c.chunk \
                WHERE c.chunk > $1 OR (c.chunk = $1 AND v.space > $2) ORDER BY c.chunk, v.space LIMIT $3";
    tx.all(rows, args![behind.0, behind.1, limit]).await
}

async fn note_all(tx: &mut Tx, since: u64) -> Result<()> {
    let all: Vec<Id> = tx.all("SELECT id FROM documents WHERE published IS NOT NULL ORDER BY id", &[]).await?;
    for id in all {
        tx.exec(NOTE, args![id.id, since]).await?;
    }
    Ok(())
}

async fn epoch(tx: &mut Tx) -> Result<u64> {
    let epoch: Option<Epoch> = tx.optional("SELECT epoch FROM corpus WHERE id = 1", &[]).await?;
    Ok(epoch.map_or(0, |epoch| epoch.epoch))
}

/// The next epoch, so that a note made now is another than any before. Whoever changes documents waits here.
async fn raise(tx: &mut Tx) -> Result<u64> {
    let raised: Result<Epoch> = tx.one("UPDATE corpus SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch", &[]).await;
    match raised {
        Ok(epoch) => Ok(epoch.epoch),
        // Nothing was ever published.
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The note of a document, where it is noted.
pub(super) async fn note_of(tx: &mut Tx, document: DocumentId) -> Result<Option<Noted>> {
    tx.optional("SELECT document, since, is_ahead FROM vector_outbox WHERE document = $1", args![document]).await
}

/// The spaces that a text of `vector_home` tells of. What an earlier version wrote tells also which one was searched, which is one of them.
pub(super) fn numbers(spaces: &str) -> BTreeSet<u64> {
    spaces.split(' ').filter_map(|space| space.parse().ok()).collect()
}

/// Which spaces there are, as `vector_home` keeps it.
pub(super) async fn spaces(tx: &mut Tx) -> Result<String> {
    let all: Vec<String> = dimensions(tx).await?.iter().map(|(space, _)| space.to_string()).collect();
    Ok(all.join(" "))
}

struct SpaceRow {
    space: u64,
    dimension: u64,
}

rec!(SpaceRow { space, dimension });

/// Every space, with the numbers of its vectors.
pub(super) async fn dimensions(tx: &mut Tx) -> Result<Vec<(u64, u64)>> {
    let rows: Vec<SpaceRow> = tx.all("SELECT space, dimension FROM spaces ORDER BY space", &[]).await?;
    Ok(rows.into_iter().map(|row| (row.space, row.dimension)).collect())
}
