//! What the log gets of an error: its code and its private cause, under the request's id.

use insula_model::{Error, RequestId};

use super::Shape;

/// Logs an error that is about to be answered. Callers' own mistakes are no news; our faults are.
pub(super) fn log(error: &Error, shape: Shape, request: RequestId) {
    let cause = error.private_source().map(|cause| chain(cause));
    let (code, status) = (shape.code, shape.status.as_u16());
    if status == 500 {
        tracing::error!(%request, code, cause, "a request failed");
    } else if shape.status.is_server_error() {
        tracing::warn!(%request, code, status, cause, "a request failed");
    } else {
        tracing::debug!(%request, code, status, cause, "a request was refused");
    }
}

/// The cause and its causes, in one line.
fn chain(mut cause: &(dyn std::error::Error + 'static)) -> String {
    let mut line = cause.to_string();
    while let Some(next) = cause.source() {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next;
    }
    line
}
