//! Requests that were made: the list, and one with its stages and attempts.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use insula_model::{
    Cause, CredentialOwner, Error, Money, Overhead, Price, RequestId, Result, Slug, TenantId, TenantScope, WindowSpan,
};
pub use insula_store::RequestRow;
use insula_store::{Attribution, LedgerRow};

use super::{
    catalogue,
    page::{Page, PageAsk},
};
use crate::{
    AttemptRecord, Engine, RequestDetail,
    directory::{ManagedTenant, RequestReader},
    end_users,
    statement::{ChargedAttempt, RequestCost, SellPrices, charged_attempt},
};

/// One request with all that is known of it, in amounts for its reader: what its tenant is charged for the tenant itself, otherwise
/// what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestView {
    /// Whose it was.
    pub tenant: TenantId,
    /// What is stored in the open.
    pub row: RequestRow,
    /// Stages, and what was said only if the reader may see it.
    pub detail: RequestDetail,
    /// Its attempts.
    pub attempts: Vec<AttemptView>,
    /// What its attempts come to, as the ledger knows by now.
    pub cost: RequestCost,
    /// Whether its reader may not know what the providers charge.
    pub hides_cost: bool,
}

/// An attempt of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptView {
    /// What is known of it; its cost and its price row are those of `rates`.
    pub record: AttemptRecord,
    /// The prices that were applied, where they are known.
    pub rates: Option<Price>,
    /// What of its tokens kept the tenant apart, and what of its cost is for them.
    pub isolation: Overhead,
    /// What was held for it; absent where the reader is charged something else than that counts.
    pub reserved: Option<Money>,
    /// By whose account at the provider it was made; absent where the ledger does not have it yet.
    pub credential: Option<CredentialOwner>,
}

/// How long before a request began and after it ended attempts of it may have been reserved, as far as clocks go.
const NEAR: Duration = Duration::from_secs(60);

/// How long a request may have taken whose end nobody saw.
const UNSEEN_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// A page of a tenant's requests, latest first.
pub async fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<RequestId>) -> Result<Page<RequestRow, RequestId>> {
    let store = engine.store.tenant(&tenant.scope).await?;
    let mut found = store.requests(ask.after, ask.limit + 1).await?;
    let sell = engine.prices_shown_to(&tenant.by);
    if !sell.is_empty() {
        charge(engine, &tenant.scope, &sell, &mut found).await?;
    }
    Ok(ask.cut(found, |row| row.request))
}

/// Puts what a tenant is charged in the place of the cost. What the ledger does not have yet is charged nothing as yet.
async fn charge(engine: &Engine, scope: &TenantScope, sell: &SellPrices, rows: &mut [RequestRow]) -> Result<()> {
    let ids = || rows.iter().map(|row| row.request);
    let (Some(first), Some(last)) = (ids().min(), ids().max()) else { return Ok(()) };
    let ended = |row: &RequestRow| match row.duration_us {
        0 => row.started_at.plus(UNSEEN_MAX),
        us => row.started_at.plus(Duration::from_micros(us)),
    };
    let start = rows.iter().map(|row| row.started_at).min().unwrap_or_default().minus(NEAR);
    let end = rows.iter().map(ended).max().unwrap_or_default().plus(NEAR);
    engine.store.flush_ledger().await?;
    let parts = engine.store.control().request_parts(scope, WindowSpan { start, end }, (first, last)).await?;
    let mut charged: HashMap<RequestId, Money> = HashMap::new();
    for (request, part) in parts {
        *charged.entry(request).or_default() += sell.amount(&part);
    }
    for row in rows {
        row.cost = charged.get(&row.request).copied().unwrap_or_default();
    }
    Ok(())
}

/// The request that `reader` may read.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] when there is none, or it is still under way.
pub async fn read(engine: &Engine, reader: &RequestReader) -> Result<RequestView> {
    let sell = if reader.is_own { engine.sell_prices() } else { SellPrices::default() };
    for scope in &reader.scopes {
        let store = engine.store.tenant(scope).await?;
        if let Some(mut row) = store.request(reader.request).await? {
            let mut detail = detail_of(engine, scope, &row).await?;
            if !reader.is_own {
                detail.content = None;
            }
            let (attempts, cost) = attempts_of(engine, scope, &row, &mut detail, &sell).await?;
            row.cost = cost.by_cause.total();
            let hides_cost = reader.is_own && engine.directory.hides_cost_from(scope.tenant());
            return Ok(RequestView { tenant: scope.tenant(), row, detail, attempts, cost, hides_cost });
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
    Ok(RequestDetail {
        stages: Vec::new(),
        attempts: Vec::new(),
        content: None,
        end_user,
        tags,
        route: None,
        cache: None,
        retrieval: None,
    })
}

/// The attempts by these prices, and what they come to. The ledger's word stands in the place of the trace's: attempts may have been
/// corrected since.
async fn attempts_of(
    engine: &Engine,
    scope: &TenantScope,
    row: &RequestRow,
    detail: &mut RequestDetail,
    sell: &SellPrices,
) -> Result<(Vec<AttemptView>, RequestCost)> {
    let read = || engine.store.control().attempts(scope, row.request, row.started_at);
    let mut ledger = read().await?;
    let has = |ledger: &[LedgerRow], id: &str| ledger.iter().any(|row| row.begin.attempt.to_string() == id);
    // Some of them may still be in the journal; without a trace nobody knows how many.
    if detail.stages.is_empty() || detail.attempts.iter().any(|attempt| !has(&ledger, &attempt.id)) {
        engine.store.flush_ledger().await?;
        ledger = read().await?;
    }
    let traced = std::mem::take(&mut detail.attempts);
    let (known, unknown): (Vec<_>, Vec<_>) = traced.into_iter().partition(|attempt| has(&ledger, &attempt.id));
    let charged: Vec<_> = ledger.into_iter().map(|row| charged_attempt(engine, sell, row)).collect();
    let mut cost = RequestCost::of(&charged);
    let mut attempts: Vec<_> = charged.into_iter().map(|charged| from_ledger(charged, &known)).collect();
    for attempt in unknown {
        let view = from_trace(engine, scope, row, attempt, sell);
        cost.by_cause.add(Cause::from_name(&view.record.cause).unwrap_or(Cause::Base), view.record.cost);
        attempts.push(view);
    }
    Ok((attempts, cost))
}

/// An attempt as the ledger has it, with what only its trace knows.
fn from_ledger(charged: ChargedAttempt, traced: &[AttemptRecord]) -> AttemptView {
    let ChargedAttempt { row, price_row, is_sold, rates, amount, isolation } = charged;
    let (id, credential) = (row.begin.attempt.to_string(), row.begin.attribution.credential);
    let traced = traced.iter().find(|attempt| attempt.id == id);
    let record = AttemptRecord {
        id,
        cause: Cow::Borrowed(row.begin.cause.name()),
        provider: row.begin.provider,
        model: row.begin.model,
        price_row,
        outcome: Cow::Borrowed(row.end.outcome.name()),
        tokens: row.end.tokens,
        cost: amount,
        reserved: row.begin.reserved,
        output_tokens_max: row.begin.output_tokens_max,
        estimated: row.end.estimated,
        response_model: traced.and_then(|attempt| attempt.response_model.clone()),
        fingerprint: traced.and_then(|attempt| attempt.fingerprint.clone()),
    };
    AttemptView { rates, isolation, reserved: (!is_sold).then_some(record.reserved), credential: Some(credential), record }
}

/// An attempt that the ledger does not have yet. Its plan is taken to be the tenant's of now; what kept the tenant apart is told by the ledger
/// alone.
fn from_trace(
    engine: &Engine,
    scope: &TenantScope,
    row: &RequestRow,
    mut record: AttemptRecord,
    sell: &SellPrices,
) -> AttemptView {
    let tenant = engine.directory.tenant(scope.tenant());
    let plan = tenant.as_ref().and_then(|tenant| tenant.record.plan.as_ref()).map(Slug::as_str);
    let (sold, amount) = sell.charge(plan, &record.model, row.started_at, &record.tokens, record.cost);
    record.cost = amount;
    let isolation = Overhead::default();
    let Some(sold) = sold else {
        let rates = catalogue::rates(engine, &record.price_row);
        return AttemptView { rates, isolation, reserved: Some(record.reserved), credential: None, record };
    };
    record.price_row = sold.id();
    AttemptView { rates: Some(sold.price()), isolation, reserved: None, credential: None, record }
}
