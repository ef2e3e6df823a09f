//! `POST /v1/chat/completions`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{ChatRequest, Dialect};

use super::call::{self, CallErrors};
use crate::App;

/// Answers a chat, whole or as a stream of server-sent events.
///
/// The tenant is the credential's. Fields that Insula does not know pass through to the provider; ids of objects that
/// live in the provider's account do not. Streams carry a usage chunk only where `stream_options.include_usage` asked
/// for it. `insula.retrieval`, or the tool `file_search`, has the tenant's documents searched before the answer, and its citations checked;
/// the answer then tells of that in `insula`. An answer that breaks off ends in an `error` event, never in a made-up `finish_reason`.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    operation_id = "chat_completions",
    tag = "data plane",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Executes once; repeats get the first answer for 24 hours"),
        ("x-insula-complexity" = Option<String>, Header, description = "`simple` or `complex`, for the model `auto`; guessed where absent"),
        ("cache-control" = Option<String>, Header, description = "`no-store`, `no-cache`, `max-age=<seconds>` or `only-if-cached`, where the tenant has the answer cache"),
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body(description = "An OpenAI chat completion request", content_type = "application/json"),
    responses(
        (status = 200, description = "A chat completion, or `text/event-stream` of its chunks"),
        CallErrors,
    ),
    security(("tenantKey" = []))
)]
pub async fn chat_completions(State(app): State<App>, request: Request<Body>) -> Response {
    let perform = async |call, body| app.engine.chat(call, ChatRequest::parse(body)?).await;
    call::answered(&app, request, Dialect::ChatCompletions, perform).await
}
