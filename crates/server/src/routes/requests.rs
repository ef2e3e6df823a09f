//! `/api/v1/tenants/{tenant}/requests` and `/api/v1/requests/{request}`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use insula_engine::{
    CacheRecord, RetrievalRecord, SourceRecord, StageRecord,
    directory::{ManagedTenant, RequestReader},
    manage::requests::{self, AttemptView, RequestRow, RequestView},
    statement::RequestCost,
};
use insula_model::{CredentialOwner, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::routing::Route;
use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, StrictQuery},
    wire::{Causes, Isolation, Listed, Moment, PageQuery, Rates, Tokens, Usd},
};

/// A finished request.
#[derive(Serialize, ToSchema)]
pub(crate) struct Request {
    /// Its id, as `x-request-id` told it.
    id: String,
    /// The key that asked; null for a tenant token.
    key: Option<String>,
    /// When it arrived.
    started_at: Moment,
    /// How long it took, microseconds.
    duration_us: u64,
    /// `chat`, `embeddings` or `moderations`.
    operation: &'static str,
    /// The model as the caller named it.
    model: String,
    /// The HTTP status that the caller got; 0 when the server died under it.
    status: u16,
    /// What its attempts cost together; for the tenant itself, what it is charged for them.
    cost_usd: Usd,
}

impl From<&RequestRow> for Request {
    fn from(row: &RequestRow) -> Self {
        Self {
            id: row.request.to_string(),
            key: row.key.map(|key| key.to_string()),
            started_at: Moment(row.started_at),
            duration_us: row.duration_us,
            operation: row.operation.name(),
            model: row.model.clone(),
            status: row.status,
            cost_usd: Usd(row.cost),
        }
    }
}

/// A finished request with its trace.
#[derive(Serialize, ToSchema)]
pub(crate) struct TracedRequest {
    #[serde(flatten)]
    request: Request,
    /// Whose it was.
    tenant: String,
    /// The end user that it was made for, as the product calls it.
    end_user: Option<String>,
    /// The labels of tenant, key and request together; those nearer to the request win.
    tags: BTreeMap<String, String>,
    /// The stages in the order they ran.
    stages: Vec<Stage>,
    /// The attempts at providers, each a row of the ledger.
    attempts: Vec<Attempt>,
    /// Where it could go, and why it went where it did; null where it got no further than the stages before.
    route: Option<Route>,
    /// What it cost, and why; for the tenant itself, what it is charged.
    cost: Cost,
    /// What the answer cache did; null where its tenant had none.
    cache: Option<Cache>,
    /// What was found in documents before the answer, and how that held to it; null where none were searched.
    retrieval: Option<Retrieval>,
    /// What was said, for `include=content`; null for a request that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

/// What the answer cache did for a request.
#[derive(Serialize, ToSchema)]
#[schema(as = RequestCache)]
struct Cache {
    /// `hit`, `miss` or `bypass`.
    status: String,
    /// What the answer had cost at the provider, where it was given again; null for a tenant whose plan has prices of its own.
    saved_usd: Option<Usd>,
}

impl Cache {
    fn of(record: CacheRecord, hides_cost: bool) -> Self {
        Self { status: record.status.into(), saved_usd: (!hides_cost).then_some(Usd(record.saved)) }
    }
}

/// What was found in documents before an answer: where, and no word of what stands there.
#[derive(Serialize, ToSchema)]
#[schema(as = RequestRetrieval)]
struct Retrieval {
    /// The state of the documents that was searched.
    epoch: u64,
    /// What was put before the model.
    sources: Vec<Source>,
    /// Citations whose quotes stand where the answer says.
    cited: u64,
    /// Those whose quotes do not, which were taken out.
    dropped: u64,
    /// Those that named another passage, and were set right; they are among `cited`.
    repaired: u64,
    /// Calls of tools that were taken out, because text from documents authorises none.
    tool_calls_removed: u64,
}

/// A passage that was put before a model.
#[derive(Serialize, ToSchema)]
#[schema(as = RequestSource)]
struct Source {
    /// The document's id.
    document: String,
    /// The reference corpus that it is of; null for one of the tenant's own.
    corpus: Option<String>,
    /// Which chunk of it, from 0.
    chunk: u64,
}

impl From<RetrievalRecord> for Retrieval {
    fn from(record: RetrievalRecord) -> Self {
        let source = |source: SourceRecord| Source { document: source.document, corpus: source.corpus, chunk: source.chunk };
        Self {
            epoch: record.epoch,
            sources: record.sources.into_iter().map(source).collect(),
            cited: record.cited,
            dropped: record.dropped,
            repaired: record.repaired,
            tool_calls_removed: record.tool_calls_removed,
        }
    }
}

/// What a request cost, told apart by why its attempts were made. The total is exactly their sum.
#[derive(Serialize, ToSchema)]
struct Cost {
    /// All together.
    total_usd: Usd,
    /// By why its attempts were made.
    by_cause: Causes,
    /// What the providers' caches saved by the same prices, net of what writing to them cost; below zero where more was written than read again.
    cache_savings_usd: Usd,
    #[serde(flatten)]
    isolation: Isolation,
    /// How long its attempts waited for their turns together, milliseconds.
    queue_ms: u64,
}

impl From<RequestCost> for Cost {
    fn from(cost: RequestCost) -> Self {
        let queue_ms = u64::try_from(cost.queued.as_millis()).unwrap_or(u64::MAX);
        Self {
            total_usd: Usd(cost.by_cause.total()),
            by_cause: cost.by_cause.into(),
            cache_savings_usd: Usd(cost.cache_savings),
            isolation: cost.isolation.into(),
            queue_ms,
        }
    }
}

/// One stage of the pipeline.
#[derive(Serialize, ToSchema)]
struct Stage {
    /// Its name.
    name: String,
    /// When it started, microseconds after the request arrived.
    start_us: u64,
    /// How long it took, microseconds.
    duration_us: u64,
    /// `ok`, `refused` or `failed`; of the cache `hit`, `miss` or `bypass`.
    outcome: String,
    /// Why, or what was decided.
    reason: Option<String>,
}

impl From<StageRecord> for Stage {
    fn from(stage: StageRecord) -> Self {
        let StageRecord { name, start_us, duration_us, outcome, reason } = stage;
        Self { name: name.into(), start_us, duration_us, outcome: outcome.into(), reason: reason.map(String::from) }
    }
}

/// One attempt at a provider.
#[derive(Serialize, ToSchema)]
struct Attempt {
    /// Its id in the ledger.
    id: String,
    /// Why it was made.
    cause: String,
    /// The provider's configured name.
    provider: String,
    /// The model as the price book names it.
    model: String,
    /// The row that priced it: of the price book, or for a tenant whose plan sells the model of the plan's price table.
    price_row: String,
    /// What that row says of a million tokens; null where the price book does not have it any more.
    rates: Option<Rates>,
    /// By whose account at the provider it was made: `platform` or `tenant`; null where the ledger does not have it yet.
    credential: Option<&'static str>,
    /// How it ended.
    outcome: String,
    /// What was used.
    tokens: Tokens,
    /// What it cost; for the tenant itself, what it is charged.
    cost_usd: Usd,
    #[serde(flatten)]
    isolation: Isolation,
    /// What was held for it in budgets, which count what the providers charge; null for a tenant that is charged by its plan.
    reserved_usd: Option<Usd>,
    /// The output tokens that were allowed.
    output_tokens_max: u64,
    /// Whether `tokens` is our estimate rather than the provider's report.
    estimated: bool,
    /// The model that the provider says answered.
    response_model: Option<String>,
    /// The provider's fingerprint of its configuration.
    fingerprint: Option<String>,
}

impl From<AttemptView> for Attempt {
    fn from(view: AttemptView) -> Self {
        let AttemptView { record: attempt, rates, isolation, reserved, credential } = view;
        Self {
            rates: rates.map(Rates::from),
            id: attempt.id,
            cause: attempt.cause.into(),
            provider: attempt.provider,
            model: attempt.model,
            price_row: attempt.price_row,
            credential: credential.map(CredentialOwner::name),
            outcome: attempt.outcome.into(),
            tokens: attempt.tokens.into(),
            cost_usd: Usd(attempt.cost),
            isolation: isolation.into(),
            reserved_usd: reserved.map(Usd),
            output_tokens_max: attempt.output_tokens_max,
            estimated: attempt.estimated,
            response_model: attempt.response_model,
            fingerprint: attempt.fingerprint,
        }
    }
}

/// What was said, cut at the configured bound.
#[derive(Serialize, ToSchema)]
struct Content {
    /// The caller's body.
    request: String,
    /// What the caller got.
    response: String,
    /// Whether either was cut.
    truncated: bool,
}

/// What to add to a trace.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TraceQuery {
    /// `content` for what was said; not for operators.
    #[param(inline)]
    include: Option<Include>,
}

/// What can be added.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    /// What was said.
    Content,
}

/// Lists a tenant's finished requests, latest first.
///
/// The tenant itself is told what it is charged, by the prices of its plan where that sells; operators are told the cost.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/requests", operation_id = "list_requests", tag = "usage",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of requests", body = Listed<Request>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Request>>, Failure> {
    let page = requests::list(&app.engine, &tenant, page.ask()?).await?;
    Ok(Json(Listed::page(page, |row| Request::from(row))))
}

/// Shows a finished request with its stages and attempts.
#[utoipa::path(
    get, path = "/api/v1/requests/{request}", operation_id = "read_request", tag = "usage",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("request" = String, Path, description = "The request's id"), TraceQuery),
    responses((status = 200, description = "The request", body = TracedRequest), TenantErrors, ParamErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(reader): Authorised<RequestReader>,
    StrictQuery(query): StrictQuery<TraceQuery>,
) -> Result<Json<TracedRequest>, Failure> {
    if query.include.is_some() && !reader.is_own {
        let message = "an operator sees no content; it is its tenant's alone";
        return Err(Error::new(ErrorKind::Forbidden, message).at("include").into());
    }
    let RequestView { tenant, row, detail, attempts, cost, hides_cost } = requests::read(&app.engine, &reader).await?;
    let said = detail.content.filter(|_| query.include.is_some());
    Ok(Json(TracedRequest {
        request: Request::from(&row),
        tenant: tenant.to_string(),
        end_user: detail.end_user,
        tags: detail.tags,
        stages: detail.stages.into_iter().map(Stage::from).collect(),
        attempts: attempts.into_iter().map(Attempt::from).collect(),
        route: detail.route.map(Route::from),
        cost: cost.into(),
        cache: detail.cache.map(|record| Cache::of(record, hides_cost)),
        retrieval: detail.retrieval.map(Retrieval::from),
        content: said.map(|said| Content { request: said.request, response: said.response, truncated: said.truncated }),
    }))
}
