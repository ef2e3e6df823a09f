//! Vectors are searched by a Qdrant beside this node: in a collection that tenants share, or in one of a tenant's own.
//!
//! - [`guard`]: no call about points leaves without its tenant's filter, and no point of another tenant is used;
//! - [`outbox`]: what the tenant's tables know of its points;
//! - [`settle`]: points are brought to what the tables say, from one collection to another too;
//! - [`nearest`]: a search, as of one state of the tables;
//! - [`audit`]: what is there, against what should be;
//! - [`wire`], [`dial`], [`names`]: calls, the connection, and what things are called. The messages are [`insula_qdrant`]'s.
//!
//! Vectors lie there in plain, and ids beside them; texts, names and fields do not.

mod audit;
mod dial;
mod guard;
mod names;
mod nearest;
mod options;
mod outbox;
mod settle;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use insula_model::{DocumentId, Result, TenantId, VectorCollection};
use insula_qdrant as proto;
use parking_lot::Mutex;

pub use self::options::QdrantOptions;
use self::{
    names::{Collection, Names},
    proto::{
        CreateCollection, CreateFieldIndex, DISTANCE_DOT, FIELD_INTEGER, FIELD_KEYWORD, HnswConfig, IndexParams, IntegerParams,
        KeywordParams, ListCollections, VectorParams, VectorsConfig,
    },
    wire::{Trouble, Wire},
};
use super::{AuditFinding, Change, Index, Near, Nearest, Pending, VectorEngine};
use crate::{TenantStore, query::Tx, tenants::Knowledge};

/// Links of each point to others of its tenant, in a collection that tenants share: what Qdrant itself takes by default.
const LINKS: u64 = 16;
/// How long a tenant's documents are not all brought over once more, whatever searches find.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The engine.
#[derive(Debug)]
pub(crate) struct Qdrant {
    wire: Wire,
    names: Names,
    /// Which collection a tenant's points are in where nothing is said for it.
    collection: VectorCollection,
    /// Chunks that are compared one by one where Qdrant cannot be asked about them.
    exact_max: usize,
    /// Tenants whose points are to be brought there, and of whom no run knows.
    due: Mutex<HashSet<TenantId>>,
    /// Tenants of whom a search found points missing that are noted nowhere: when that was, and whether somebody has seen to it.
    lacking: Mutex<HashMap<TenantId, (Instant, bool)>>,
}

impl Qdrant {
    /// Does not connect yet: a node starts without it.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], with what to write, where the options cannot be.
    pub(crate) fn new(options: &QdrantOptions) -> Result<Self> {
        let (wire, names) = (Wire::new(options)?, Names::new(&options.prefix));
        let QdrantOptions { collection, exact_max, .. } = *options;
        Ok(Self { wire, names, collection, exact_max, due: Mutex::default(), lacking: Mutex::default() })
    }

    /// Somebody is to bring this tenant's points there.
    fn is_due(&self, tenant: TenantId) {
        self.due.lock().insert(tenant);
    }

    /// Points of this tenant are missing that are noted nowhere: all its documents are to be brought there once more. A search may be wrong in that,
    /// where documents changed under its hands; so it is not done again and again.
    fn lacks(&self, tenant: TenantId) {
        let (mut lacking, now) = (self.lacking.lock(), Instant::now());
        lacking.retain(|_, (since, _)| now.duration_since(*since) < AGAIN_AFTER);
        lacking.entry(tenant).or_insert((now, false));
        drop(lacking);
        self.is_due(tenant);
    }

    /// Whether points of a tenant are missing to which nobody has seen yet; from here on somebody does.
    fn take_lacking(&self, tenant: TenantId) -> bool {
        let mut lacking = self.lacking.lock();
        lacking.get_mut(&tenant).is_some_and(|(_, is_seen_to)| !std::mem::replace(is_seen_to, true))
    }

    /// The collections of this installation.
    async fn collections(&self) -> Result<Vec<Collection>> {
        let listed = self.wire.administer(&ListCollections {}).await?;
        Ok(listed.collections.iter().filter_map(|listed| self.names.read(&listed.name)).collect())
    }

    /// Makes a collection with what its points are filtered by. Each step can be repeated.
    async fn make(&self, collection: Collection) -> Result<()> {
        let name = self.names.of(collection);
        // Where tenants share it, points are linked within each tenant alone: every search is within one.
        let hnsw_config = collection.owner.is_none().then_some(HnswConfig { m: Some(0), payload_m: Some(LINKS) });
        let params = Some(VectorParams { size: collection.dimension, distance: DISTANCE_DOT });
        let vectors_config = Some(VectorsConfig { params });
        let create = CreateCollection { collection: name.clone(), hnsw_config, vectors_config };
        match self.wire.administer(&create).await {
            // Another node may have been faster.
            Err(Trouble::Refused { .. }) if self.collections().await?.contains(&collection) => {}
            created => {
                created?;
            }
        }
        let keyword = |is_tenant: bool| IndexParams {
            integer: None,
            keyword: Some(KeywordParams { is_tenant: Some(is_tenant), enable_hnsw: (!is_tenant).then_some(false) }),
        };
        let integer = || IndexParams {
            integer: Some(IntegerParams { lookup: Some(true), range: Some(true), enable_hnsw: Some(false) }),
            keyword: None,
        };
        for (field, kind, params) in [
            (guard::TENANT, FIELD_KEYWORD, keyword(true)),
            (guard::DOCUMENT, FIELD_KEYWORD, keyword(false)),
            (guard::SPACE, FIELD_INTEGER, integer()),
            (guard::CHUNK, FIELD_INTEGER, integer()),
        ] {
            let (collection, field) = (name.clone(), field.to_owned());
            let index = CreateFieldIndex { collection, wait: Some(true), field, kind: Some(kind), params: Some(params) };
            self.wire.administer(&index).await?;
        }
        Ok(())
    }
}

impl VectorEngine for Qdrant {
    fn holds_vectors(&self) -> bool {
        false
    }

    fn settles(&self) -> bool {
        true
    }

    fn collection(&self) -> VectorCollection {
        self.collection
    }

    fn write<'a>(&'a self, tx: &'a mut Tx, change: &'a Change<'a>) -> Pending<'a, ()> {
        Box::pin(async move {
            match change {
                Change::Published { document, .. } | Change::Removed { document } => outbox::note(tx, *document).await,
                Change::Filled { chunks, .. } => {
                    let documents: BTreeSet<DocumentId> = chunks.iter().map(|filled| filled.document).collect();
                    outbox::note_ahead(tx, documents).await
                }
                Change::Serves { .. } => outbox::note_served(tx).await,
                // Which spaces there are is compared with what is kept of that: what is there of others goes.
                Change::GivenUp { .. } => Ok(()),
            }
        })
    }

    fn is_behind<'a>(&'a self, tx: &'a mut Tx) -> Pending<'a, bool> {
        Box::pin(outbox::is_behind(tx))
    }

    fn settle<'a>(&'a self, tenant: &'a TenantStore, wanted: VectorCollection) -> Pending<'a, ()> {
        Box::pin(settle::settle(self, tenant, wanted))
    }

    fn take_due(&self) -> Vec<TenantId> {
        std::mem::take(&mut *self.due.lock()).into_iter().collect()
    }

    fn nearest<'a>(
        &'a self,
        tenant: &'a TenantStore,
        snapshot: &'a mut Knowledge,
        index: &'a Arc<Index>,
        ask: Nearest,
    ) -> Pending<'a, Vec<Near>> {
        Box::pin(async move { nearest::nearest(self, tenant, snapshot, index, &ask).await })
    }

    fn forget(&self, tenant: TenantId) -> Pending<'_, ()> {
        Box::pin(settle::empty(self, tenant, None))
    }

    fn audit<'a>(&'a self, tenant: &'a TenantStore) -> Pending<'a, Vec<AuditFinding>> {
        Box::pin(audit::of_tenant(self, tenant))
    }

    fn repair<'a>(&'a self, tenant: &'a TenantStore, findings: &'a [AuditFinding]) -> Pending<'a, ()> {
        Box::pin(audit::repair(tenant, findings))
    }

    fn census<'a>(&'a self, known: &'a HashSet<TenantId>) -> Pending<'a, Vec<AuditFinding>> {
        Box::pin(audit::census(self, known))
    }

    fn clear<'a>(&'a self, known: &'a HashSet<TenantId>, findings: &'a [AuditFinding]) -> Pending<'a, ()> {
        Box::pin(audit::clear(self, known, findings))
    }
}
