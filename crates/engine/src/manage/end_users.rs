//! End users of tenants' products, as far as they were seen.

use insula_model::{EndUserId, Result};

use super::page::{Page, PageAsk};
use crate::{EndUser, Engine, directory::ManagedTenant, end_users};

/// A page of a tenant's end users: those for whom something was sent, or who have a budget.
///
/// # Errors
/// When storage cannot be read.
pub async fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<EndUserId>) -> Result<Page<EndUser, EndUserId>> {
    let found = engine.store.control().end_users(&tenant.scope, ask.after, ask.limit + 1).await?;
    let found = end_users::opened(engine, &tenant.scope, found).await?;
    Ok(ask.cut(found, |user| user.id))
}
