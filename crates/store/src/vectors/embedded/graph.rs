//! Ways from each vector to those near it: a hierarchical navigable small world (Malkov and Yashunin 2016), built beside the search.
//!
//! A graph holds the chunks that were there when its building began, by their numbers. Chunks that came later are compared one by
//! one, those that are gone are passed over; so it never has to be waited for, and never says what is not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use insula_model::{Error, Result};
use parking_lot::Mutex;
use usearch::{IndexOptions, MetricKind, ScalarKind};

use super::super::{Index, Near};

/// Neighbours of a vector on the lower levels are twice as many.
const CONNECTIVITY: usize = 16;
/// Candidates that are looked at for each vector that is added.
const EXPANSION_ADD: usize = 128;
/// Candidates that are looked at for a question, at least.
const EXPANSION_SEARCH: usize = 96;
/// So many more than are wanted are taken from the graph, and half as many again, and compared exactly: its own numbers are rounded.
const OVERSAMPLING: usize = 16;
/// Bytes of the ways from a vector to others, and of what is kept of it beside its numbers.
const WAYS_BYTES: usize = 768;
/// Searches that go through one graph at once; one more compares all vectors instead.
const SEARCHES_MAX: usize = 64;
/// After so many vectors it is looked whether the graph is still wanted.
const LOOK_EVERY: usize = 256;

/// Where a tenant's graph is, or will be. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct GraphCell(Arc<Place>);

#[derive(Default)]
struct Place {
    graph: Mutex<Option<Arc<Graph>>>,
    is_building: AtomicBool,
}

impl std::fmt::Debug for GraphCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphCell").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// A graph of the chunks below a number.
pub(in crate::vectors) struct Graph {
    ways: usearch::Index,
    /// It holds the chunks below this one.
    pub next_chunk: u64,
    /// So many.
    pub size: usize,
}

impl GraphCell {
    /// The graph, where there is one.
    pub(in crate::vectors) fn get(&self) -> Option<Arc<Graph>> {
        self.0.graph.lock().clone()
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.graph.lock().as_ref().map_or(0, |graph| graph.ways.memory_usage() as u64)
    }

    /// Notes that somebody builds; false where somebody does already.
    pub(super) fn begin(&self) -> bool {
        !self.0.is_building.swap(true, Ordering::AcqRel)
    }

    /// Puts a new graph there, or none where building failed.
    pub(super) fn end(&self, built: Option<Graph>) {
        if let Some(built) = built {
            *self.0.graph.lock() = Some(Arc::new(built));
        }
        self.0.is_building.store(false, Ordering::Release);
    }

    /// Whether nobody but the builder, and the index that it builds from, has it still.
    fn is_forgotten(&self, index: &Arc<Index>) -> bool {
        Arc::strong_count(index) == 1 && Arc::strong_count(&self.0) <= 2
    }
}

/// About what a graph of an index takes in memory: numbers of two bytes, and what was measured of all else.
pub(super) fn bytes_of(index: &Index) -> u64 {
    (index.entries().len() * (index.dimension() * 2 + WAYS_BYTES)) as u64
}

impl Graph {
    /// A graph of an index as it stands; `None` where nobody wants it any more.
    pub(super) fn build(index: &Arc<Index>, cell: &GraphCell) -> Result<Option<Self>> {
        let options = IndexOptions {
            dimensions: index.dimension(),
            metric: MetricKind::IP,
            quantization: ScalarKind::BF16,
            connectivity: CONNECTIVITY,
            expansion_add: EXPANSION_ADD,
            expansion_search: EXPANSION_SEARCH,
            multi: false,
        };
        let ways = usearch::Index::new(&options).map_err(Error::internal)?;
        ways.reserve_capacity_and_threads(index.entries().len(), SEARCHES_MAX).map_err(Error::internal)?;
        for (place, entry) in index.entries().iter().enumerate() {
            if place % LOOK_EVERY == 0 && cell.is_forgotten(index) {
                return Ok(None);
            }
            ways.add(entry.chunk, index.vector(place)).map_err(Error::internal)?;
        }
        Ok(Some(Self { ways, next_chunk: index.next_chunk(), size: index.entries().len() }))
    }

    /// The nearest chunks of the graph that are wanted, roughly, for the caller to compare exactly.
    pub(super) fn nearest(&self, question: &[f32], limit: usize, is_wanted: impl Fn(u64) -> bool) -> Result<Vec<u64>> {
        let found = self.ways.filtered_search(question, limit + limit / 2 + OVERSAMPLING, is_wanted);
        found.map(|matches| matches.keys).map_err(Error::internal)
    }
}

/// Compares exactly what a graph found.
pub(super) fn compared(index: &Index, chunks: &[u64], question: &[f32]) -> Vec<Near> {
    let places = chunks.iter().filter_map(|chunk| index.place_of(*chunk));
    super::exact::nearest(index, places, question, chunks.len())
}
