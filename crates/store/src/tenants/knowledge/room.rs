//! How much more a tenant may hand in: decided when it does, under the lock of its corpus, so that all that arrives at once has no more
//! than it may.

use insula_model::Result;

use crate::query::{Tx, args, rec};

/// Bytes of a document that is not read yet for which a chunk is expected. Texts have more chunks, scanned pages fewer: it is a guess that
/// turns nobody away for good.
const BYTES_PER_CHUNK: u64 = 16 * 1024;

/// How much a tenant may hand in.
#[derive(Debug, Clone, Copy)]
pub struct DocumentsMax {
    /// Documents.
    pub count: u64,
    /// Bytes of all of them, as they were handed in.
    pub bytes: u64,
    /// Chunks of all of them. Those of documents that are not read are a guess: what is shown is counted.
    pub chunks: u64,
}

/// What a tenant lacks to hand in more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// Documents, or bytes of them.
    Documents,
    /// Chunks: there are as many as it may have.
    Chunks,
    /// Chunks, as far as can be told: documents that are being read will take the rest.
    ChunksExpected,
    /// Chunks, as far as can be told: those that come together have too many.
    ChunksTogether,
}

struct Held {
    documents: u64,
    bytes: u64,
    shown: u64,
    under_way: u64,
    expected: u64,
}

rec!(Held { documents, bytes, shown, under_way, expected });

impl DocumentsMax {
    /// What there is too little of for so many documents more, of so many bytes. Documents whose file is still to be copied count like
    /// those whose file is there. Whoever asks holds the corpus.
    pub(super) async fn lacking(self, tx: &mut Tx, documents: u64, bytes: u64) -> Result<Option<Lacking>> {
        let held = "SELECT COUNT(*) AS documents, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes, \
                    COALESCE((SELECT chunks FROM corpus WHERE id = 1), 0) AS shown, \
                    CAST(COALESCE(SUM(CASE WHEN status IN ('queued', 'reading', 'embedding') THEN 1 ELSE 0 END), 0) AS BIGINT) \
                    AS under_way, \
                    CAST(COALESCE(SUM(CASE WHEN status NOT IN ('queued', 'reading', 'embedding') THEN 0 \
                    WHEN chunks_total > 0 THEN chunks_total ELSE 1 + bytes / $1 END), 0) AS BIGINT) AS expected FROM documents";
        let held: Held = tx.one(held, args![BYTES_PER_CHUNK]).await?;
        if held.documents.saturating_add(documents) > self.count || held.bytes.saturating_add(bytes) > self.bytes {
            return Ok(Some(Lacking::Documents));
        }
        // Each has one at least.
        if held.shown.saturating_add(documents) > self.chunks {
            return Ok(Some(Lacking::Chunks));
        }
        let expected = documents.saturating_add(bytes / BYTES_PER_CHUNK);
        let fits = held.shown.saturating_add(held.expected).saturating_add(expected) <= self.chunks;
        Ok(match (fits, held.under_way, documents) {
            (true, ..) => None,
            // One that comes alone is read: it may have fewer than it looks.
            (false, 0, 1) => None,
            (false, 0, _) => Some(Lacking::ChunksTogether),
            (false, ..) => Some(Lacking::ChunksExpected),
        })
    }
}
