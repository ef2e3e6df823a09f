//! `POST /v1/responses`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{ChatRequest, Dialect};

use crate::{
    App,
    data::call::{self, CallErrors},
};

/// Makes a response, whole or as a stream of typed events, with any provider.
///
/// Unless `store` is false the request's items and the response are kept, sealed, in the tenant's own store for a configured time
/// (30 days by default), before the caller sees the end. `previous_response_id` goes on from a kept response: all that was said before is
/// put in front of `input`, is reserved and is billed as input. Instructions are not carried over. A response that was made for an end user
/// (the token's, else the body's `user` or `safety_identifier`) is gone on from for the same end user only. Functions and
/// `file_search` are the only tools: that one is a search in the tenant's documents before the answer, made here. Other hosted tools, `background`,
/// `conversation`, `prompt` and references to items are refused.
#[utoipa::path(
    post,
    path = "/v1/responses",
    operation_id = "create_response",
    tag = "data plane",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Executes once; repeats get the first answer for 24 hours"),
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body(description = "An OpenAI request for a response", content_type = "application/json"),
    responses(
        (status = 200, description = "A response, or `text/event-stream` of its typed events"),
        CallErrors,
    ),
    security(("tenantKey" = []))
)]
pub async fn create_response(State(app): State<App>, request: Request<Body>) -> Response {
    let perform = async |call, body| app.engine.chat(call, ChatRequest::parse_responses(body)?).await;
    call::answered(&app, request, Dialect::Responses, perform).await
}
