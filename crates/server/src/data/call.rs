//! What all operations that call a model have in common: how a request comes in, and what its caller can be refused with.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::Request;
use insula_engine::{Answer, Call, Dialect};
use insula_model::Result;
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response as Documented, ResponseBuilder},
};

use super::{answer, arrival::Arrival};
use crate::{App, errors};

/// Takes a request in and answers it, in its caller's dialect, with what `perform` makes of the call and its body.
pub(super) async fn answered(
    app: &App,
    request: Request<Body>,
    dialect: Dialect,
    perform: impl AsyncFnOnce(Call, Bytes) -> Result<Answer>,
) -> Response {
    let arrival = match Arrival::new(app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::in_dialect(dialect, &away.error, away.request),
    };
    let (call, received) = arrival.read(app).await;
    let id = call.request;
    let received = match received {
        Ok(received) => received,
        Err(error) => return errors::in_dialect(dialect, &error, id),
    };
    match perform(call, received.bytes).await {
        Ok(answer) => answer::response(app, answer, dialect, id, received.room),
        Err(error) => errors::in_dialect(dialect, &error, id),
    }
}

/// What a call of a model can answer other than what was asked for.
pub(super) enum CallErrors {}

impl IntoResponses for CallErrors {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let refusals = [
            ("400", "The body is not a valid request; `param` names the field"),
            ("401", "No valid credential"),
            ("403", "The tenant is suspended, or the credential is an operator's"),
            ("404", "No such model"),
            ("409", "The same Idempotency-Key is still under way, or its outcome is unknown"),
            ("413", "The body is over its bound"),
            ("422", "The Idempotency-Key was used with another body, the model has no price, or nothing may serve the request"),
            ("429", "A rate limit or a budget; `code` says which"),
            ("502", "The provider failed, or answered with another version than was approved"),
            ("503", "This node takes nothing new"),
            ("504", "The provider took too long, or nothing is kept for `only-if-cached`; `code` says which"),
        ];
        let documented = |text: &str| RefOr::T(ResponseBuilder::new().description(text).build());
        refusals.map(|(status, text)| (status.to_owned(), documented(text))).into()
    }
}
