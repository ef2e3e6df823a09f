//! A tenant of a case, and every vector that it has published.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use insula_model::{Clock, DocumentId, DocumentStatus, FilePurpose, Random, TenantScope};

use super::Bed;
use crate::{
    DocumentRow, DocumentsMax, FileRow, Filled, Near, NewChunk, NewVector, Publication, Published, Served, Space, TenantSeals,
    TenantStore, Unfilled, Written, inner_product,
};

/// How the embedder of the cases is called.
const EMBEDDER: &str = "shelf";
const CHUNKS_MAX: u64 = 1_000_000;
/// More than any case has.
const MUCH: u64 = 1 << 62;
const MOST: DocumentsMax = DocumentsMax { count: 1_000_000, bytes: MUCH, chunks: MUCH };
/// Two inner products that are the same but for the order of their sums.
const SAME: f32 = 1e-3;

/// One tenant's documents.
pub(crate) struct Shelf<'a> {
    bed: &'a Bed,
    scope: TenantScope,
    pub(crate) store: TenantStore,
    pub(crate) seals: Arc<TenantSeals>,
    /// The numbers of each vector.
    dimension: usize,
    next_chunk: u64,
    /// By the number of its chunk.
    chunks: BTreeMap<u64, (DocumentId, Vec<f32>)>,
    /// What is to take the place of those.
    next: Option<Next>,
}

/// A space that is being filled.
#[derive(Clone)]
struct Next {
    space: Space,
    /// By the number of its chunk.
    chunks: BTreeMap<u64, Vec<f32>>,
}

impl<'a> Shelf<'a> {
    /// An empty one.
    pub(crate) async fn of(bed: &'a Bed, scope: TenantScope, dimension: usize) -> Self {
        let (store, seals) = (bed.world.store.tenant(&scope).await.unwrap(), bed.world.store.seals(&scope).await.unwrap());
        Self { bed, scope, store, seals, dimension, next_chunk: 1, chunks: BTreeMap::new(), next: None }
    }

    /// The same tenant as another node sees it.
    pub(crate) async fn on<'b>(&self, bed: &'b Bed) -> Shelf<'b> {
        let mut other = Shelf::of(bed, self.scope, self.dimension).await;
        (other.next_chunk, other.chunks, other.next) = (self.next_chunk, self.chunks.clone(), self.next.clone());
        other
    }

    /// Publishes a document of these vectors, one for each chunk.
    pub(crate) async fn add(&mut self, vectors: Vec<Vec<f32>>) -> DocumentId {
        let id = self.hand_in().await;
        self.publish(id, vectors).await;
        id
    }

    /// Publishes a document, anew where it was published before.
    pub(crate) async fn publish(&mut self, document: DocumentId, vectors: Vec<Vec<f32>>) {
        self.publish_only(document, vectors).await;
        self.settle().await;
    }

    /// The same, without what follows from it.
    pub(crate) async fn add_only(&mut self, vectors: Vec<Vec<f32>>) -> DocumentId {
        let id = self.hand_in().await;
        self.publish_only(id, vectors).await;
        id
    }

    /// The same, without what follows from it.
    pub(crate) async fn publish_only(&mut self, document: DocumentId, vectors: Vec<Vec<f32>>) {
        let spaces = self.store.spaces(EMBEDDER, u32::try_from(self.dimension).unwrap()).await.unwrap();
        let total = vectors.len() as u64;
        let random: &dyn Random = &*self.bed.world.random;
        let sealed = (0..)
            .zip(&vectors)
            .map(|(place, vector)| NewVector::seal(&self.seals, spaces.serving.space, document, place, vector.clone(), random));
        let mut of_spaces: Vec<(Space, Vec<NewVector>)> = vec![(spaces.serving.clone(), sealed.collect())];
        if let Some(next) = &mut self.next {
            next.chunks.retain(|chunk, _| self.chunks.get(chunk).is_some_and(|(of, _)| *of != document));
            let fresh = vectors.iter().map(|_| self.bed.any(next.space.dimension as usize)).collect::<Vec<_>>();
            let seal = |(place, vector): (u64, &Vec<f32>)| {
                NewVector::seal(&self.seals, next.space.space, document, place, vector.clone(), random)
            };
            of_spaces.push((next.space.clone(), (0..).zip(&fresh).map(seal).collect()));
            next.chunks.extend((self.next_chunk..).zip(fresh));
        }
        let publication = Publication {
            document,
            vectors: of_spaces,
            chunks: vectors.iter().map(|_| NewChunk { tokens: 1, sealed_text: vec![1], postings: Vec::new() }).collect(),
            facets: Vec::new(),
            changed_at: self.bed.world.clock.now(),
            sealed_detail: vec![1],
        };
        let published = self.store.publish_document(publication, CHUNKS_MAX).await.unwrap();
        assert!(matches!(published, Published::Shown(_)), "{published:?}");
        self.chunks.retain(|_, (of, _)| *of != document);
        self.chunks.extend((self.next_chunk..).zip(vectors.into_iter().map(|vector| (document, vector))));
        self.next_chunk += total;
    }

    /// Begins a space that is to take the place of the one that is searched.
    pub(crate) async fn begin_space(&mut self, embedder: &str, dimension: u32) {
        let space = self.store.begin_space(embedder, dimension).await.unwrap().next.unwrap();
        self.next = Some(Next { space, chunks: BTreeMap::new() });
    }

    /// Gives at most so many chunks their vector in it; false once all have one.
    pub(crate) async fn fill(&mut self, limit: u32) -> bool {
        let next = self.next.as_mut().unwrap();
        let unfilled = self.store.unfilled(next.space.space, 0, limit).await.unwrap();
        let mut filled = Vec::new();
        for Unfilled { chunk, document, place, .. } in unfilled {
            let vector = self.bed.any(next.space.dimension as usize);
            next.chunks.insert(chunk, vector.clone());
            let vector = NewVector::seal(&self.seals, next.space.space, document, place, vector, &*self.bed.world.random);
            filled.push(Filled { chunk, document, place, vector });
        }
        let is_some = !filled.is_empty();
        assert!(self.store.fill(&next.space, filled).await.unwrap());
        is_some
    }

    /// Lets it serve.
    pub(crate) async fn serve(&mut self) -> Served {
        let space = self.next.as_ref().unwrap().space.clone();
        let served = self.store.serve_space(&space).await.unwrap();
        if matches!(served, Served::Since(_)) {
            let Next { space, chunks } = self.next.take().unwrap();
            self.dimension = space.dimension as usize;
            for (chunk, (_, vector)) in &mut self.chunks {
                vector.clone_from(&chunks[chunk]);
            }
        }
        served
    }

    /// Gives it up.
    pub(crate) async fn give_up(&mut self) {
        self.store.give_up_space().await.unwrap();
        self.next = None;
    }

    /// What the engine holds and should not, and what it lacks.
    pub(crate) async fn audited(&self) -> Vec<crate::AuditFinding> {
        self.bed.world.store.audit_vectors(&self.scope).await.unwrap()
    }

    /// What follows from a change, where the engine is brought to what the tables say.
    pub(crate) async fn settle(&self) {
        if let Some(collection) = self.bed.searched.settles_in() {
            self.bed.world.store.settle_vectors(&self.scope, collection).await.unwrap();
        }
    }

    /// Removes a document.
    pub(crate) async fn remove(&mut self, document: DocumentId) {
        self.remove_only(document).await;
        self.settle().await;
    }

    /// How many chunks there are.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Removes a document, without what follows from it.
    pub(crate) async fn remove_only(&mut self, document: DocumentId) {
        self.store.remove_document(document).await.unwrap();
        self.chunks.retain(|_, (of, _)| *of != document);
    }

    /// What the engine finds.
    pub(crate) async fn nearest(&self, question: &[f32], counting: Option<&HashSet<DocumentId>>, limit: usize) -> Vec<Near> {
        let mut reading = self.bed.world.store.reading(&self.scope).await.unwrap();
        reading.nearest(question, counting, limit).await.unwrap()
    }

    /// Asks the engine, and holds what it says against all vectors: as many as there are up to `limit`, the best first, each with its
    /// own score and of a document that counts. The share of the true nearest among them.
    pub(crate) async fn recall(&self, question: &[f32], counting: Option<&HashSet<DocumentId>>, limit: usize) -> f64 {
        let mut all: Vec<(u64, f32)> = self
            .chunks
            .iter()
            .filter(|(_, (document, _))| counting.is_none_or(|counting| counting.contains(document)))
            .map(|(chunk, (_, vector))| (*chunk, inner_product(question, vector)))
            .collect();
        let found = self.nearest(question, counting, limit).await;
        assert_eq!(found.len(), limit.min(all.len()), "as many as are wanted, wherever so many count");
        let mut seen = HashSet::new();
        for (near, next) in found.iter().zip(found.iter().skip(1).map(Some).chain([None])) {
            assert!(seen.insert(near.chunk), "chunk {} is found twice", near.chunk);
            let own = all.iter().find(|(chunk, _)| *chunk == near.chunk);
            let (_, own) = own.unwrap_or_else(|| panic!("chunk {} does not count", near.chunk));
            assert!((near.score - own).abs() < SAME, "chunk {}: {} is not {own}", near.chunk, near.score);
            assert!(next.is_none_or(|next| next.score <= near.score + SAME), "the best come first");
        }
        if found.is_empty() {
            return 1.0;
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        // Those that lie just as near as the last one are as good.
        let last = all[found.len() - 1].1 - SAME;
        let good = found.iter().filter(|near| near.score >= last).count();
        good as f64 / found.len() as f64
    }

    /// The numbers of each vector.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// The documents that are there, in the order of their chunks.
    pub(crate) fn documents(&self) -> Vec<DocumentId> {
        let mut documents: Vec<DocumentId> = self.chunks.values().map(|(document, _)| *document).collect();
        documents.dedup();
        documents
    }

    async fn hand_in(&self) -> DocumentId {
        let (world, now) = (&self.bed.world, self.bed.world.clock.now());
        let file = FileRow {
            id: world.ids().file(),
            purpose: FilePurpose::Document,
            bytes: 0,
            chunks: 0,
            created_at: now,
            sealed_name: vec![1],
        };
        assert!(self.store.begin_file(&file, u64::MAX).await.unwrap());
        let mut writer = self.store.write_file(file.id).await.unwrap();
        writer.append(b"raw".to_vec()).await.unwrap();
        writer.finish().await.unwrap();
        let row = DocumentRow {
            id: world.ids().document(),
            status: DocumentStatus::Queued,
            raw_file: file.id,
            bytes: 1,
            chunks_total: 0,
            chunks_done: 0,
            waiting: None,
            published: None,
            embedder: None,
            dimension: None,
            vector_store: None,
            file: None,
            file_batch: None,
            created_at: now,
            changed_at: now,
            sealed_detail: vec![1],
        };
        assert!(
            self.store.insert_document(&row, Written { file: file.id, bytes: 1, chunks: 1 }, MOST).await.unwrap().is_none()
        );
        row.id
    }
}
