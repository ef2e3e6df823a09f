//! The refusals that operations share, for the API document.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

type Responses = BTreeMap<String, RefOr<Response>>;

/// What any operation for operators can answer.
pub(crate) enum OperatorErrors {}

impl IntoResponses for OperatorErrors {
    fn responses() -> Responses {
        problems(&[
            ("401", "No valid credential"),
            ("403", "The credential is not an operator's"),
            ("default", "Any other problem"),
        ])
    }
}

/// What any operation on a tenant can answer.
pub(crate) enum TenantErrors {}

impl IntoResponses for TenantErrors {
    fn responses() -> Responses {
        problems(&[
            ("401", "No valid credential"),
            ("403", "The credential is genuine, but its role is not enough, or its tenant is suspended"),
            ("404", "Not there, or not this caller's: the two look the same"),
            ("default", "Any other problem"),
        ])
    }
}

/// What an operation with input can answer.
pub(crate) enum InputErrors {}

impl IntoResponses for InputErrors {
    fn responses() -> Responses {
        problems(&[("400", "The input is wrong; `param` names the field"), ("413", "The body is over its bound")])
    }
}

/// What an operation with parameters can answer.
pub(crate) enum ParamErrors {}

impl IntoResponses for ParamErrors {
    fn responses() -> Responses {
        problems(&[("400", "A parameter is wrong; `param` names it")])
    }
}

fn problems(all: &[(&str, &str)]) -> Responses {
    all.iter().map(|(status, description)| (status.to_string(), RefOr::T(problem(description)))).collect()
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
