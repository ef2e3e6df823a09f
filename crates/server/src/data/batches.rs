//! `/v1/batches`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::Dialect;
use insula_engine::batches::{self, BatchView, Finding, NewBatch};
use insula_model::{BatchId, BatchStatus, BatchWait, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::{self, Paged},
    arrival::{Arrival, Received},
};
use crate::{
    App,
    errors::{self, Failure},
    extract::{PathTexts, strict_json, strict_query},
};

/// Batches on a page, where the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: u32 = 100;

/// The only window that there is, as OpenAI names it.
const WINDOW: &str = "24h";

/// What a batch is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchOrder {
    /// The file with its requests.
    input_file_id: String,
    /// `/v1/chat/completions`, `/v1/embeddings` or `/v1/moderations`.
    endpoint: String,
    /// Always `24h`.
    completion_window: String,
    /// The caller's notes.
    metadata: Option<BTreeMap<String, String>>,
}

impl BatchOrder {
    fn read(self, tags: BTreeMap<String, String>) -> Result<NewBatch> {
        let operation = batches::operation_of(&self.endpoint);
        let operation = operation.ok_or_else(|| {
            Error::invalid("a batch takes the endpoints `/v1/chat/completions`, `/v1/embeddings` and `/v1/moderations`")
                .at("endpoint")
        })?;
        if self.completion_window != WINDOW {
            return Err(Error::invalid(format!("`completion_window` is always `{WINDOW}`")).at("completion_window"));
        }
        let no_such_file = |_| insula_engine::files::no_such_file().at("input_file_id");
        let input_file = self.input_file_id.parse().map_err(no_such_file)?;
        Ok(NewBatch { input_file, operation, metadata: self.metadata.unwrap_or_default(), tags })
    }
}

/// A batch in OpenAI's form; `waiting_for` is our own.
#[derive(Serialize, ToSchema)]
pub struct Batch {
    /// Its id.
    id: String,
    /// Always `batch`.
    object: &'static str,
    /// What each of its lines asks for.
    endpoint: &'static str,
    /// What is wrong with it.
    errors: Option<BatchErrors>,
    /// The file with its requests.
    input_file_id: String,
    /// Always `24h`.
    completion_window: &'static str,
    /// How it stands.
    status: BatchStatus,
    /// What it waits for, where it does.
    waiting_for: Option<BatchWait>,
    /// The file with the answers, once it is over and has any.
    output_file_id: Option<String>,
    /// The file with what became of requests without an answer, once it is over and has any.
    error_file_id: Option<String>,
    /// When it was asked for, seconds since 1970.
    created_at: i64,
    /// When its lines were found right.
    in_progress_at: Option<i64>,
    /// When its time runs out.
    expires_at: i64,
    /// When all of its lines were done.
    finalizing_at: Option<i64>,
    /// When its output could be read.
    completed_at: Option<i64>,
    /// When it was refused, or could not be carried on.
    failed_at: Option<i64>,
    /// When its time ran out.
    expired_at: Option<i64>,
    /// When it was asked to stop.
    cancelling_at: Option<i64>,
    /// When it stopped.
    cancelled_at: Option<i64>,
    /// Its lines.
    request_counts: RequestCounts,
    /// The caller's notes.
    metadata: Option<BTreeMap<String, String>>,
}

/// A batch's lines.
#[derive(Serialize, ToSchema)]
pub struct RequestCounts {
    /// All; 0 until they are counted.
    total: u64,
    /// Those that were answered.
    completed: u64,
    /// Those that were not, and will not be.
    failed: u64,
}

/// What is wrong with a batch.
#[derive(Serialize, ToSchema)]
pub struct BatchErrors {
    /// Always `list`.
    object: &'static str,
    /// At most a hundred.
    data: Vec<BatchError>,
}

/// One thing that is wrong with a batch.
#[derive(Serialize, ToSchema)]
pub struct BatchError {
    /// What programs tell it by.
    code: String,
    /// What is wrong.
    message: String,
    /// The field of the line.
    param: Option<String>,
    /// The line, from 1.
    line: Option<u64>,
}

impl From<Finding> for BatchError {
    fn from(Finding { code, message, param, line }: Finding) -> Self {
        Self { code, message, param, line }
    }
}

impl From<BatchView> for Batch {
    fn from(batch: BatchView) -> Self {
        let seconds = |at: Option<Timestamp>| at.map(Timestamp::seconds);
        let errors: Vec<BatchError> = batch.errors.into_iter().map(BatchError::from).collect();
        Self {
            id: batch.id.to_string(),
            object: "batch",
            endpoint: batches::endpoint(batch.operation),
            errors: (!errors.is_empty()).then_some(BatchErrors { object: "list", data: errors }),
            input_file_id: batch.input_file.to_string(),
            completion_window: WINDOW,
            status: batch.status,
            waiting_for: batch.waiting,
            output_file_id: batch.output_file.map(|file| file.to_string()),
            error_file_id: batch.error_file.map(|file| file.to_string()),
            created_at: batch.created_at.seconds(),
            in_progress_at: seconds(batch.times.in_progress_at),
            expires_at: batch.expires_at.seconds(),
            finalizing_at: seconds(batch.times.finalizing_at),
            completed_at: seconds(batch.times.completed_at),
            failed_at: seconds(batch.times.failed_at),
            expired_at: seconds(batch.times.expired_at),
            cancelling_at: seconds(batch.times.cancelling_at),
            cancelled_at: seconds(batch.times.cancelled_at),
            request_counts: RequestCounts { total: batch.total, completed: batch.completed, failed: batch.failed },
            metadata: (!batch.metadata.is_empty()).then_some(batch.metadata),
        }
    }
}

/// Which batches.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BatchesQuery {
    /// The last batch of the page before.
    after: Option<String>,
    /// Batches on the page; 20 where absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

impl BatchesQuery {
    fn read(&self) -> Result<(Option<BatchId>, u32)> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Error::invalid(format!("a page has 1 to {PAGE_MAX} batches")).at("limit"));
        }
        let after = self.after.as_deref().map(str::parse).transpose();
        Ok((after.map_err(|_| Error::invalid("`after` is the id of a batch").at("after"))?, limit))
    }
}

/// Asks for a batch: each line of a file becomes a request of this tenant, sent when nothing else of it wants its turn.
///
/// Lines are limited and billed like any other request. While a budget is used up they wait; `waiting_for` says so.
#[utoipa::path(
    post,
    path = "/v1/batches",
    operation_id = "create_batch",
    tag = "data plane",
    params(
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body = BatchOrder,
    responses(
        (status = 200, description = "The batch", body = Batch),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such file"),
        (status = 413, description = "The body is over its bound"),
        (status = 429, description = "Too many batches are not over"),
        (status = 503, description = "This node takes nothing new"),
    ),
    security(("tenantKey" = []))
)]
pub async fn create_batch(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let (call, received) = arrival.read(&app).await;
    let created = async {
        let Received { bytes, .. } = received?;
        let new = strict_json::<BatchOrder>(&bytes)?.read(call.tags.clone())?;
        batches::create(&app.engine, &call.credential, new).await
    };
    match created.await {
        Ok(batch) => answer::json(&Batch::from(batch), Dialect::ChatCompletions, call.request),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// Lists a tenant's batches, the newest first.
#[utoipa::path(
    get,
    path = "/v1/batches",
    operation_id = "list_batches",
    tag = "data plane",
    params(BatchesQuery),
    responses(
        (status = 200, description = "A page of batches", body = Paged<Batch>),
        (status = 400, description = "A parameter is wrong; `param` names it"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_batches(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let listed = async {
        let (after, limit) = strict_query::<BatchesQuery>(&arrival.head.uri)?.read()?;
        batches::list(&app.engine, &arrival.call.credential.scope, after, limit).await
    };
    match listed.await {
        Ok((found, more)) => {
            let page = Paged::new(found.into_iter().map(Batch::from).collect(), more, |batch| &batch.id);
            answer::json(&page, Dialect::ChatCompletions, arrival.call.request)
        }
        Err(error) => errors::openai(&error, arrival.call.request),
    }
}

/// Shows a batch and how far it is.
#[utoipa::path(
    get,
    path = "/v1/batches/{batch_id}",
    operation_id = "retrieve_batch",
    tag = "data plane",
    params(("batch_id" = String, Path, description = "The batch's id")),
    responses(
        (status = 200, description = "The batch", body = Batch),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such batch"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_batch(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let found = async { batches::find(&app.engine, &call.credential.scope, named(path)?).await };
    match found.await {
        Ok(batch) => answer::json(&Batch::from(batch), Dialect::ChatCompletions, call.request),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// Stops a batch: what is under way comes to its end, the rest is not begun.
#[utoipa::path(
    post,
    path = "/v1/batches/{batch_id}/cancel",
    operation_id = "cancel_batch",
    tag = "data plane",
    params(("batch_id" = String, Path, description = "The batch's id")),
    responses(
        (status = 200, description = "The batch", body = Batch),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such batch"),
        (status = 409, description = "It is over, or about to be"),
    ),
    security(("tenantKey" = []))
)]
pub async fn cancel_batch(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let cancelled = async { batches::cancel(&app.engine, &call.credential.scope, named(path)?).await };
    match cancelled.await {
        Ok(batch) => answer::json(&Batch::from(batch), Dialect::ChatCompletions, call.request),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// A text that is no id names nothing.
fn named(path: Result<PathTexts, Failure>) -> Result<BatchId> {
    let text = path.map_err(|_| batches::no_such_batch())?;
    text.get("batch_id")?.parse().map_err(|_| batches::no_such_batch())
}
