//! What SQLite's errors mean to us.

use std::time::Duration;

use insula_model::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// How long to wait before asking again when the disk is full or a lock is held.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A failed statement, in our terms.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    let unavailable = |message| Error::new(ErrorKind::Unavailable { retry_after: RETRY_AFTER }, message);
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Error::new(ErrorKind::Conflict, "it exists already").caused_by(error),
        Some(ErrorCode::DiskFull) => unavailable("the disk is full; free some space").caused_by(error),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => unavailable("the database is busy").caused_by(error),
        _ => Error::internal(error),
    }
}
