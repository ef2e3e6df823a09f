//! Errors of the management API: problem details, RFC 9457.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use insula_model::{Error, RequestId};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, ObjectBuilder, Type},
};

use super::{BudgetFields, CODES, Shape, budget_fields, log::log, put_headers};

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// Always `about:blank`: `code` tells problems apart.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What to do about it.
    detail: &'a str,
    /// What programs tell it by.
    #[schema(schema_with = codes)]
    code: &'static str,
    /// The id under which the server's log knows the request.
    request_id: String,
    /// The field or parameter that is wrong, such as `[1].window`; absent when no single one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    budget: Option<BudgetFields<'a>>,
}

/// Every code, for the API document.
fn codes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What programs tell it by"))
        .enum_values(Some(CODES))
        .build()
}

pub(super) fn response(error: &Error, shape: Shape, request: RequestId) -> Response {
    log(error, shape, request);
    let problem = Problem {
        r#type: "about:blank",
        title: shape.status.canonical_reason().unwrap_or("Error"),
        status: shape.status.as_u16(),
        detail: error.message(),
        code: shape.code,
        request_id: request.to_string(),
        param: error.param(),
        budget: budget_fields(error),
    };
    // Texts and numbers always serialise.
    let mut response = Response::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() = shape.status;
    put_headers(response.headers_mut(), error, request);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
