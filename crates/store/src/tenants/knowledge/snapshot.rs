//! What a search reads, from one unchanging state.

use insula_model::{DocumentId, Result};

use super::super::TenantStore;
use crate::query::{Rec, Tx, Val, args, rec};

/// A tenant's documents at one moment. While it is held, a tenant's file serves nobody else.
pub struct Knowledge {
    tx: Tx,
}

/// What all documents hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corpus {
    /// How often it has changed.
    pub epoch: u64,
    /// Chunks that can be found.
    pub chunks: u64,
    /// Their tokens.
    pub tokens: u64,
    /// The number that the next chunk gets.
    pub next_chunk: u64,
}

rec!(Corpus { epoch, chunks, tokens, next_chunk });

/// A document that can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDocument {
    /// Its id.
    pub id: DocumentId,
    /// The epoch that showed it as it stands.
    pub published: u64,
}

rec!(PublishedDocument { id, published });

/// A chunk as it is ranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkVector {
    /// Its number.
    pub chunk: u64,
    /// Whose it is.
    pub document: DocumentId,
    /// Which one of that.
    pub place: u64,
    /// Its length.
    pub tokens: u64,
    /// Its vector, where that is wanted and there.
    pub sealed_vector: Option<Vec<u8>>,
}

rec!(ChunkVector { chunk, document, place, tokens, sealed_vector });

/// How many chunks have a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCount {
    /// Its keyed hash.
    pub token: i64,
    /// So many.
    pub chunks: u64,
}

rec!(TokenCount { token, chunks });

/// How often a chunk has a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Its keyed hash.
    pub token: i64,
    /// The chunk's number.
    pub chunk: u64,
    /// So often.
    pub frequency: u64,
}

rec!(Posting { token, chunk, frequency });

/// A chunk as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkText {
    /// Its number.
    pub chunk: u64,
    /// Whose it is.
    pub document: DocumentId,
    /// Which one of that.
    pub place: u64,
    /// Its text and where that stands.
    pub sealed_text: Vec<u8>,
    /// What is known of its document.
    pub sealed_detail: Vec<u8>,
}

rec!(ChunkText { chunk, document, place, sealed_text, sealed_detail });

struct Holder {
    document: DocumentId,
}

rec!(Holder { document });

/// Values that one query asks for; those that are fewer are filled up with the last.
const ASKED_AT_ONCE: usize = 16;

impl TenantStore {
    /// The tenant's documents as they stand now.
    pub async fn knowledge(&self) -> Result<Knowledge> {
        Ok(Knowledge { tx: self.home.db().read().await? })
    }
}

impl Knowledge {
    /// What all documents hold together.
    pub async fn corpus(&mut self) -> Result<Corpus> {
        let corpus = "SELECT epoch, chunks, tokens, next_chunk FROM corpus WHERE id = 1";
        Ok(self.tx.optional(corpus, &[]).await?.unwrap_or_default())
    }

    /// All documents that can be found.
    pub async fn published(&mut self) -> Result<Vec<PublishedDocument>> {
        let published = "SELECT id, published FROM documents WHERE published IS NOT NULL ORDER BY id";
        self.tx.all(published, &[]).await
    }

    /// At most `limit` chunks from the one numbered `from` on, in their order; with their vectors of a space where one is named.
    pub async fn chunks(&mut self, from: u64, limit: u32, space: Option<u64>) -> Result<Vec<ChunkVector>> {
        let Some(space) = space else {
            let bare = "SELECT chunk, document, place, tokens, CAST(NULL AS BYTEA) AS sealed_vector FROM chunks \
                        WHERE chunk >= $1 ORDER BY chunk LIMIT $2";
            return self.tx.all(bare, args![from, limit]).await;
        };
        let vectors = "SELECT c.chunk AS chunk, c.document AS document, c.place AS place, c.tokens AS tokens, \
                       v.sealed_vector AS sealed_vector FROM chunks c LEFT JOIN vectors v ON v.chunk = c.chunk AND v.space = $3 \
                       WHERE c.chunk >= $1 ORDER BY c.chunk LIMIT $2";
        self.tx.all(vectors, args![from, limit, space]).await
    }

    /// The transaction that all this is read in.
    pub(crate) fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// How many chunks have each of these tokens; those that none has are not told.
    pub async fn token_counts(&mut self, tokens: &[i64]) -> Result<Vec<TokenCount>> {
        self.ask(
            "SELECT token, COUNT(*) AS chunks FROM postings \
             WHERE token IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) GROUP BY token",
            tokens,
        )
        .await
    }

    /// Which chunks have these tokens, and how often.
    pub async fn postings(&mut self, tokens: &[i64]) -> Result<Vec<Posting>> {
        self.ask(
            "SELECT token, chunk, frequency FROM postings \
             WHERE token IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            tokens,
        )
        .await
    }

    /// The documents that have any of these facets.
    pub async fn holders(&mut self, facets: &[i64]) -> Result<Vec<DocumentId>> {
        let holders: Vec<Holder> = self
            .ask(
                "SELECT document FROM facets \
                 WHERE facet IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
                facets,
            )
            .await?;
        Ok(holders.into_iter().map(|holder| holder.document).collect())
    }

    /// These chunks, in no order.
    pub async fn texts(&mut self, chunks: &[u64]) -> Result<Vec<ChunkText>> {
        let chunks: Vec<i64> = chunks.iter().filter_map(|chunk| i64::try_from(*chunk).ok()).collect();
        self.ask(
            "SELECT c.chunk AS chunk, c.document AS document, c.place AS place, c.sealed_text AS sealed_text, \
             d.sealed_detail AS sealed_detail FROM chunks c JOIN documents d ON d.id = c.document \
             WHERE c.chunk IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            &chunks,
        )
        .await
    }

    /// Asks for rows of any of `values`, some of them at a time. A value that is named twice has its rows once.
    async fn ask<T: Rec>(&mut self, sql: &'static str, values: &[i64]) -> Result<Vec<T>> {
        let mut values = values.to_vec();
        values.sort_unstable();
        values.dedup();
        let mut found = Vec::new();
        for some in values.chunks(ASKED_AT_ONCE) {
            let last = some.last().copied().unwrap_or_default();
            let asked: Vec<Val<'_>> =
                (0..ASKED_AT_ONCE).map(|i| Val::Int(Some(some.get(i).copied().unwrap_or(last)))).collect();
            found.extend(self.tx.all(sql, &asked).await?);
        }
        Ok(found)
    }
}
