//! The one place where an error becomes a status, a code and a body.
//!
//! [`shape`] is the table. [`in_dialect`] writes an error in that of a caller of `/v1`, `problem` in that of the management API
//! (RFC 9457). Handlers return [`Failure`]; `finish.rs` renders it once the request's id is known. What caused an error
//! goes to the log under that id, and nowhere else.

mod dialect;
mod log;
mod problem;
mod responses;

use std::{fmt, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use insula_engine::{Dialect, batches::ErrorDialect};
use insula_model::{BudgetRefusal, Error, ErrorKind, RequestId};
use serde::Serialize;

use dialect::openai_body;
pub(crate) use dialect::{in_dialect, last_event, openai};
pub(crate) use problem::Problem;
pub(crate) use responses::{InputErrors, OperatorErrors, ParamErrors, TenantErrors};

/// On every response: the id under which the log knows the request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The same for clients of Anthropic.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How an error looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What programs tell it by, in both dialects.
    pub(crate) code: &'static str,
    /// `type` in OpenAI's dialect.
    pub(crate) openai_type: &'static str,
}

const INVALID_REQUEST: &str = "invalid_request_error";
const RATE_LIMIT: &str = "rate_limit_error";
const SERVER: &str = "server_error";

/// The table of errors.
pub(crate) fn shape(kind: &ErrorKind) -> Shape {
    let (status, code, openai_type) = match kind {
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request", INVALID_REQUEST),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", INVALID_REQUEST),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "invalid_api_key", INVALID_REQUEST),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", INVALID_REQUEST),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found", INVALID_REQUEST),
        ErrorKind::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found", INVALID_REQUEST),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict", INVALID_REQUEST),
        ErrorKind::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed", INVALID_REQUEST),
        ErrorKind::IdempotencyMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", INVALID_REQUEST),
        ErrorKind::Suspended => (StatusCode::FORBIDDEN, "tenant_suspended", INVALID_REQUEST),
        ErrorKind::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", RATE_LIMIT),
        ErrorKind::NotCached => (StatusCode::GATEWAY_TIMEOUT, "not_cached", INVALID_REQUEST),
        ErrorKind::BudgetExceeded(_) => (StatusCode::TOO_MANY_REQUESTS, "budget_exceeded", "insufficient_quota"),
        ErrorKind::Unbounded => (StatusCode::BAD_REQUEST, "cost_unbounded", INVALID_REQUEST),
        ErrorKind::UnknownPrice => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_price", INVALID_REQUEST),
        ErrorKind::NoRoute => (StatusCode::UNPROCESSABLE_ENTITY, "no_route", INVALID_REQUEST),
        ErrorKind::VersionMismatch => (StatusCode::BAD_GATEWAY, "version_mismatch", SERVER),
        ErrorKind::AnswerTooLarge => (StatusCode::BAD_GATEWAY, "answer_too_large", SERVER),
        ErrorKind::ProviderRejected(status) => (client_error(*status), "provider_rejected", INVALID_REQUEST),
        ErrorKind::ProviderRateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "provider_rate_limited", RATE_LIMIT),
        ErrorKind::ProviderFailed => (StatusCode::BAD_GATEWAY, "provider_failed", SERVER),
        ErrorKind::ProviderTimeout => (StatusCode::GATEWAY_TIMEOUT, "provider_timeout", SERVER),
        ErrorKind::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", SERVER),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", SERVER),
    };
    Shape { status, code, openai_type }
}

/// Every code, in both dialects.
pub(crate) const CODES: [&str; 25] = [
    "answer_too_large",
    "budget_exceeded",
    "conflict",
    "cost_unbounded",
    "forbidden",
    "idempotency_mismatch",
    "internal_error",
    "invalid_api_key",
    "invalid_request",
    "method_not_allowed",
    "model_not_found",
    "no_route",
    "not_cached",
    "not_found",
    "precondition_failed",
    "provider_failed",
    "provider_rate_limited",
    "provider_rejected",
    "provider_timeout",
    "rate_limit_exceeded",
    "tenant_suspended",
    "too_large",
    "unavailable",
    "unknown_price",
    "version_mismatch",
];

/// What no [`ErrorKind`] says: the router's own.
const METHOD_NOT_ALLOWED: Shape =
    Shape { status: StatusCode::METHOD_NOT_ALLOWED, code: "method_not_allowed", openai_type: INVALID_REQUEST };

/// A provider's refusal is passed on only as what it can be: the caller's own mistake.
fn client_error(status: u16) -> StatusCode {
    StatusCode::from_u16(status).ok().filter(StatusCode::is_client_error).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The status that an error gets: what a trace notes.
pub(crate) fn status(error: &Error) -> u16 {
    shape(error.kind()).status.as_u16()
}

/// How errors look in the output of a batch.
pub const BATCH_ERRORS: ErrorDialect = ErrorDialect { status_of: status, body_of: openai_body };

/// A request's id as a header.
pub(crate) fn request_id_value(request: RequestId) -> HeaderValue {
    // Letters, digits and an underscore always make a header.
    HeaderValue::try_from(request.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Puts it where clients of this dialect look for it.
pub(crate) fn put_request_id(headers: &mut HeaderMap, dialect: Dialect, request: RequestId) {
    headers.insert(REQUEST_ID, request_id_value(request));
    if dialect == Dialect::Messages {
        headers.insert(ANTHROPIC_REQUEST_ID, request_id_value(request));
    }
}

/// What a handler returns when it fails. It carries the error through the router; `finish.rs` writes the response.
#[derive(Clone)]
pub(crate) struct Failure {
    error: Arc<Error>,
    shape: Shape,
}

impl Failure {
    /// The path exists, the method does not.
    pub(crate) fn method_not_allowed() -> Self {
        let error = Error::invalid("this path does not answer to this method; see the `allow` header");
        Self { error: Arc::new(error), shape: METHOD_NOT_ALLOWED }
    }

    /// The body in a dialect of `/v1`.
    pub(crate) fn into_dialect(self, dialect: Dialect, request: RequestId) -> Response {
        dialect::response(dialect, &self.error, self.shape, request)
    }

    /// The body in RFC 9457's form, for the management API.
    pub(crate) fn into_problem(self, request: RequestId) -> Response {
        problem::response(&self.error, self.shape, request)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let shape = shape(error.kind());
        Self { error: Arc::new(error), shape }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("code", &self.shape.code).finish_non_exhaustive()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.shape.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The headers that belong to an error in every dialect.
fn put_headers(headers: &mut HeaderMap, error: &Error, request: RequestId) {
    headers.insert(REQUEST_ID, request_id_value(request));
    let wait = match error.kind() {
        ErrorKind::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            None
        }
        // Trying again would only fail again; OpenAI's SDKs retry some of these statuses unless told not to.
        ErrorKind::BudgetExceeded(_)
        | ErrorKind::Unbounded
        | ErrorKind::UnknownPrice
        | ErrorKind::NoRoute
        | ErrorKind::VersionMismatch
        | ErrorKind::AnswerTooLarge
        | ErrorKind::Suspended
        | ErrorKind::NotCached => {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            None
        }
        ErrorKind::RateLimited { retry_after } | ErrorKind::Unavailable { retry_after } => Some(*retry_after),
        ErrorKind::ProviderRateLimited { retry_after } => *retry_after,
        _ => None,
    };
    if let Some(wait) = wait {
        put_wait(headers, wait);
    }
}

/// Seconds for everybody, rounded up, and milliseconds for SDKs that know them.
fn put_wait(headers: &mut HeaderMap, wait: Duration) {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
    headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
}

/// What a budget's refusal adds to the body, as the contract says.
#[derive(Serialize)]
struct BudgetFields<'a> {
    level: &'static str,
    window: &'static str,
    unit: &'static str,
    used: &'a str,
    limit: &'a str,
    resets_at: String,
}

fn budget_fields(error: &Error) -> Option<BudgetFields<'_>> {
    let ErrorKind::BudgetExceeded(refusal) = error.kind() else { return None };
    let BudgetRefusal { level, window, unit, used, limit, resets_at, .. } = &**refusal;
    Some(BudgetFields { level: level.name(), window: window.name(), unit, used, limit, resets_at: resets_at.to_string() })
}

#[cfg(test)]
mod tests;
