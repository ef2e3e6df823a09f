//! Errors of `/v1`, each in its caller's dialect.
//!
//! OpenAI's: `{"error":{"message","type","param","code"}}`, in a stream of Responses an `error` event. Anthropic's:
//! `{"type":"error","error":{"type","message"},"request_id"}`, with our `code` and `param` beside the message.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use insula_engine::Dialect;
use insula_model::{Error, RequestId};
use serde::Serialize;

use super::{BudgetFields, Shape, budget_fields, log::log, put_headers, put_request_id, shape};

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetFields<'a>>,
}

#[derive(Serialize)]
struct OpenAi<'a> {
    error: Inner<'a>,
}

/// An event of a stream of responses. Some clients read the error inside, some the fields beside it.
#[derive(Serialize)]
struct ErrorEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    code: &'static str,
    message: &'a str,
    param: Option<&'a str>,
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    request_id: String,
}

/// The response of `/v1` for an error in OpenAI's dialect, logged under the request's id.
pub(crate) fn openai(error: &Error, request: RequestId) -> Response {
    in_dialect(Dialect::ChatCompletions, error, request)
}

/// The body of an error in OpenAI's dialect, logged under the request's id.
pub(super) fn openai_body(error: &Error, request: RequestId) -> Vec<u8> {
    let shape = shape(error.kind());
    log(error, shape, request);
    body(Dialect::ChatCompletions, error, shape, request)
}

/// The response of `/v1` for an error, logged under the request's id.
pub(crate) fn in_dialect(dialect: Dialect, error: &Error, request: RequestId) -> Response {
    response(dialect, error, shape(error.kind()), request)
}

pub(super) fn response(dialect: Dialect, error: &Error, shape: Shape, request: RequestId) -> Response {
    log(error, shape, request);
    let mut response = Response::new(Body::from(body(dialect, error, shape, request)));
    *response.status_mut() = shape.status;
    put_headers(response.headers_mut(), error, request);
    put_request_id(response.headers_mut(), dialect, request);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The last event of a stream that failed after `events` others, logged under the request's id.
pub(crate) fn last_event(dialect: Dialect, error: &Error, events: u64, request: RequestId) -> Bytes {
    let shape = shape(error.kind());
    log(error, shape, request);
    let mut event = match dialect {
        // OpenAI's SDKs raise any chunk that has an `error`.
        Dialect::ChatCompletions => b"data: ".to_vec(),
        Dialect::Responses | Dialect::Messages => b"event: error\ndata: ".to_vec(),
    };
    match dialect {
        Dialect::Responses => event.extend(json(&ErrorEvent {
            r#type: "error",
            sequence_number: events,
            code: shape.code,
            message: error.message(),
            param: error.param(),
            error: inner(error, shape),
        })),
        Dialect::ChatCompletions | Dialect::Messages => event.extend(body(dialect, error, shape, request)),
    }
    event.extend_from_slice(b"\n\n");
    event.into()
}

fn body(dialect: Dialect, error: &Error, shape: Shape, request: RequestId) -> Vec<u8> {
    let error = inner(error, shape);
    match dialect {
        Dialect::ChatCompletions | Dialect::Responses => json(&OpenAi { error }),
        Dialect::Messages => {
            let error = Inner { r#type: anthropic_type(shape), ..error };
            json(&Anthropic { r#type: "error", error, request_id: request.to_string() })
        }
    }
}

fn inner(error: &Error, shape: Shape) -> Inner<'_> {
    Inner {
        message: error.message(),
        r#type: shape.openai_type,
        param: error.param(),
        code: shape.code,
        budget: budget_fields(error),
    }
}

/// Source: Anthropic's API reference, "Errors".
fn anthropic_type(shape: Shape) -> &'static str {
    match shape.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Texts and numbers always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}
