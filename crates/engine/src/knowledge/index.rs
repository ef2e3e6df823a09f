//! One tenant's vectors in memory, as they stood at one epoch.

use std::{collections::HashMap, sync::Arc};

use insula_model::{DocumentId, Error, Result};
use insula_store::{ChunkVector, Corpus, Knowledge, PublishedDocument, TenantSeals};

use super::{detail::open_vector, embed::Embedder};

/// Chunks that are read at once.
const PAGE: u32 = 512;

/// What is ranked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index {
    epoch: u64,
    /// All chunks below this number are known.
    next_chunk: u64,
    dimension: usize,
    documents: Vec<Shown>,
    /// In the order of their numbers.
    entries: Vec<Entry>,
    /// One after the other, as the entries.
    vectors: Vec<f32>,
}

/// A document, and the epoch that showed it as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    id: DocumentId,
    published: u64,
}

/// A chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number.
    pub chunk: u64,
    /// Its length.
    pub tokens: u32,
    /// Whose it is: a place in [`Index::documents`].
    pub document: u32,
}

impl Index {
    /// An index of these chunks.
    #[cfg(test)]
    pub fn of(dimension: usize, chunks: &[(DocumentId, u64, Vec<f32>)]) -> Self {
        let mut index = Self { dimension, ..Self::default() };
        for (chunk, (id, tokens, vector)) in (1..).zip(chunks) {
            index.push(chunk, Shown { id: *id, published: 1 }, *tokens, vector);
        }
        index
    }

    /// Its chunks, in the order of their numbers.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Their vectors, in the same order.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.vectors.chunks_exact(self.dimension.max(1))
    }

    /// Its documents.
    pub fn documents(&self) -> impl Iterator<Item = DocumentId> {
        self.documents.iter().map(|shown| shown.id)
    }

    /// Where a chunk stands among the entries.
    pub fn place_of(&self, chunk: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&chunk, |entry| entry.chunk).ok()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> u64 {
        let documents = self.documents.len() * size_of::<Shown>();
        (documents + self.entries.len() * size_of::<Entry>() + self.vectors.len() * size_of::<f32>()) as u64
    }

    /// Forgets chunks whose document is gone, or is shown anew.
    fn retain(&mut self, published: &HashMap<DocumentId, u64>) {
        let stays: Vec<bool> = self.documents.iter().map(|shown| published.get(&shown.id) == Some(&shown.published)).collect();
        if stays.iter().all(|stays| *stays) {
            return;
        }
        let mut kept = Self { epoch: self.epoch, next_chunk: self.next_chunk, dimension: self.dimension, ..Self::default() };
        for (entry, vector) in self.entries.iter().zip(self.vectors()) {
            let document = entry.document as usize;
            if stays[document] {
                kept.push(entry.chunk, self.documents[document], entry.tokens.into(), vector);
            }
        }
        *self = kept;
    }

    /// Adds a chunk with a number above all others. Those of a document stand together.
    fn push(&mut self, chunk: u64, document: Shown, tokens: u64, vector: &[f32]) {
        if self.documents.last() != Some(&document) {
            self.documents.push(document);
        }
        let document = u32::try_from(self.documents.len() - 1).unwrap_or(u32::MAX);
        self.entries.push(Entry { chunk, tokens: u32::try_from(tokens).unwrap_or(u32::MAX), document });
        // One of another kind cannot be compared: it lies near nothing, and is found by its words.
        let fits = vector.len() == self.dimension;
        self.vectors.extend((0..self.dimension).map(|at| if fits { vector[at] } else { 0.0 }));
    }
}

/// Brings an index to where the tenant's documents stand. Chunks that are known are not read again. Where it fails nothing is known.
pub(super) async fn refresh(
    held: &mut Arc<Index>,
    knowledge: &mut Knowledge,
    corpus: Corpus,
    seals: &Arc<TenantSeals>,
    embedder: &dyn Embedder,
) -> Result<()> {
    if held.epoch == corpus.epoch {
        return Ok(());
    }
    let mut index = std::mem::take(held);
    if index.epoch > corpus.epoch || index.dimension != embedder.dimension() {
        // The data is older than what is known of it: it was put back.
        index = Arc::new(Index { dimension: embedder.dimension(), next_chunk: 1, ..Index::default() });
    }
    let changed = Arc::make_mut(&mut index);
    let published = knowledge.published().await?;
    changed.retain(&published.iter().map(|document| (document.id, document.published)).collect());
    let published: HashMap<DocumentId, PublishedDocument> =
        published.into_iter().map(|document| (document.id, document)).collect();
    loop {
        let page = knowledge.vectors(changed.next_chunk, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for (row, vector) in open(page, seals).await? {
            changed.next_chunk = row.chunk + 1;
            let document =
                published.get(&row.document).ok_or_else(|| Error::internal("a chunk is there without its document"))?;
            let vector = if document.embedder == embedder.name() { &vector[..] } else { &[] };
            changed.push(row.chunk, Shown { id: row.document, published: document.published }, row.tokens, vector);
        }
        if is_last {
            break;
        }
    }
    (changed.epoch, changed.next_chunk) = (corpus.epoch, corpus.next_chunk);
    *held = index;
    Ok(())
}

/// Opens a page of vectors, off the runtime's own threads.
async fn open(page: Vec<ChunkVector>, seals: &Arc<TenantSeals>) -> Result<Vec<(ChunkVector, Vec<f32>)>> {
    if page.is_empty() {
        return Ok(Vec::new());
    }
    let seals = Arc::clone(seals);
    let open = move || {
        let opened = page.into_iter().map(|row| {
            let vector = open_vector(&seals, row.document, row.place, &row.sealed_vector)?;
            Ok((row, vector))
        });
        opened.collect()
    };
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> DocumentId {
        DocumentId::from_bytes([n; 16])
    }

    #[test]
    fn what_is_gone_or_shown_anew_is_forgotten() {
        let chunks =
            [(id(1), 3, vec![1.0, 0.0]), (id(1), 4, vec![0.0, 1.0]), (id(2), 5, vec![0.5, 0.5]), (id(3), 6, vec![0.2, 0.8])];
        let mut index = Index::of(2, &chunks);
        assert_eq!(index.documents().count(), 3);
        index.retain(&[(id(1), 1), (id(2), 1), (id(3), 1)].into());
        assert_eq!(index, Index::of(2, &chunks), "nothing has changed");
        index.retain(&[(id(1), 1), (id(3), 2)].into());
        assert_eq!(index, Index::of(2, &chunks[..2]));
        assert_eq!((index.place_of(2), index.place_of(3)), (Some(1), None));
        assert!(index.bytes() > 0);
    }

    #[test]
    fn a_vector_of_another_kind_lies_near_nothing() {
        let index = Index::of(2, &[(id(1), 3, vec![1.0]), (id(2), 3, vec![0.0, 1.0])]);
        assert_eq!(index.vectors().collect::<Vec<_>>(), [[0.0, 0.0], [0.0, 1.0]]);
    }
}
