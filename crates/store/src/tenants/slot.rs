//! One tenant's place among the open files.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use insula_model::TenantId;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::query::Db;

/// Whether a tenant's file is open.
pub(super) enum State {
    Closed,
    Open(Db),
    /// Gone for good.
    Erased,
}

/// One tenant's slot. Whoever opens, closes or erases the file holds `state`; whoever holds the slot itself pins the file.
pub(super) struct Slot {
    pub(super) tenant: TenantId,
    state: Arc<Mutex<State>>,
    /// What the open file is believed to take in memory; 0 while it is closed.
    bytes: AtomicU64,
}

impl Slot {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self { tenant, state: Arc::new(Mutex::new(State::Closed)), bytes: AtomicU64::new(0) }
    }

    /// Waits until nobody else opens, closes or erases.
    pub(super) async fn state(&self) -> OwnedMutexGuard<State> {
        self.state.clone().lock_owned().await
    }

    /// The same without waiting.
    pub(super) fn try_state(&self) -> Option<OwnedMutexGuard<State>> {
        self.state.clone().try_lock_owned().ok()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets what the file takes; how much that was before.
    pub(super) fn set_bytes(&self, bytes: u64) -> u64 {
        self.bytes.swap(bytes, Ordering::Relaxed)
    }
}

/// An open tenant file. It is not closed to make room for others while this lives; erasing the tenant closes it all the
/// same, and the database then answers `NotFound`.
#[derive(Clone)]
pub(crate) struct Pin {
    pub(super) db: Db,
    pub(super) slot: Arc<Slot>,
}
