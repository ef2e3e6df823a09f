//! What a search holds: it reads, and nothing else.

use std::sync::Arc;

use insula_model::{Result, TenantId};

use super::{super::TenantStore, Knowledge};
use crate::Opener;

/// What can be found in one home, of a tenant or of a reference corpus: snapshots of it, and what opens the sealed texts in them.
///
/// A tenant's grant for a corpus leads here ([`Store::corpus`](crate::Store::corpus)) and nowhere else. There is no document to be
/// listed, handed in, published or removed with it, nothing to be sealed, and no way back to what could:
///
/// ```compile_fail
/// async fn write(reader: insula_store::KnowledgeReader, document: insula_model::DocumentId) {
///     reader.remove_document(document).await.ok();
/// }
/// ```
/// ```compile_fail
/// async fn publish(reader: insula_store::KnowledgeReader, publication: insula_store::Publication) {
///     reader.publish_document(publication, 1).await.ok();
/// }
/// ```
/// ```compile_fail
/// async fn list(reader: insula_store::KnowledgeReader) {
///     reader.documents(None, 1).await.ok();
/// }
/// ```
/// ```compile_fail
/// fn seal(reader: insula_store::KnowledgeReader, random: &dyn insula_model::Random) {
///     reader.opener().seal("documents", "detail", b"row", b"forged", random);
/// }
/// ```
/// ```compile_fail
/// async fn enter(store: insula_store::Store, grant: insula_model::CorpusGrant) {
///     store.tenant(&grant).await.ok();
/// }
/// ```
///
/// What it is for compiles:
/// ```
/// # use insula_model::{CorpusGrant, Result};
/// # use insula_store::Store;
/// async fn look(store: Store, grant: CorpusGrant) -> Result<u64> {
///     let reader = store.corpus(&grant).await?;
///     Ok(reader.reading().await?.corpus().epoch)
/// }
/// ```
#[derive(Clone)]
pub struct KnowledgeReader {
    store: TenantStore,
    opener: Arc<Opener>,
}

impl KnowledgeReader {
    pub(crate) fn new(store: TenantStore, opener: Arc<Opener>) -> Self {
        Self { store, opener }
    }

    /// The home, for what reads it in this crate.
    pub(crate) fn store(&self) -> &TenantStore {
        &self.store
    }

    /// The documents as they stand now. The transaction behind it cannot write, whatever it is asked.
    pub async fn knowledge(&self) -> Result<Knowledge> {
        self.store.knowledge().await
    }

    /// Opens what is sealed there.
    pub fn opener(&self) -> &Arc<Opener> {
        &self.opener
    }

    /// Which home it is: what is kept in memory of it is kept under this. Naming it opens nothing.
    pub fn home(&self) -> TenantId {
        self.store.tenant
    }
}
