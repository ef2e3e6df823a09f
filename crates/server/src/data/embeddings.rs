//! `POST /v1/embeddings`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{Dialect, EmbeddingsRequest};

use super::call::{self, CallErrors};
use crate::App;

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
        CallErrors,
    ),
    security(("tenantKey" = []))
)]
pub async fn embeddings(State(app): State<App>, request: Request<Body>) -> Response {
    let perform = async |call, body| app.engine.embeddings(call, EmbeddingsRequest::parse(body)?).await;
    call::answered(&app, request, Dialect::ChatCompletions, perform).await
}
