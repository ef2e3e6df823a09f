//! Reference corpora: operators make, fill and erase them and say which tenants may read which; tenants see which they may read.

use std::sync::Arc;

use insula_model::{CorpusId, CorpusName, DocumentId, Jurisdiction, Name, ReferenceCorpus, Result};

pub use super::{documents::DocumentView, tenants::ErasureReceipt};
use super::{
    documents::named,
    page::{Page, PageAsk},
};
use crate::{
    Engine,
    directory::{GrantedCorpus, LeavingCorpus, ManagedTenant, OperatedCorpus, OperatedTenant, Operator},
    knowledge,
};

/// What a new corpus is to be.
#[derive(Debug, Clone)]
pub struct NewCorpus {
    /// Its short name.
    pub name: CorpusName,
    /// Its name for people.
    pub title: Name,
    /// Where what stands in it holds.
    pub jurisdiction: Jurisdiction,
}

/// Makes a corpus, empty, that nobody may read.
///
/// # Errors
/// [`insula_model::ErrorKind::Conflict`] where the name is taken, or there are as many as there may be.
pub async fn create(engine: &Engine, by: &Operator, new: NewCorpus) -> Result<Arc<ReferenceCorpus>> {
    let NewCorpus { name, title, jurisdiction } = new;
    let (id, created_at) = (engine.ids.corpus(), engine.clock.now());
    let corpus = ReferenceCorpus { id, name, title, jurisdiction, erasing: false, created_at };
    let entry = engine.directory.create_corpus(corpus).await?;
    tracing::info!(corpus = %entry.id, by = %by.key(), "a corpus is made");
    Ok(entry)
}

/// A page of all corpora in order of creation.
pub fn list(engine: &Engine, _by: &Operator, ask: PageAsk<CorpusId>) -> Page<Arc<ReferenceCorpus>, CorpusId> {
    ask.cut(engine.directory.corpora_after(ask.after, ask.look()), |entry| entry.id)
}

/// Gives a corpus another title.
pub async fn retitle(engine: &Engine, corpus: &OperatedCorpus, title: Name) -> Result<Arc<ReferenceCorpus>> {
    let entry = engine.directory.retitle_corpus(corpus.entry.id, &title).await?;
    tracing::info!(corpus = %entry.id, by = %corpus.by.key(), "a corpus has another title");
    Ok(entry)
}

/// Erases a corpus for good, with all grants: refused at once, its key destroyed, its documents dropped.
///
/// # Errors
/// When storage fails on the way; the corpus then stays refused, and the same call again completes the erasure.
pub async fn erase(engine: &Engine, corpus: &LeavingCorpus) -> Result<ErasureReceipt> {
    let receipt = engine.directory.erase_corpus(corpus).await?;
    engine.store.forget_documents(corpus.0.scope.tenant());
    tracing::info!(corpus = %corpus.0.entry.id, by = %corpus.0.by.key(), "a corpus is erased");
    Ok(receipt)
}

/// Lets a tenant read the corpus of this name or id. Granting twice changes nothing.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where there is no such corpus; [`insula_model::ErrorKind::Conflict`] where the tenant may read
/// as many as it may.
pub async fn grant(engine: &Engine, tenant: &OperatedTenant, name: &str) -> Result<GrantedCorpus> {
    let granted = engine.directory.grant_corpus(&tenant.scope, name).await?;
    tracing::info!(corpus = %granted.entry.id, tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a tenant may read a corpus");
    Ok(granted)
}

/// Takes that back. On return no search of the tenant's reads there, on any node.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where there is no such grant.
pub async fn revoke(engine: &Engine, tenant: &OperatedTenant, name: &str) -> Result<()> {
    let corpus = engine.directory.revoke_corpus(tenant.scope.tenant(), name).await?;
    tracing::info!(%corpus, tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a tenant may read a corpus no more");
    Ok(())
}

/// What a tenant may read, in order of names.
pub fn granted(engine: &Engine, tenant: &ManagedTenant) -> Result<Vec<GrantedCorpus>> {
    engine.directory.granted_corpora(&tenant.scope)
}

/// One corpus that a tenant may read.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where it may not, or there is none.
pub fn granted_one(engine: &Engine, tenant: &ManagedTenant, name: &str) -> Result<GrantedCorpus> {
    engine.directory.granted_corpus(&tenant.scope, name)
}

/// A page of a corpus's documents, latest first.
pub async fn documents(
    engine: &Engine,
    corpus: &OperatedCorpus,
    ask: PageAsk<DocumentId>,
) -> Result<Page<DocumentView, DocumentId>> {
    let (items, more) = knowledge::list(engine, &corpus.scope, ask.after, ask.limit).await?;
    let next = items.last().filter(|_| more).map(|document| document.id);
    Ok(Page { items, next })
}

/// One of them.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the corpus has none of this id.
pub async fn document(engine: &Engine, corpus: &OperatedCorpus, id: &str) -> Result<DocumentView> {
    knowledge::find(engine, &corpus.scope, named(id)?).await
}

/// Removes a document from a corpus. Once this has returned no search finds it, on any node.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the corpus has none of this id.
pub async fn remove_document(engine: &Arc<Engine>, corpus: &OperatedCorpus, id: &str) -> Result<()> {
    let id = named(id)?;
    knowledge::remove(engine, &corpus.scope, id).await?;
    tracing::info!(document = %id, corpus = %corpus.entry.id, by = %corpus.by.key(), "a document of a corpus is removed");
    Ok(())
}
