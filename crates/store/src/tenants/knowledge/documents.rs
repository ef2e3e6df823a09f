//! A document as its row tells of it.

use insula_model::{DocumentId, DocumentStatus, EmbeddingWait, FileBatchId, FileId, Result, Timestamp, VectorStoreId};

use super::{
    super::{FileRow, TenantStore, Written, stored_files::publish},
    room::{DocumentsMax, Lacking},
    staged,
};
use crate::{
    query::{Tx, args, rec},
    vectors::spaces::lock_corpus,
};

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its id.
    pub id: DocumentId,
    /// How it stands.
    pub status: DocumentStatus,
    /// What was handed in.
    pub raw_file: FileId,
    /// The size of that.
    pub bytes: u64,
    /// Its chunks; 0 until they are counted.
    pub chunks_total: u64,
    /// Those that are embedded.
    pub chunks_done: u64,
    /// What the others wait for.
    pub waiting: Option<EmbeddingWait>,
    /// The epoch that showed it as it stands; absent while it is not to be found.
    pub published: Option<u64>,
    /// What embedded it.
    pub embedder: Option<String>,
    /// The numbers of each of its vectors.
    pub dimension: Option<u32>,
    /// The vector store that it is in.
    pub vector_store: Option<VectorStoreId>,
    /// The tenant's file that it was made of; its own copy of that is `raw_file`.
    pub file: Option<FileId>,
    /// Those that came with it.
    pub file_batch: Option<FileBatchId>,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it came to stand as it does.
    pub changed_at: Timestamp,
    /// What its tenant calls it and wrote to it, and what was found, sealed for (`documents`, `detail`, its id).
    pub sealed_detail: Vec<u8>,
}

rec!(DocumentRow {
    id,
    status,
    raw_file,
    bytes,
    chunks_total,
    chunks_done,
    waiting,
    published,
    embedder,
    dimension,
    vector_store,
    file,
    file_batch,
    created_at,
    changed_at,
    sealed_detail,
});

impl TenantStore {
    /// Adds a document whose file is whole, and shows that to nobody but those who read the document; or says what the tenant has too
    /// little of for it.
    pub async fn insert_document(&self, row: &DocumentRow, raw: Written, most: DocumentsMax) -> Result<Option<Lacking>> {
        let mut tx = self.home.db().write().await?;
        // Whoever hands in beside this one waits here, so that both together have no more than they may.
        lock_corpus(&mut tx).await?;
        if let Some(lacking) = most.lacking(&mut tx, 1, raw.bytes).await? {
            return Ok(Some(lacking));
        }
        publish(&mut tx, raw).await?;
        tx.exec(
            "INSERT INTO documents (id, status, raw_file, bytes, chunks_total, chunks_done, created_at, changed_at, sealed_detail) \
             VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7)",
            args![row.id, row.status, row.raw_file, raw.bytes, row.created_at, row.changed_at, row.sealed_detail],
        )
        .await?;
        tx.commit().await?;
        Ok(None)
    }

    /// One document.
    pub async fn document(&self, id: DocumentId) -> Result<Option<DocumentRow>> {
        find(&mut self.home.db().read().await?, id).await
    }

    /// At most `limit` documents, the newest first, from the one behind `after` on.
    pub async fn documents(&self, after: Option<DocumentId>, limit: u32) -> Result<Vec<DocumentRow>> {
        let list = "SELECT id, status, raw_file, bytes, chunks_total, chunks_done, waiting, published, embedder, dimension, vector_store, file, \
                    file_batch, created_at, changed_at, sealed_detail FROM documents WHERE id < $1 ORDER BY id DESC LIMIT $2";
        self.home.db().read().await?.all(list, args![after.unwrap_or(DocumentId::from_bytes([0xff; 16])), limit]).await
    }

    /// What was handed in as a document.
    pub async fn raw_file(&self, id: FileId) -> Result<Option<FileRow>> {
        let find = "SELECT id, purpose, bytes, chunks, created_at, sealed_name FROM files WHERE id = $1 AND state = 'ready' \
                    AND purpose = 'document'";
        self.home.db().read().await?.optional(find, args![id]).await
    }

    /// Notes how far a document is that is not over. False where it is, or is gone.
    pub async fn note_document(
        &self,
        id: DocumentId,
        status: DocumentStatus,
        total: u64,
        done: u64,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let noted = "UPDATE documents SET status = $2, chunks_total = $3, chunks_done = $4, changed_at = $5, waiting = NULL \
                     WHERE id = $1 AND status NOT IN ('ready', 'failed', 'cancelled')";
        let is_noted = tx.exec(noted, args![id, status, total, done, now]).await? == 1;
        tx.commit().await?;
        Ok(is_noted)
    }

    /// Notes that a document that is not over cannot be read, with why in what is sealed.
    pub async fn fail_document(&self, id: DocumentId, sealed_detail: &[u8], now: Timestamp) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        let failed = "UPDATE documents SET status = 'failed', changed_at = $3, sealed_detail = $2, waiting = NULL \
                      WHERE id = $1 AND status NOT IN ('ready', 'failed', 'cancelled')";
        tx.exec(failed, args![id, sealed_detail.to_vec(), now]).await?;
        staged::forget(&mut tx, id).await?;
        tx.commit().await
    }

    /// Notes what the chunks of a document that is not over wait for.
    pub async fn note_document_waits(&self, id: DocumentId, waiting: EmbeddingWait) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        let noted = "UPDATE documents SET waiting = $2 WHERE id = $1 AND status NOT IN ('ready', 'failed', 'cancelled')";
        tx.exec(noted, args![id, waiting]).await?;
        tx.commit().await
    }
}

pub(super) async fn find(tx: &mut Tx, id: DocumentId) -> Result<Option<DocumentRow>> {
    let find = "SELECT id, status, raw_file, bytes, chunks_total, chunks_done, waiting, published, embedder, dimension, vector_store, file, \
                file_batch, created_at, changed_at, sealed_detail FROM documents WHERE id = $1";
    tx.optional(find, args![id]).await
}
