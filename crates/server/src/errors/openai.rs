//! Errors in OpenAI's dialect: `{"error":{"message","type","param","code"}}`.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use insula_model::{Error, RequestId};
use serde::Serialize;

use super::{BudgetFields, Shape, budget_fields, log::log, put_headers, shape};

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetFields<'a>>,
}

/// The response of `/v1` for an error, logged under the request's id.
pub(crate) fn openai(error: &Error, request: RequestId) -> Response {
    response(error, shape(error.kind()), request)
}

pub(super) fn response(error: &Error, shape: Shape, request: RequestId) -> Response {
    log(error, shape, request);
    let mut response = Response::new(Body::from(body(error, shape)));
    *response.status_mut() = shape.status;
    put_headers(response.headers_mut(), error, request);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body alone, for an error event in a stream whose headers are out already. Logged likewise.
pub(crate) fn openai_body(error: &Error, request: RequestId) -> Vec<u8> {
    let shape = shape(error.kind());
    log(error, shape, request);
    body(error, shape)
}

fn body(error: &Error, shape: Shape) -> Vec<u8> {
    let inner = Inner {
        message: error.message(),
        r#type: shape.openai_type,
        param: error.param(),
        code: shape.code,
        budget: budget_fields(error),
    };
    // Texts and numbers always serialise.
    serde_json::to_vec(&Envelope { error: inner }).unwrap_or_default()
}
