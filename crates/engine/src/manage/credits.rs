//! Credits on a tenant's bill: give and list. None is ever changed.

use insula_model::{CreditId, Error, Money, Name, Result};
pub use insula_store::Credit;

use super::page::{Page, PageAsk};
use crate::{Engine, directory::OperatedTenant, statement::Month};

/// Gives a tenant something back on the running month's statement.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for nothing, and where the month has too many already.
pub async fn give(engine: &Engine, tenant: &OperatedTenant, amount: Money, reason: Name) -> Result<Credit> {
    if amount == Money::ZERO {
        return Err(Error::invalid("a credit is more than nothing").at("amount_usd"));
    }
    let now = engine.clock.now();
    let credit = Credit {
        id: engine.ids.credit(),
        tenant: tenant.scope.tenant(),
        month_at: Month::of(now).span().start,
        amount,
        reason,
        created_at: now,
        by_key: tenant.by.key(),
    };
    engine.store.control().insert_credit(&credit).await?;
    tracing::info!(tenant = %credit.tenant, by = %credit.by_key, credit = %credit.id, %amount, "credit given");
    Ok(credit)
}

/// A page of a tenant's credits, latest first.
pub async fn list(engine: &Engine, tenant: &OperatedTenant, ask: PageAsk<CreditId>) -> Result<Page<Credit, CreditId>> {
    let found = engine.store.control().credits(&tenant.scope, ask.after, ask.limit + 1).await?;
    Ok(ask.cut(found, |credit| credit.id))
}
