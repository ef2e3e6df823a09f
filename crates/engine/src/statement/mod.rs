//! What a tenant is charged, month by month.
//!
//! A statement is made from the ledger whenever it is asked for, so it is never behind a correction: attempts that differ in
//! nothing that a bill tells apart are summed ([`lines`]), and each sum is charged at cost or by the price table of the plan
//! under which the attempts were made ([`SellPrices`]). An attempt belongs to the month in which it was reserved. Every view
//! is of the same sums, so all add up to the same total. A [`Bridge`] says why a month differs from the one before, and
//! [`comparison`] why one tenant's month differs from another's.

mod attempts;
pub mod bridge;
mod causes;
mod comparison;
pub mod lines;
mod month;
mod sell;

use insula_model::{Money, Result, TenantScope, Timestamp, WindowSpan};
use insula_store::{CacheHits, ChargeQuery, Credit};

pub(crate) use attempts::charged as charged_attempt;
pub use attempts::{AttemptAsk, AttemptPlace, ChargedAttempt, attempts};
pub use bridge::{Bridge, Driver};
pub use causes::{CauseAmounts, RequestCost};
pub use comparison::{Compared, Comparison, compare};
pub use lines::{Charged, Charges, Group, Line};
pub use month::{CLOSES_AFTER, Month};
pub use sell::{SellPrices, Sold};

use crate::{Engine, cache, directory::ManagedTenant, manage::catalogue};

/// One month of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The month.
    pub month: Month,
    /// Whether attempts may still come to it in the ordinary way.
    pub is_open: bool,
    /// All charges before the month, less all credits before it, those for the tenant's own credentials included.
    pub opening: Money,
    /// What was charged in the month.
    pub charges: Charges,
    /// What was given back in the month.
    pub credits: Vec<Credit>,
    /// Why the charges differ from the month before.
    pub bridge: Bridge,
    /// What the answer cache answered in the place of providers: no part of any sum.
    pub cache: CacheHits,
}

impl Statement {
    /// What attempts by the tenant's own accounts at providers were charged: the platform did not pay for them, so it is taken off
    /// again. No credit that anybody gave: it follows from the ledger as the charges do.
    pub fn own_credentials(&self) -> Money {
        self.charges.total().own_amount
    }

    /// All credits of the month, that one included.
    pub fn credited(&self) -> Money {
        self.credits.iter().map(|credit| credit.amount).sum::<Money>() + self.own_credentials()
    }

    /// What is owed at the end: opening and charges, less credits.
    pub fn closing(&self) -> Money {
        self.opening + self.charges.total().amount - self.credited()
    }
}

/// The statement of a tenant for a month, as things stand; `tag` is the name of a label by which to group too. Requests that
/// have ended are in it.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] where the labels of the month differ too much to be summed apart.
pub async fn of_tenant(
    engine: &Engine,
    tenant: &ManagedTenant,
    month: Month,
    sell: &SellPrices,
    tag: Option<&str>,
) -> Result<Statement> {
    let (control, scope, span) = (engine.store.control(), &tenant.scope, month.span());
    // What is still in the journal only would be missing.
    engine.store.flush_ledger().await?;
    cache::write_hits(engine).await?;
    let charges = charged(engine, scope, span, sell, tag).await?;
    let before = charged(engine, scope, month.before().span(), sell, None).await?;
    Ok(Statement {
        month,
        is_open: month.is_open(engine.clock.now()),
        opening: opening(engine, scope, span.start, sell).await?,
        bridge: Bridge::between(&before.lines, &charges.lines),
        charges,
        credits: control.credits_in(scope, span).await?,
        cache: control.cache_hits_in(scope, span).await?,
    })
}

/// The months of which a tenant has a statement, latest first, each with whether it is still open.
pub async fn months(engine: &Engine, tenant: &ManagedTenant) -> Result<Vec<(Month, bool)>> {
    engine.store.flush_ledger().await?;
    let now = engine.clock.now();
    let running = Month::of(now);
    let first = engine.store.control().billed_since(&tenant.scope).await?.map_or(running, Month::of);
    let months = std::iter::successors(Some(running), |month| Some(month.before())).take_while(|month| *month >= first);
    Ok(months.map(|month| (month, month.is_open(now))).collect())
}

/// What a tenant owed at a month's start.
async fn opening(engine: &Engine, scope: &TenantScope, start: Timestamp, sell: &SellPrices) -> Result<Money> {
    let control = engine.store.control();
    let credited = control.credited_before(scope, start).await?;
    if sell.is_empty() {
        // The accounts hold the ledger's costs hour by hour: years of attempts need not be summed again.
        // What was made by the tenant's own accounts has an index of its own.
        let own = control.own_spent_before(scope, start).await?;
        return Ok(control.spent_before(scope, start).await? - own - credited);
    }
    let all = WindowSpan { start: Timestamp::default(), end: start };
    let total = charged(engine, scope, all, sell, None).await?.total();
    Ok(total.amount - total.own_amount - credited)
}

/// What was charged in a span.
async fn charged(
    engine: &Engine,
    scope: &TenantScope,
    span: WindowSpan,
    sell: &SellPrices,
    tag: Option<&str>,
) -> Result<Charges> {
    let query = ChargeQuery { scope: *scope, span, dates: sell.dates(), by_tags: tag.is_some() };
    let parts = engine.store.control().charges(query).await?;
    Ok(Charges::of(parts, sell, |row| catalogue::rates(engine, row), tag))
}

#[cfg(test)]
mod tests;
