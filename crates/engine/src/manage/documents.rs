//! Documents as a tenant's admins and operators manage them: operators see how they stand, not what they hold.

use std::sync::Arc;

use insula_model::{DocumentId, Error, ErrorKind, Result, TenantScope};

use super::page::{Page, PageAsk};
pub use crate::knowledge::{
    Ask, Citation, CorporaChoice, DocumentContent, DocumentDefect, DocumentFinding, DocumentReport, DocumentView, Filter,
    Findings, Handing, Hit, Looked, Metadata, NewDocument, Source, Trouble, access_list,
};
use crate::{
    Engine,
    directory::{Caller, ManagedTenant},
    knowledge::{self, turns},
};

/// Whether the caller sees what documents hold.
pub fn sees_content(tenant: &ManagedTenant) -> bool {
    matches!(tenant.by, Caller::TenantAdmin(_))
}

/// Bytes of one document.
pub fn document_bytes_max(engine: &Engine) -> u64 {
    engine.settings.knowledge.document_bytes_max
}

/// Takes a document that is whole already.
///
/// # Errors
/// As [`Handing::write`] and [`Handing::finish`].
pub async fn add(engine: &Engine, scope: &TenantScope, new: NewDocument, text: &[u8]) -> Result<DocumentView> {
    let mut handing = Handing::begin(engine, scope).await?;
    handing.write(text).await?;
    handing.finish(engine, new).await
}

/// A page of a tenant's documents, latest first.
pub async fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<DocumentId>) -> Result<Page<DocumentView, DocumentId>> {
    let (items, more) = knowledge::list(engine, &tenant.scope, ask.after, ask.limit).await?;
    let next = items.last().filter(|_| more).map(|document| document.id);
    Ok(Page { items, next })
}

/// One document.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn read(engine: &Engine, tenant: &ManagedTenant, id: &str) -> Result<DocumentView> {
    knowledge::find(engine, &tenant.scope, named(id)?).await
}

/// Removes a document with everything that was made of it.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn remove(engine: &Arc<Engine>, tenant: &ManagedTenant, id: &str) -> Result<()> {
    let id = named(id)?;
    knowledge::remove(engine, &tenant.scope, id).await?;
    tracing::info!(document = %id, tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a document is removed");
    Ok(())
}

/// Searches a tenant's documents, which counts as a request of its.
///
/// # Errors
/// [`ErrorKind::Forbidden`] for an operator, who sees no content; [`ErrorKind::RateLimited`] where a limit of the tenant's or its key's is
/// reached, or too many of its searches are under way.
pub async fn search(engine: &Arc<Engine>, tenant: &ManagedTenant, ask: Ask) -> Result<Looked> {
    let Caller::TenantAdmin(key) = tenant.by else {
        return Err(Error::new(ErrorKind::Forbidden, "an operator sees no content; it is its tenant's alone"));
    };
    let credential = engine.directory.for_key(tenant.scope.tenant(), key, "search")?;
    let limited = credential.limited_subjects().collect();
    let (turn, _) = turns::admit(engine, &tenant.entry, limited, 1).await?;
    let (engine, scope, ask) = (Arc::clone(engine), tenant.scope, ask.with(credential));
    turn.hold(async move { knowledge::look(&engine, &scope, &ask).await }).await
}

pub(super) fn named(id: &str) -> Result<DocumentId> {
    id.parse().map_err(|_| knowledge::no_such_document())
}
