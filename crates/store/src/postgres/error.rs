//! What PostgreSQL's errors mean to us.

use std::time::Duration;

use insula_model::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

/// How long to wait before asking again when the database is away.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A failed statement or connection, in our terms.
pub(crate) fn failed(error: tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        // No answer of the server's: the connection broke or was never made.
        return away().caused_by(error);
    };
    match state {
        &SqlState::UNIQUE_VIOLATION => Error::new(ErrorKind::Conflict, "it exists already").caused_by(error),
        state if is_passing(state) => away().caused_by(error),
        _ => Error::internal(error),
    }
}

/// Shared storage cannot be reached just now.
pub(crate) fn away() -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: RETRY_AFTER }, "shared storage is not available; try again in a moment")
}

/// Whether the same statement may succeed later without anybody mending anything in Insula: the server starts or stops, has no
/// room or no connection left, was failed over to a standby, or took too long.
fn is_passing(state: &SqlState) -> bool {
    let class = state.code().get(..2).unwrap_or_default();
    // 08 connection, 53 resources, 57 operator intervention (shutdown, timeouts), 40 deadlock and serialisation, 58 system.
    matches!(class, "08" | "53" | "57" | "40" | "58")
        || matches!(
            state,
            &SqlState::LOCK_NOT_AVAILABLE
                | &SqlState::READ_ONLY_SQL_TRANSACTION
                | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        )
}
