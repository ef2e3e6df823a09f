//! `POST /v1/messages` and `POST /v1/messages/count_tokens`: Anthropic's dialect.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{Call, ChatRequest, Dialect};
use insula_model::Result;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer,
    arrival::{Arrival, Received},
    call::{self, CallErrors},
};
use crate::{App, errors};

/// Answers a chat in Anthropic's form, whole or as a stream of server-sent events.
///
/// The tenant is the credential's, in `x-api-key` or `Authorization`; `metadata.user_id` is the end user. `anthropic-version` and
/// `anthropic-beta` are accepted and not heeded: what goes to a provider is the operator's to say. Fields that Insula does not know pass
/// through to providers of this form; ids of objects that live in the provider's account do not. Usage that a provider did not report
/// stands as zero, for this form cannot say that it is unknown. `insula.retrieval` has the tenant's documents searched before the answer. An answer that breaks off ends in an `error` event.
#[utoipa::path(
    post,
    path = "/v1/messages",
    operation_id = "messages",
    tag = "data plane",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Executes once; repeats get the first answer for 24 hours"),
        ("x-insula-tags" = Option<String>, Header, description = "Labels for the bill, `team=search, feature=faq`, percent-encoded"),
    ),
    request_body(description = "An Anthropic message request", content_type = "application/json"),
    responses(
        (status = 200, description = "A message, or `text/event-stream` of its events"),
        CallErrors,
    ),
    security(("tenantKey" = []))
)]
pub async fn messages(State(app): State<App>, request: Request<Body>) -> Response {
    let perform = async |call, body| app.engine.chat(call, ChatRequest::parse_messages(body)?).await;
    call::answered(&app, request, Dialect::Messages, perform).await
}

/// How long a message's input is.
#[derive(Serialize, ToSchema)]
pub struct TokenCount {
    /// In tokens, instructions and tools included; an estimate that is seldom too low.
    input_tokens: u64,
}

/// Counts the input of a message without sending it.
///
/// An estimate: by the model's tokenizer where Insula has it, else the bound by which budgets hold it, which is a token a byte. It
/// costs nothing, and counts as a request for limits on pace.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    operation_id = "count_tokens",
    tag = "data plane",
    request_body(description = "An Anthropic message request; `max_tokens` may be left out", content_type = "application/json"),
    responses(
        (status = 200, description = "The count", body = TokenCount),
        (status = 400, description = "The body is not a valid request; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such model"),
        (status = 413, description = "The body is over its bound"),
        (status = 422, description = "The model has no price"),
        (status = 429, description = "A rate limit"),
        (status = 503, description = "This node takes nothing new"),
    ),
    security(("tenantKey" = []))
)]
pub async fn count_tokens(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::in_dialect(Dialect::Messages, &away.error, away.request),
    };
    let (call, received) = arrival.read(&app).await;
    let counted = match received {
        Ok(received) => count(&app, &call, received).await,
        Err(error) => Err(error),
    };
    match counted {
        Ok(count) => answer::json(&count, Dialect::Messages, call.request),
        Err(error) => errors::in_dialect(Dialect::Messages, &error, call.request),
    }
}

async fn count(app: &App, call: &Call, received: Received) -> Result<TokenCount> {
    let chat = ChatRequest::parse_to_count(received.bytes)?;
    Ok(TokenCount { input_tokens: app.engine.count_tokens(call, chat).await? })
}
