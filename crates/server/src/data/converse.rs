//! What every dialect's chat has in common: from the request on the wire to its answer.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::Request;
use insula_engine::{Call, ChatRequest, Dialect};
use insula_model::Result;

use super::{
    answer,
    arrival::{Arrival, Received},
};
use crate::{App, errors};

/// Answers a chat in this dialect; `parse` reads its bodies.
pub(super) async fn converse(
    app: &App,
    request: Request<Body>,
    dialect: Dialect,
    parse: fn(Bytes) -> Result<ChatRequest>,
) -> Response {
    let arrival = match Arrival::new(app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::in_dialect(dialect, &away.error, away.request),
    };
    let (call, received) = arrival.read(app).await;
    let id = call.request;
    let answered = match received {
        Ok(received) => perform(app, call, received, dialect, parse).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| errors::in_dialect(dialect, &error, id))
}

async fn perform(
    app: &App,
    call: Call,
    received: Received,
    dialect: Dialect,
    parse: fn(Bytes) -> Result<ChatRequest>,
) -> Result<Response> {
    let id = call.request;
    let chat = parse(received.bytes)?;
    Ok(answer::response(app, app.engine.chat(call, chat).await?, dialect, id, received.room))
}
