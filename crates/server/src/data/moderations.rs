//! `POST /v1/moderations`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{Dialect, ModerationsRequest};

use super::call::{self, CallErrors};
use crate::App;

/// Judges texts and images. Without a `model`, `omni-moderation-latest` where the tenant may call it, else its only one. The answer
/// cache keeps no verdicts.
#[utoipa::path(
    post,
    path = "/v1/moderations",
    operation_id = "moderations",
    tag = "data plane",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Executes once; repeats get the first answer for 24 hours"),
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body(description = "An OpenAI moderation request", content_type = "application/json"),
    responses(
        (status = 200, description = "A verdict for each text, or one for all parts"),
        CallErrors,
    ),
    security(("tenantKey" = []))
)]
pub async fn moderations(State(app): State<App>, request: Request<Body>) -> Response {
    let perform = async |call, body| app.engine.moderations(call, ModerationsRequest::parse(body)?).await;
    call::answered(&app, request, Dialect::ChatCompletions, perform).await
}
