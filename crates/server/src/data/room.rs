//! Room for request bodies: what all large bodies together may hold in memory.

use std::sync::Arc;

use insula_model::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use std::time::Duration;

/// Bodies up to this size pass freely: there can only be as many as connections.
const FREE_BYTES: u64 = 64 * 1024;
/// Room is counted in pieces of this size.
const PIECE_BYTES: u64 = 64 * 1024;

/// What is left of it.
#[derive(Clone)]
pub(crate) struct BodyRoom(Arc<Semaphore>);

impl BodyRoom {
    /// Room for `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        let pieces = usize::try_from(bytes / PIECE_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes room for a body of at most `bytes` until the permit is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when there is none now.
    pub(crate) fn take(&self, bytes: u64) -> Result<Option<OwnedSemaphorePermit>> {
        if bytes <= FREE_BYTES {
            return Ok(None);
        }
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX);
        let full = || {
            let retry_after = Duration::from_secs(1);
            Error::new(ErrorKind::Unavailable { retry_after }, "this node has no room for another large body now; try again")
        };
        self.0.clone().try_acquire_many_owned(pieces).map(Some).map_err(|_| full())
    }
}
