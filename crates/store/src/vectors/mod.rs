//! What lies near: the vectors of tenants' chunks, in whichever engine searches them.
//!
//! Sealed vectors in the tenant's own tables are the truth on every engine ([`crate::Publication`] writes them); what an engine holds
//! besides is derived from them and can be made again. [`Reading`] is what a search works with: one unchanging state of the
//! tenant's documents, an [`Index`] of their chunks in memory, and the engine behind both.
//!
//! - [`embedded`]: vectors are opened into memory; exact, and by a graph where there are many;
//! - [`pgvector`]: the shared database searches them;
//! - [`qdrant`]: a Qdrant beside this node searches them, in collections that tenants share or in one of a tenant's own.
//!
//! [`audit`] holds what an engine has against the tables.

pub(crate) mod audit;
#[cfg(test)]
pub(crate) mod conformance;
mod embedded;
mod filling;
mod index;
mod indexes;
mod pgvector;
pub(crate) mod qdrant;
mod reading;
pub(crate) mod spaces;

use std::{collections::HashSet, pin::Pin, sync::Arc};

use insula_model::{DocumentId, Result, TenantId, VectorCollection};

pub use audit::{AuditFinding, AuditKind};
pub(crate) use embedded::Embedded;
pub use embedded::{exact_order, inner_product};
pub use filling::{Filled, Filling, Served, Unfilled};
pub use index::{Entry, Index};
use indexes::Indexes;
pub(crate) use pgvector::Pgvector;
pub(crate) use qdrant::Qdrant;
pub use qdrant::QdrantOptions;
pub use reading::Reading;
pub(crate) use spaces::open_vector;
pub use spaces::{NewVector, Space, Spaces};

use crate::{
    Opener, TenantStore,
    query::Tx,
    tenants::{Corpus, Knowledge},
};

/// Work of an engine under way.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What searches vectors. One engine serves all tenants; every call is opened with a [`TenantStore`], which was opened with a scope.
pub(crate) trait VectorEngine: Send + Sync {
    /// Whether this node holds the vectors themselves in memory, opened.
    fn holds_vectors(&self) -> bool;

    /// Whether it can search this state of a tenant's documents. Where not, vectors are opened into memory and compared there, and it
    /// makes good what it lacks.
    fn serves<'a>(
        &'a self,
        _tenant: &'a TenantStore,
        _opener: &'a Arc<Opener>,
        _snapshot: &'a mut Knowledge,
        _corpus: Corpus,
        _space: &'a Space,
    ) -> Pending<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// In the transaction that publishes or removes a document, behind the tables' own rows.
    fn write<'a>(&'a self, tx: &'a mut Tx, change: &'a Change<'a>) -> Pending<'a, ()>;

    /// Whether it lacks anything of what the tables have: then a space that is filled does not serve yet.
    fn is_behind<'a>(&'a self, _: &'a mut Tx) -> Pending<'a, bool> {
        nothing()
    }

    /// Whether there is something to do after a change was committed: see [`VectorEngine::settle`].
    fn settles(&self) -> bool {
        false
    }

    /// Which collection a tenant's vectors are in where nothing is said for it; of meaning where [`VectorEngine::settles`].
    fn collection(&self) -> VectorCollection {
        VectorCollection::default()
    }

    /// Brings what the engine holds of a tenant to what its tables say, in the collection that is wanted for it: after a commit, and
    /// whenever that did not come to an end. It can be repeated, and left at any point.
    fn settle<'a>(&'a self, _: &'a TenantStore, _: VectorCollection) -> Pending<'a, ()> {
        nothing()
    }

    /// The tenants that searches found wanting since this was last asked: somebody is to settle them.
    fn take_due(&self) -> Vec<TenantId> {
        Vec::new()
    }

    /// What the engine holds of a tenant and should not, and what it lacks. The tables themselves are looked at elsewhere.
    fn audit<'a>(&'a self, _: &'a TenantStore) -> Pending<'a, Vec<AuditFinding>> {
        nothing()
    }

    /// Has what was found of a tenant mended by the next [`VectorEngine::settle`].
    fn repair<'a>(&'a self, _: &'a TenantStore, _: &'a [AuditFinding]) -> Pending<'a, ()> {
        nothing()
    }

    /// What the engine holds of tenants that are not among those that are `known`, or of nobody.
    fn census<'a>(&'a self, _: &'a HashSet<TenantId>) -> Pending<'a, Vec<AuditFinding>> {
        nothing()
    }

    /// Removes what a census found.
    fn clear<'a>(&'a self, _: &'a HashSet<TenantId>, _: &'a [AuditFinding]) -> Pending<'a, ()> {
        nothing()
    }

    /// The nearest of the chunks that count, as of the snapshot: as many as are asked for wherever so many count.
    fn nearest<'a>(
        &'a self,
        tenant: &'a TenantStore,
        snapshot: &'a mut Knowledge,
        index: &'a Arc<Index>,
        ask: Nearest,
    ) -> Pending<'a, Vec<Near>>;

    /// A tenant is erased: nothing of it stays.
    fn forget(&self, tenant: TenantId) -> Pending<'_, ()>;
}

/// There is nothing to do, and nothing to tell.
fn nothing<'a, T: Default + Send + 'a>() -> Pending<'a, T> {
    Box::pin(std::future::ready(Ok(T::default())))
}

/// What changes of a tenant's documents.
pub(crate) enum Change<'a> {
    /// All chunks of a document, instead of those that it had.
    Published {
        /// Which document.
        document: DocumentId,
        /// The number of its first chunk; the others follow.
        first: u64,
        /// In each space, one vector for each chunk.
        vectors: &'a [(u64, &'a [NewVector])],
    },
    /// A document goes.
    Removed {
        /// Which one.
        document: DocumentId,
    },
    /// Chunks that are shown get a vector in a space that does not serve yet.
    Filled {
        /// Which space.
        space: u64,
        /// The chunks.
        chunks: &'a [&'a Filled],
    },
    /// A space serves from now on, and what there was of another goes.
    Serves {
        /// Which one does.
        space: u64,
        /// Which one did.
        instead_of: u64,
        /// The corpus's epoch from then on.
        epoch: u64,
    },
    /// What there is of a space that never served goes.
    GivenUp {
        /// Which one.
        space: u64,
    },
}

/// What is asked of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Nearest {
    /// Where the question lies, in the space that serves.
    pub vector: Arc<[f32]>,
    /// Which documents count, in the order of [`Index::documents`]; all where absent.
    pub counts: Option<Arc<[bool]>>,
    /// How many chunks are wanted.
    pub limit: usize,
}

/// A chunk that lies near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Its number.
    pub chunk: u64,
    /// The inner product with the question: 1 is the same place, 0 is unrelated.
    pub score: f32,
}

/// The engine, and what is in memory of all tenants.
pub(crate) struct Vectors {
    pub(crate) engine: Box<dyn VectorEngine>,
    /// What searches vectors that are in memory though the engine does not want them there.
    embedded: Embedded,
    indexes: Indexes,
}

impl Vectors {
    /// With room in memory for so many bytes.
    pub(crate) fn new(engine: Box<dyn VectorEngine>, index_bytes_max: u64) -> Self {
        Self { engine, embedded: Embedded::new(index_bytes_max), indexes: Indexes::new(index_bytes_max) }
    }

    /// Forgets what is in memory of tenants that are not there any more.
    pub(crate) fn retain(&self, is_there: impl Fn(TenantId) -> bool) {
        self.indexes.retain(is_there);
    }

    /// Forgets what is in memory of a tenant.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.indexes.forget(tenant);
    }
}

/// What another engine knows of this tenant is out of date from here on: should it come back, it begins anew.
pub(crate) async fn forget_home(tx: &mut Tx) -> Result<()> {
    tx.exec("DELETE FROM vector_home WHERE id = 1", &[]).await?;
    Ok(())
}
