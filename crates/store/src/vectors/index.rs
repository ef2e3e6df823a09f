//! One tenant's chunks in memory, as they stood at one epoch, with their vectors where the engine wants them there.

use std::{collections::HashMap, sync::Arc};

use insula_model::{DocumentId, Error, Result};

use super::{Space, embedded::GraphCell, spaces::open_vector};
use crate::{
    Opener,
    tenants::{ChunkVector, Corpus, Knowledge},
};

/// Chunks that are read at once.
const PAGE: u32 = 512;
/// Vectors that stand together in memory.
const SEGMENT: usize = 1_024;

/// What is ranked.
#[derive(Debug, Clone, Default)]
pub struct Index {
    epoch: u64,
    /// All chunks below this number are known.
    next_chunk: u64,
    /// Which vectors these are.
    space: u64,
    /// The numbers of each vector; none where vectors are elsewhere.
    dimension: usize,
    documents: Vec<Shown>,
    /// In the order of their numbers.
    entries: Vec<Entry>,
    /// Their vectors, in the same order: [`SEGMENT`] in each piece. A state of the documents shares its pieces with the one before, so that
    /// what is added costs no copy of what was there, also while somebody searches.
    vectors: Vec<Arc<Vec<f32>>>,
    /// Ways from each vector to those near it, where there are so many that they are worth it. Clones share it.
    pub(super) graph: GraphCell,
}

/// A document, and the epoch that showed it as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    id: DocumentId,
    published: u64,
}

/// A chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub chunk: u64,
    /// Its length.
    pub tokens: u32,
    /// Whose it is: a place in [`Index::documents`].
    pub document: u32,
}

impl Index {
    /// An index of these chunks, numbered from 1: each one's document, length and vector.
    #[doc(hidden)]
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

    /// Its documents.
    pub fn documents(&self) -> impl ExactSizeIterator<Item = DocumentId> {
        self.documents.iter().map(|shown| shown.id)
    }

    /// Where a chunk stands among the entries.
    pub fn place_of(&self, chunk: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&chunk, |entry| entry.chunk).ok()
    }

    /// The vector of an entry.
    pub(super) fn vector(&self, place: usize) -> &[f32] {
        let first = place % SEGMENT * self.dimension;
        &self.vectors[place / SEGMENT][first..first + self.dimension]
    }

    /// All vectors, in the order of the entries.
    #[cfg(test)]
    fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.entries.len()).map(|place| self.vector(place))
    }

    /// Which vectors these are.
    pub(super) fn space(&self) -> u64 {
        self.space
    }

    /// The numbers of each vector.
    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// All chunks below this number are known.
    pub(super) fn next_chunk(&self) -> u64 {
        self.next_chunk
    }

    /// Whether there are ways from each vector to those near it by now.
    pub fn has_graph(&self) -> bool {
        self.graph.get().is_some()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes_without_graph() + self.graph.bytes()
    }

    /// The same without its graph.
    pub(super) fn bytes_without_graph(&self) -> u64 {
        let documents = self.documents.len() * size_of::<Shown>();
        let vectors = self.entries.len() * self.dimension * size_of::<f32>();
        (documents + self.entries.len() * size_of::<Entry>() + vectors) as u64
    }

    /// Forgets chunks whose document is gone, or is shown anew.
    fn retain(&mut self, published: &HashMap<DocumentId, u64>) {
        let stays: Vec<bool> = self.documents.iter().map(|shown| published.get(&shown.id) == Some(&shown.published)).collect();
        if stays.iter().all(|stays| *stays) {
            return;
        }
        let mut kept = Self { documents: Vec::new(), entries: Vec::new(), vectors: Vec::new(), ..self.clone_head() };
        for (place, entry) in self.entries.iter().enumerate() {
            let document = entry.document as usize;
            if stays[document] {
                kept.push(entry.chunk, self.documents[document], entry.tokens.into(), self.vector(place));
            }
        }
        *self = kept;
    }

    fn clone_head(&self) -> Self {
        let Self { epoch, next_chunk, space, dimension, graph, .. } = self;
        let (epoch, next_chunk, space, dimension, graph) = (*epoch, *next_chunk, *space, *dimension, graph.clone());
        Self { epoch, next_chunk, space, dimension, graph, ..Self::default() }
    }

    /// Adds a chunk with a number above all others. Those of a document stand together.
    fn push(&mut self, chunk: u64, document: Shown, tokens: u64, vector: &[f32]) {
        if self.documents.last() != Some(&document) {
            self.documents.push(document);
        }
        let document = u32::try_from(self.documents.len() - 1).unwrap_or(u32::MAX);
        if self.entries.len().is_multiple_of(SEGMENT) {
            self.vectors.push(Arc::new(Vec::with_capacity(self.dimension)));
        }
        self.entries.push(Entry { chunk, tokens: u32::try_from(tokens).unwrap_or(u32::MAX), document });
        // One that is not there, or of another length, lies near nothing: its chunk is found by its words.
        let fits = vector.len() == self.dimension;
        if let Some(last) = self.vectors.last_mut() {
            Arc::make_mut(last).extend((0..self.dimension).map(|at| if fits { vector[at] } else { 0.0 }));
        }
    }
}

/// Brings an index to where the tenant's documents stand. Chunks that are known are not read again. Where it fails nothing is known.
pub(super) async fn refresh(
    held: &mut Arc<Index>,
    knowledge: &mut Knowledge,
    corpus: Corpus,
    space: &Space,
    with_vectors: bool,
    opener: &Arc<Opener>,
) -> Result<()> {
    let dimension = if with_vectors { space.dimension as usize } else { 0 };
    let is_of_it = held.space == space.space && held.dimension == dimension;
    // A database that was put back may have come to the same epoch another way; numbers of chunks tell most of those apart.
    if held.epoch == corpus.epoch && held.next_chunk == corpus.next_chunk && is_of_it {
        return Ok(());
    }
    let mut index = std::mem::take(held);
    if index.epoch >= corpus.epoch || index.next_chunk > corpus.next_chunk || !is_of_it {
        // Other vectors serve now; or they are wanted in memory now, or not any more; or the data is older than what is known of it: it
        // was put back.
        index = Arc::new(Index { dimension, next_chunk: 1, space: space.space, ..Index::default() });
    }
    let changed = Arc::make_mut(&mut index);
    let published = knowledge.published().await?.into_iter().map(|document| (document.id, document.published)).collect();
    changed.retain(&published);
    loop {
        let vectors_of = with_vectors.then_some(space.space);
        let page = knowledge.chunks(changed.next_chunk, PAGE, vectors_of).await?;
        let is_last = page.len() < PAGE as usize;
        for (row, vector) in open(page, space.space, opener).await? {
            changed.next_chunk = row.chunk + 1;
            let published =
                *published.get(&row.document).ok_or_else(|| Error::internal("a chunk is there without its document"))?;
            changed.push(row.chunk, Shown { id: row.document, published }, row.tokens, &vector);
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
async fn open(page: Vec<ChunkVector>, space: u64, opener: &Arc<Opener>) -> Result<Vec<(ChunkVector, Vec<f32>)>> {
    if page.iter().all(|row| row.sealed_vector.is_none()) {
        return Ok(page.into_iter().map(|row| (row, Vec::new())).collect());
    }
    let opener = Arc::clone(opener);
    let open = move || {
        let opened = page.into_iter().map(|row| {
            let sealed = row.sealed_vector.as_deref();
            let vector = sealed.map(|sealed| open_vector(&opener, space, row.document, row.place, sealed)).transpose()?;
            Ok((row, vector.unwrap_or_default()))
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

    fn parts(index: &Index) -> (Vec<DocumentId>, Vec<Entry>, Vec<f32>) {
        (index.documents().collect(), index.entries.clone(), index.vectors().flatten().copied().collect())
    }

    #[test]
    fn what_is_gone_or_shown_anew_is_forgotten() {
        let chunks =
            [(id(1), 3, vec![1.0, 0.0]), (id(1), 4, vec![0.0, 1.0]), (id(2), 5, vec![0.5, 0.5]), (id(3), 6, vec![0.2, 0.8])];
        let mut index = Index::of(2, &chunks);
        assert_eq!(index.documents().count(), 3);
        index.retain(&[(id(1), 1), (id(2), 1), (id(3), 1)].into());
        assert_eq!(parts(&index), parts(&Index::of(2, &chunks)), "nothing has changed");
        index.retain(&[(id(1), 1), (id(3), 2)].into());
        assert_eq!(parts(&index), parts(&Index::of(2, &chunks[..2])));
        assert_eq!((index.place_of(2), index.place_of(3)), (Some(1), None));
        assert!(index.bytes() > 0);
    }

    #[test]
    fn what_is_added_copies_nothing_of_what_was_there() {
        let chunks: Vec<_> = (0..SEGMENT * 2 + 1).map(|n| (id(1), 3, vec![n as f32])).collect();
        let before = Index::of(1, &chunks[..SEGMENT * 2]);
        let mut after = before.clone();
        after.push(SEGMENT as u64 * 2 + 1, before.documents[0], 3, &[9.0]);
        assert!((0..2).all(|n| Arc::ptr_eq(&before.vectors[n], &after.vectors[n])));
        assert_eq!((before.vectors().count(), after.vector(SEGMENT * 2)), (SEGMENT * 2, &[9.0][..]));
        assert_eq!(parts(&before), parts(&Index::of(1, &chunks[..SEGMENT * 2])));
    }

    #[test]
    fn a_vector_of_another_kind_lies_near_nothing() {
        let index = Index::of(2, &[(id(1), 3, vec![1.0]), (id(2), 3, vec![0.0, 1.0])]);
        assert_eq!(index.vectors().collect::<Vec<_>>(), [[0.0, 0.0], [0.0, 1.0]]);
    }
}
