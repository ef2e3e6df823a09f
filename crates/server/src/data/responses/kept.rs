//! `GET` and `DELETE /v1/responses/{response}`, and its `cancel`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::Dialect;
use insula_model::Error;
use serde::Serialize;
use utoipa::ToSchema;

use super::about;
use crate::{App, data::answer, errors::Failure, extract::PathTexts};

/// A response that is kept.
#[utoipa::path(
    get,
    path = "/v1/responses/{response}",
    operation_id = "retrieve_response",
    tag = "data plane",
    params(("response" = String, Path, description = "The response's id")),
    responses(
        (status = 200, description = "The response, as it was answered"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such response, not kept any more, or another end user's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_response(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    about(&app, path, request, async |call, id| {
        let response = app.engine.response(call, id).await?;
        Ok(answer::bytes(response, Dialect::Responses, call.request))
    })
    .await
}

/// That a response is forgotten, in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct Deleted<'a> {
    /// The response's id.
    id: &'a str,
    /// Always `response`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// Forgets a response and what its request brought. Conversations that go on from it end with it.
#[utoipa::path(
    delete,
    path = "/v1/responses/{response}",
    operation_id = "delete_response",
    tag = "data plane",
    params(("response" = String, Path, description = "The response's id")),
    responses(
        (status = 200, description = "It is forgotten", body = Deleted),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such response, not kept any more, or another end user's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn delete_response(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    about(&app, path, request, async |call, id| {
        app.engine.forget_response(call, id).await?;
        Ok(answer::json(&Deleted { id, object: "response", deleted: true }, Dialect::Responses, call.request))
    })
    .await
}

/// Refused: responses are made while their caller waits, so there is none to cancel. Who no longer wants one closes the connection.
#[utoipa::path(
    post,
    path = "/v1/responses/{response}/cancel",
    operation_id = "cancel_response",
    tag = "data plane",
    params(("response" = String, Path, description = "The response's id")),
    responses(
        (status = 400, description = "It is complete already"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such response, not kept any more, or another end user's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn cancel_response(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    about(&app, path, request, async |call, id| {
        app.engine.response(call, id).await?;
        Err(Error::invalid(
            "this response is complete; only one that is made in the background could be cancelled, and none is here",
        ))
    })
    .await
}
