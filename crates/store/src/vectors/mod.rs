//! What lies near: the vectors of tenants' chunks, in whichever engine searches them.
//!
//! Sealed vectors in the tenant's own tables are the truth on every engine ([`crate::Publication`] writes them); what an engine holds
//! besides is derived from them and can be made again. [`Reading`] is what a search works with: one unchanging state of the
//! tenant's documents, an [`Index`] of their chunks in memory, and the engine behind both.
//!
//! - [`embedded`]: vectors are opened into memory; exact, and by a graph where there are many.

mod embedded;
mod filling;
mod index;
mod indexes;
mod reading;
pub(crate) mod spaces;

use std::{pin::Pin, sync::Arc};

use insula_model::{DocumentId, Result, TenantId};

pub(crate) use embedded::Embedded;
pub use embedded::{exact_order, inner_product};
pub use filling::{Filled, Filling, Served, Unfilled};
pub use index::{Entry, Index};
use indexes::Indexes;
pub use reading::Reading;
pub(crate) use spaces::open_vector;
pub use spaces::{NewVector, Space, Spaces};

use crate::{TenantStore, query::Tx, tenants::Knowledge};

/// Work of an engine under way.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What searches vectors. One engine serves all tenants; every call is opened with a [`TenantStore`], which was opened with a scope.
pub(crate) trait VectorEngine: Send + Sync {
    /// Whether this node holds the vectors themselves in memory, opened.
    fn holds_vectors(&self) -> bool;

    /// In the transaction that publishes or removes a document, behind the tables' own rows.
    fn write<'a>(&'a self, tx: &'a mut Tx, change: &'a Change<'a>) -> Pending<'a, ()>;

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

/// What changes of a tenant's documents.
#[expect(dead_code, reason = "an engine that holds vectors in tables or elsewhere reads them")]
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
    indexes: Indexes,
}

impl Vectors {
    /// With room in memory for so many bytes.
    pub(crate) fn new(engine: Box<dyn VectorEngine>, index_bytes_max: u64) -> Self {
        Self { engine, indexes: Indexes::new(index_bytes_max) }
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
