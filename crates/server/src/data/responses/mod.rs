//! `/v1/responses`: OpenAI's Responses, made ([`create`]) and kept ([`kept`]).

pub mod create;
pub mod items;
pub mod kept;

use axum::{body::Body, response::Response};
use http::Request;
use insula_engine::{Call, Dialect};
use insula_model::Result;

use super::arrival::Arrival;
use crate::{
    App,
    errors::{self, Failure},
    extract::PathTexts,
};

/// Answers a call about the response that the path names. A name that does not decode is the name of nothing.
async fn about(
    app: &App,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
    answer: impl AsyncFnOnce(&Call, &str) -> Result<Response>,
) -> Response {
    let call = match Arrival::new(app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::in_dialect(Dialect::Responses, &away.error, away.request),
    };
    let id = path.as_ref().ok().and_then(|path| path.get("response").ok()).unwrap_or_default();
    let answered = answer(&call, id).await;
    answered.unwrap_or_else(|error| errors::in_dialect(Dialect::Responses, &error, call.request))
}
