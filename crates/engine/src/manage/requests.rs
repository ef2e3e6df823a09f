//! Requests that were made: the list, and one with its stages and attempts.

use std::borrow::Cow;

use insula_model::{Cause, Error, RequestId, Result, TenantId, TenantScope};
pub use insula_store::RequestRow;
use insula_store::{Attribution, LedgerRow};

use super::page::{Page, PageAsk};
use crate::{
    AttemptRecord, Engine, RequestDetail,
    directory::{ManagedTenant, RequestReader},
    end_users,
    statement::RequestCost,
};

/// One request with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestView {
    /// Whose it was.
    pub tenant: TenantId,
    /// What is stored in the open.
    pub row: RequestRow,
    /// Stages and attempts; what was said only if the reader may see it.
    pub detail: RequestDetail,
    /// What its attempts cost, as the ledger knows by now.
    pub cost: RequestCost,
}

/// A page of a tenant's requests, latest first.
pub async fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<RequestId>) -> Result<Page<RequestRow, RequestId>> {
    let store = engine.store.tenant(&tenant.scope).await?;
    let found = store.requests(ask.after, ask.limit + 1).await?;
    Ok(ask.cut(found, |row| row.request))
}

/// The request that `reader` may read.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] when there is none, or it is still under way.
pub async fn read(engine: &Engine, reader: &RequestReader) -> Result<RequestView> {
    for scope in &reader.scopes {
        let store = engine.store.tenant(scope).await?;
        if let Some(mut row) = store.request(reader.request).await? {
            let mut detail = detail_of(engine, scope, &row).await?;
            if !reader.content {
                detail.content = None;
            }
            let cost = correct(engine, scope, &row, &mut detail).await?;
            row.cost = cost.by_cause.total();
            return Ok(RequestView { tenant: scope.tenant(), row, detail, cost });
        }
    }
    Err(Error::not_found())
}

async fn detail_of(engine: &Engine, scope: &TenantScope, row: &RequestRow) -> Result<RequestDetail> {
    if let Some(sealed) = row.sealed_detail.as_deref().filter(|sealed| !sealed.is_empty()) {
        let seals = engine.store.seals(scope).await?;
        return RequestDetail::open(sealed, &seals, row.request);
    }
    // The process died under this request, or there was no room left for its trace: what is known are its attempts. The
    // last of them may still be in the journal.
    engine.store.flush_ledger().await?;
    let attempts = engine.store.control().attempts(scope, row.request, row.started_at).await?;
    let Attribution { end_user, tags, .. } = attempts.first().map(|row| row.begin.attribution.clone()).unwrap_or_default();
    let end_user = match end_user {
        Some(id) => Some(end_users::shown(engine, scope, id).await?),
        None => None,
    };
    Ok(RequestDetail { stages: Vec::new(), attempts: Vec::new(), content: None, end_user, tags, cache: None })
}

/// Puts the ledger's word in the place of the trace's: attempts may have been corrected since. What they come to.
async fn correct(engine: &Engine, scope: &TenantScope, row: &RequestRow, detail: &mut RequestDetail) -> Result<RequestCost> {
    let read = || engine.store.control().attempts(scope, row.request, row.started_at);
    let mut ledger = read().await?;
    let has = |ledger: &[LedgerRow], id: &str| ledger.iter().any(|row| row.begin.attempt.to_string() == id);
    // Some of them may still be in the journal; without a trace nobody knows how many.
    if detail.stages.is_empty() || detail.attempts.iter().any(|attempt| !has(&ledger, &attempt.id)) {
        engine.store.flush_ledger().await?;
        ledger = read().await?;
    }
    let mut cost = RequestCost::of(&ledger, |id| engine.providers.price_row(id).map(|row| row.price));
    let traced = std::mem::take(&mut detail.attempts);
    let (known, unknown): (Vec<_>, Vec<_>) = traced.into_iter().partition(|attempt| has(&ledger, &attempt.id));
    detail.attempts = ledger.into_iter().map(|row| from_ledger(row, &known)).collect();
    for attempt in unknown {
        cost.by_cause.add(Cause::from_name(&attempt.cause).unwrap_or(Cause::Base), attempt.cost);
        detail.attempts.push(attempt);
    }
    Ok(cost)
}

/// An attempt as the ledger has it, with what only its trace knows.
fn from_ledger(row: LedgerRow, traced: &[AttemptRecord]) -> AttemptRecord {
    let id = row.begin.attempt.to_string();
    let traced = traced.iter().find(|attempt| attempt.id == id);
    AttemptRecord {
        id,
        cause: Cow::Borrowed(row.begin.cause.name()),
        provider: row.begin.provider,
        model: row.begin.model,
        price_row: row.begin.price_row,
        outcome: Cow::Borrowed(row.end.outcome.name()),
        tokens: row.end.tokens,
        cost: row.end.cost,
        reserved: row.begin.reserved,
        output_tokens_max: row.begin.output_tokens_max,
        estimated: row.end.estimated,
        response_model: traced.and_then(|attempt| attempt.response_model.clone()),
        fingerprint: traced.and_then(|attempt| attempt.fingerprint.clone()),
    }
}
