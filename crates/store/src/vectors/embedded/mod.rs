//! Vectors are in the tenant's own tables, sealed, and opened into this node's memory.
//!
//! - [`exact`]: all that count are compared;
//! - [`graph`]: where there are many, ways to those that lie near, built beside the search.

mod exact;
mod graph;

use std::sync::Arc;

use insula_model::{Error, Result, TenantId};
use tokio::sync::Semaphore;

pub use exact::{exact_order, inner_product};
use graph::Graph;
pub(crate) use graph::GraphCell;

use super::{Change, Index, Near, Nearest, Pending, VectorEngine, forget_home};
use crate::{TenantStore, query::Tx, tenants::Knowledge};

/// So many vectors are always compared one by one.
const EXACT_MAX: usize = 20_000;
/// A graph is built anew once more than one in so many chunks is not in it, or is in it and gone.
const STALE_ONE_IN: usize = 8;
/// Graphs that this node builds at once: each takes one processor.
const BUILDS_MAX: usize = 1;

/// The engine that needs no other.
pub(crate) struct Embedded {
    builds: Arc<Semaphore>,
    /// What all indexes may take in memory: one that would not fit beside its graph gets none.
    index_bytes_max: u64,
}

impl Embedded {
    /// Holds nothing yet. Indexes may take so many bytes.
    pub(crate) fn new(index_bytes_max: u64) -> Self {
        Self { builds: Arc::new(Semaphore::new(BUILDS_MAX)), index_bytes_max }
    }

    /// Has a graph built where there are many vectors and what there is of a graph is far behind them. Where one is being built
    /// elsewhere the next search asks again.
    fn keep_graph(&self, index: &Arc<Index>) {
        if index.entries().len() <= EXACT_MAX || !is_stale(index) {
            return;
        }
        // It would be dropped with its index as soon as it is there, and built again by the next search.
        if index.bytes_without_graph() + graph::bytes_of(index) > self.index_bytes_max {
            return;
        }
        let Ok(permit) = Arc::clone(&self.builds).try_acquire_owned() else { return };
        let (index, cell) = (Arc::clone(index), index.graph.clone());
        if !cell.begin() {
            return;
        }
        tokio::task::spawn_blocking(move || {
            let built = Graph::build(&index, &cell).unwrap_or_else(|error| {
                tracing::warn!(%error, "a graph of vectors cannot be built; all are compared instead");
                None
            });
            cell.end(built);
            drop(permit);
        });
    }
}

fn is_stale(index: &Index) -> bool {
    index.graph.get().is_none_or(|graph| {
        let (all, known) = (index.entries().len(), known_to(&graph, index));
        let (later, gone) = (all - known, graph.size.saturating_sub(known));
        (later + gone) * STALE_ONE_IN > all
    })
}

/// How many of the entries are in a graph: they come first.
fn known_to(graph: &Graph, index: &Index) -> usize {
    index.entries().partition_point(|entry| entry.chunk < graph.next_chunk)
}

impl VectorEngine for Embedded {
    fn holds_vectors(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, tx: &'a mut Tx, _: &'a Change<'a>) -> Pending<'a, ()> {
        // The tables have them.
        Box::pin(forget_home(tx))
    }

    fn nearest<'a>(
        &'a self,
        _: &'a TenantStore,
        _: &'a mut Knowledge,
        index: &'a Arc<Index>,
        ask: Nearest,
    ) -> Pending<'a, Vec<Near>> {
        self.keep_graph(index);
        let index = Arc::clone(index);
        // Off the runtime's own threads: it takes long where there is much.
        Box::pin(async move { tokio::task::spawn_blocking(move || nearest(&index, &ask)).await.map_err(Error::internal)? })
    }

    fn forget(&self, _: TenantId) -> Pending<'_, ()> {
        // The index goes with the tenant.
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The nearest chunks that count.
fn nearest(index: &Index, ask: &Nearest) -> Result<Vec<Near>> {
    if ask.vector.len() != index.dimension() {
        return Err(Error::internal("a question was embedded for another space"));
    }
    // Most questions are asked of everything.
    match &ask.counts {
        None => Ok(among(index, ask, 0..index.entries().len(), |_| true)),
        Some(counts) => {
            let does_count = |place: usize| counts[index.entries()[place].document as usize];
            let counting: Vec<usize> = (0..index.entries().len()).filter(|place| does_count(*place)).collect();
            Ok(among(index, ask, counting.into_iter(), does_count))
        }
    }
}

/// The nearest of these entries, in the order of their numbers: through the graph where they are many.
fn among(
    index: &Index,
    ask: &Nearest,
    counting: impl ExactSizeIterator<Item = usize> + Clone,
    does_count: impl Fn(usize) -> bool,
) -> Vec<Near> {
    let Nearest { vector, limit, .. } = ask;
    let wanted = (*limit).min(counting.len());
    let graph = if counting.len() > EXACT_MAX { index.graph.get() } else { None };
    let found = graph.and_then(|graph| {
        let is_wanted = |chunk| index.place_of(chunk).is_some_and(&does_count);
        // It may have more at once than it takes.
        let rough = graph.nearest(vector, *limit, is_wanted).ok()?;
        let known = known_to(&graph, index);
        let mut found = graph::compared(index, &rough, vector);
        let later = (known..index.entries().len()).filter(|place| does_count(*place));
        found.extend(exact::nearest(index, later, vector, *limit));
        Some(exact::best(found, *limit)).filter(|found| found.len() == wanted)
    });
    found.unwrap_or_else(|| exact::nearest(index, counting, vector, *limit))
}
