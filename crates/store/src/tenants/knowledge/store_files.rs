//! Files in vector stores: documents that were made of a tenant's files, and those that came together.

use insula_model::{DocumentId, DocumentStatus, FileBatchId, FileId, Result, Timestamp, VectorStoreId};

use super::{
    super::{TenantStore, Written, stored_files},
    documents::DocumentRow,
    publish::{insert_facets, raise_epoch},
    room::{DocumentsMax, Lacking},
    vector_stores::{Slice, used},
};
use crate::{
    query::{Tx, args, rec},
    vectors::spaces::lock_corpus,
};

/// Files that came into a store together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileBatchRow {
    /// Its id.
    pub id: FileBatchId,
    /// Into which store.
    pub vector_store: VectorStoreId,
    /// Whether those that were not ready were cancelled.
    pub is_cancelled: bool,
    /// When they came.
    pub created_at: Timestamp,
}

struct Batch {
    id: FileBatchId,
    vector_store: VectorStoreId,
    state: String,
    created_at: Timestamp,
}

rec!(Batch { id, vector_store, state, created_at });

/// How many documents of a store or a batch stand so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusCount {
    /// How they stand.
    pub status: DocumentStatus,
    /// So many.
    pub documents: u64,
    /// Their size, as they were handed in.
    pub bytes: u64,
}

rec!(StatusCount { status, documents, bytes });

/// What became of files that were to come into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// They are in it, and wait to be read.
    Done,
    /// The store is gone, or its time has come.
    NoStore,
    /// The tenant has too little of this for them.
    NoRoom(Lacking),
}

/// Of which documents a list is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Those of a store.
    Store(VectorStoreId),
    /// Those that came together.
    Batch(FileBatchId),
}

/// A piece of a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPassage {
    /// Which one of it.
    pub place: u64,
    /// Sealed for (`chunks`, `text`, document and place).
    pub sealed_text: Vec<u8>,
}

rec!(SealedPassage { place, sealed_text });

/// A query of documents: of these, or of a part of a list of these, in this order.
macro_rules! documents {
    ($which:literal) => {
        concat!(
            "SELECT id, status, raw_file, bytes, chunks_total, chunks_done, waiting, published, embedder, dimension, vector_store, file, \
             file_batch, created_at, changed_at, sealed_detail FROM documents WHERE ",
            $which
        )
    };
    ($of:literal, $order:literal) => {
        concat!(
            documents!($of),
            " AND id > $2 AND id < $3 AND ($4 IN ('any', status) OR ($4 = 'in_progress' AND \
             status IN ('queued', 'reading', 'embedding'))) ORDER BY ",
            $order,
            " LIMIT $5"
        )
    };
}

impl TenantStore {
    /// Puts documents into a store, whose own files are still to be copied, all of them or none. They are rows that name the store, and
    /// their batch where they have one. `Conflict` where the store got one of their files meanwhile.
    pub async fn attach_documents(
        &self,
        store: VectorStoreId,
        rows: &[DocumentRow],
        batch: Option<&FileBatchRow>,
        most: DocumentsMax,
        now: Timestamp,
    ) -> Result<Attached> {
        let mut tx = self.home.db().write().await?;
        // Whoever hands in beside this waits here, so that all together have no more than they may.
        lock_corpus(&mut tx).await?;
        // Holds the store until all are in it: whoever removes it waits, and then sees them.
        if !used(&mut tx, store, now).await? {
            return Ok(Attached::NoStore);
        }
        let bytes = rows.iter().map(|row| row.bytes).sum();
        if let Some(lacking) = most.lacking(&mut tx, rows.len() as u64, bytes).await? {
            return Ok(Attached::NoRoom(lacking));
        }
        if let Some(batch) = batch {
            let insert = "INSERT INTO file_batches (id, vector_store, state, created_at) VALUES ($1, $2, 'active', $3)";
            tx.exec(insert, args![batch.id, batch.vector_store, batch.created_at]).await?;
        }
        for row in rows {
            tx.exec(
                "INSERT INTO documents (id, status, raw_file, bytes, chunks_total, chunks_done, vector_store, file, file_batch, \
                 created_at, changed_at, sealed_detail) VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7, $8, $9, $10)",
                args![
                    row.id,
                    row.status,
                    row.raw_file,
                    row.bytes,
                    row.vector_store,
                    row.file,
                    row.file_batch,
                    row.created_at,
                    row.changed_at,
                    row.sealed_detail
                ],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(Attached::Done)
    }

    /// Shows a document's own copy of its file, instead of the one that it was to have. False where the document is over, or gone.
    pub async fn keep_raw(&self, document: DocumentId, raw: Written) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let kept =
            "UPDATE documents SET raw_file = $2, bytes = $3 WHERE id = $1 AND status NOT IN ('ready', 'failed', 'cancelled')";
        if tx.exec(kept, args![document, raw.file, raw.bytes]).await? == 0 {
            return Ok(false);
        }
        stored_files::publish(&mut tx, raw).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The document that a store has of a file.
    pub async fn document_of_file(&self, store: VectorStoreId, file: FileId) -> Result<Option<DocumentRow>> {
        let find = documents!("vector_store = $1 AND file = $2");
        self.home.db().read().await?.optional(find, args![store, file]).await
    }

    /// Part of the list of documents, those that stand so where `status` says how: `in_progress`, `ready`, `failed`, `cancelled`.
    pub async fn documents_within(&self, within: Within, status: Option<&str>, slice: &Slice) -> Result<Vec<DocumentRow>> {
        let (low, high, upwards) = slice.bounds();
        let id = match within {
            Within::Store(id) => *id.as_bytes(),
            Within::Batch(id) => *id.as_bytes(),
        };
        let list = match (within, upwards) {
            (Within::Store(_), true) => documents!("vector_store = $1", "id"),
            (Within::Store(_), false) => documents!("vector_store = $1", "id DESC"),
            (Within::Batch(_), true) => documents!("file_batch = $1", "id"),
            (Within::Batch(_), false) => documents!("file_batch = $1", "id DESC"),
        };
        let status = status.unwrap_or("any").to_owned();
        self.home.db().read().await?.all(list, args![id, low, high, status, slice.limit]).await
    }

    /// How the documents stand, counted.
    pub async fn status_counts(&self, within: Within) -> Result<Vec<StatusCount>> {
        let of_store = "SELECT status, COUNT(*) AS documents, CAST(SUM(bytes) AS BIGINT) AS bytes FROM documents \
                        WHERE vector_store = $1 GROUP BY status";
        let of_batch = "SELECT status, COUNT(*) AS documents, CAST(SUM(bytes) AS BIGINT) AS bytes FROM documents \
                        WHERE file_batch = $1 GROUP BY status";
        let mut tx = self.home.db().read().await?;
        match within {
            Within::Store(id) => tx.all(of_store, args![id]).await,
            Within::Batch(id) => tx.all(of_batch, args![id]).await,
        }
    }

    /// Changes what is sealed of a document that is over, and what it is looked up by, unless what was sealed is not `was` any more.
    /// False then, and where it is gone or being read.
    pub async fn amend_document(&self, id: DocumentId, was: &[u8], sealed_detail: &[u8], facets: &[i64]) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let epoch = raise_epoch(&mut tx).await?.epoch;
        let amended = "UPDATE documents SET sealed_detail = $3, amended = $4 WHERE id = $1 AND sealed_detail = $2 \
                       AND status IN ('ready', 'failed', 'cancelled')";
        if tx.exec(amended, args![id, was.to_vec(), sealed_detail.to_vec(), epoch]).await? == 0 {
            return Ok(false);
        }
        if is_ready(&mut tx, id).await? {
            tx.exec("DELETE FROM facets WHERE document = $1", args![id]).await?;
            insert_facets(&mut tx, id, facets).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// At most `limit` pieces of a document's text, in their order, from that in this place on.
    pub async fn passages(&self, document: DocumentId, from: u64, limit: u32) -> Result<Vec<SealedPassage>> {
        let read = "SELECT place, sealed_text FROM chunks WHERE document = $1 AND place >= $2 ORDER BY place LIMIT $3";
        self.home.db().read().await?.all(read, args![document, from, limit]).await
    }

    /// Files that came into this store together.
    pub async fn file_batch(&self, store: VectorStoreId, id: FileBatchId) -> Result<Option<FileBatchRow>> {
        let find = "SELECT id, vector_store, state, created_at FROM file_batches WHERE id = $1 AND vector_store = $2";
        let found: Option<Batch> = self.home.db().read().await?.optional(find, args![id, store]).await?;
        Ok(found.map(|Batch { id, vector_store, state, created_at }| FileBatchRow {
            id,
            vector_store,
            is_cancelled: state == "cancelled",
            created_at,
        }))
    }

    /// Cancels those files of a batch that are not read yet, and with them the batch, unless all are.
    pub async fn cancel_file_batch(&self, id: FileBatchId, now: Timestamp) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        // First of all: what is about to be shown is shown, or never will be.
        raise_epoch(&mut tx).await?;
        let cancelled = "UPDATE documents SET status = 'cancelled', changed_at = $2 \
                         WHERE file_batch = $1 AND status NOT IN ('ready', 'failed', 'cancelled')";
        if tx.exec(cancelled, args![id, now]).await? == 0 {
            return Ok(());
        }
        tx.exec("UPDATE file_batches SET state = 'cancelled' WHERE id = $1", args![id]).await?;
        tx.commit().await
    }
}

async fn is_ready(tx: &mut Tx, id: DocumentId) -> Result<bool> {
    struct Ready {
        ready: u64,
    }
    rec!(Ready { ready });
    let ready = "SELECT COUNT(*) AS ready FROM documents WHERE id = $1 AND published IS NOT NULL";
    let ready: Ready = tx.one(ready, args![id]).await?;
    Ok(ready.ready == 1)
}
