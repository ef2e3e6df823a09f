//! Batches as operators and tenants' admins see them: how they stand, not what they hold.

use insula_model::{BatchId, Result};

use super::page::{Page, PageAsk};
pub use crate::batches::BatchView;
use crate::{Engine, batches, directory::ManagedTenant};

/// A page of a tenant's batches, latest first.
pub async fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<BatchId>) -> Result<Page<BatchView, BatchId>> {
    let (items, more) = batches::list(engine, &tenant.scope, ask.after, ask.limit).await?;
    let next = items.last().filter(|_| more).map(|batch| batch.id);
    Ok(Page { items, next })
}

/// One batch.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn read(engine: &Engine, tenant: &ManagedTenant, id: &str) -> Result<BatchView> {
    batches::find(engine, &tenant.scope, named(id)?).await
}

/// Stops a batch: what is under way comes to its end, the rest is not begun.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the tenant has none of this id; [`insula_model::ErrorKind::Conflict`] where it is
/// over, or about to be.
pub async fn cancel(engine: &Engine, tenant: &ManagedTenant, id: &str) -> Result<BatchView> {
    let cancelled = batches::cancel(engine, &tenant.scope, named(id)?).await?;
    tracing::info!(batch = %cancelled.id, tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a batch is cancelled");
    Ok(cancelled)
}

fn named(id: &str) -> Result<BatchId> {
    id.parse().map_err(|_| batches::no_such_batch())
}
