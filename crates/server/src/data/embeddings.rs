//! `POST /v1/embeddings`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::Call;
use insula_engine::EmbeddingsRequest;
use insula_model::Result;

use super::{
    answer,
    arrival::{Arrival, Received},
};
use crate::{App, errors};

/// Embeds text, as numbers or as base64.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    operation_id = "embeddings",
    tag = "data plane",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Executes once; repeats get the first answer for 24 hours"),
        ("cache-control" = Option<String>, Header, description = "`no-store`, `no-cache`, `max-age=<seconds>` or `only-if-cached`, where the tenant has the answer cache"),
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body(description = "An OpenAI embeddings request", content_type = "application/json"),
    responses(
        (status = 200, description = "The embeddings"),
        (status = 400, description = "The body is not a valid request; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such model"),
        (status = 409, description = "The same Idempotency-Key is still under way, or its outcome is unknown"),
        (status = 413, description = "The body is over its bound"),
        (status = 422, description = "The Idempotency-Key was used with another body, or the model has no price"),
        (status = 429, description = "A rate limit or a budget; `code` says which"),
        (status = 502, description = "The provider failed"),
        (status = 503, description = "This node takes nothing new"),
        (status = 504, description = "The provider took too long, or nothing is kept for `only-if-cached`; `code` says which"),
    ),
    security(("tenantKey" = []))
)]
pub async fn embeddings(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let (call, received) = arrival.read(&app).await;
    let id = call.request;
    let answered = match received {
        Ok(received) => perform(&app, call, received).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| errors::openai(&error, id))
}

async fn perform(app: &App, call: Call, received: Received) -> Result<Response> {
    let id = call.request;
    let wanted = EmbeddingsRequest::parse(received.bytes)?;
    Ok(answer::response(app, app.engine.embeddings(call, wanted).await?, id, received.room))
}
