//! The ledger row by row, for those who keep a copy of it: each row exactly once to whoever passes on his cursor.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use insula_model::{Error, Result};
use insula_store::{LedgerCursor, TenantSeals};
pub use insula_store::{LedgerEntry, OverheadDifference, TokenDifferences};

use crate::{
    Engine,
    directory::{ManagedTenant, Operator},
    statement::SellPrices,
};

/// Rows in one answer at most, and where the caller does not say.
pub const EXPORT_ROWS_MAX: u32 = 1_000;

/// Which rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportAsk {
    /// The cursor of the answer before; absent: from the first row on.
    pub cursor: Option<String>,
    /// How many at most; absent: [`EXPORT_ROWS_MAX`].
    pub limit: Option<u32>,
}

/// Some rows, in the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The rows.
    pub rows: Vec<LedgerEntry>,
    /// Where to go on, also once there is nothing more by now.
    pub cursor: String,
    /// Whether there may be more rows already.
    pub more: bool,
}

/// A tenant's rows. Requests that have ended are in it; on a database that nodes share, as soon as no transaction that began
/// before them still runs. To the tenant itself they tell what it is charged and by which row, as its statements do.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a cursor that is none of this tenant's, and for a limit out of bounds.
pub async fn of_tenant(engine: &Engine, tenant: &ManagedTenant, ask: &ExportAsk) -> Result<Export> {
    let seals = engine.store.seals(&tenant.scope).await?;
    let (after, limit) = read(ask, |cursor| unsealed(&seals, cursor))?;
    engine.store.flush_ledger().await?;
    let page = engine.store.control().ledger_page(Some(tenant.scope), after, limit).await?;
    // Sealed, because it counts what all tenants did together.
    let cursor = seals.seal("export", "cursor", &[], &plain(page.next)?, &*engine.random);
    let sell = engine.prices_shown_to(&tenant.by);
    let rows = page.rows.into_iter().map(|row| charged(&sell, row)).collect();
    Ok(Export { rows, cursor: URL_SAFE_NO_PAD.encode(cursor), more: page.more })
}

/// A row by these prices.
fn charged(sell: &SellPrices, mut entry: LedgerEntry) -> LedgerEntry {
    let begin = &entry.begin;
    let plan = begin.attribution.plan.as_deref();
    let charge = |tokens, cost| sell.charge_difference(plan, &begin.model, begin.reserved_at, tokens, cost);
    let (sold, amount) = charge(&entry.tokens, entry.cost);
    let (_, isolation) = charge(&entry.isolation.tokens, entry.isolation.cost);
    if let Some(price_row) = sold.map(|sold| sold.id()) {
        entry.begin.price_row = price_row;
    }
    entry.cost = amount;
    entry.isolation.cost = isolation;
    entry
}

/// The rows of all tenants, as for one.
///
/// # Errors
/// As for one tenant.
pub async fn of_all(engine: &Engine, _by: &Operator, ask: &ExportAsk) -> Result<Export> {
    let (after, limit) = read(ask, |cursor| Some(cursor.to_owned()))?;
    engine.store.flush_ledger().await?;
    let page = engine.store.control().ledger_page(None, after, limit).await?;
    Ok(Export { rows: page.rows, cursor: URL_SAFE_NO_PAD.encode(plain(page.next)?), more: page.more })
}

/// What a caller sent; errors name the parameter.
fn read(ask: &ExportAsk, open: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<(LedgerCursor, u32)> {
    let limit = ask.limit.unwrap_or(EXPORT_ROWS_MAX);
    if !(1..=EXPORT_ROWS_MAX).contains(&limit) {
        return Err(Error::invalid(format!("ask for 1 to {EXPORT_ROWS_MAX} rows")).at("limit"));
    }
    let Some(text) = &ask.cursor else { return Ok((LedgerCursor::default(), limit)) };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| open(&bytes));
    match bytes.as_deref().map(postcard::take_from_bytes) {
        Some(Ok((after, []))) => Ok((after, limit)),
        _ => Err(Error::invalid("pass on `x-next-cursor` of the answer before as it stands").at("cursor")),
    }
}

fn unsealed(seals: &TenantSeals, cursor: &[u8]) -> Option<Vec<u8>> {
    seals.open("export", "cursor", &[], cursor).ok()
}

fn plain(cursor: LedgerCursor) -> Result<Vec<u8>> {
    postcard::to_stdvec(&cursor).map_err(Error::internal)
}
