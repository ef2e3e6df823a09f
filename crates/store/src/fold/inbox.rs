//! How the rest of the store talks to the folder's thread.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use insula_model::{Error, ErrorKind, Result, TenantId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::pending::Pending;

/// What the folder is asked for.
pub(super) enum Request {
    /// Everything synced so far is to be in the ledger and the tenants' files.
    All,
    /// Everything synced so far is to be in the ledger.
    Ledger,
    /// This tenant's traces synced so far are to be in its file.
    Tenant(TenantId),
    /// Like `All`, and then no more.
    Stop,
}

/// A request and whom to tell.
pub(super) type Asked = (Request, oneshot::Sender<Result<()>>);

/// What the folder and its callers share.
#[derive(Default)]
pub(super) struct Inbox {
    asked: Mutex<State>,
    /// Traces that were read and wait to be written.
    pub(super) pending: Mutex<Pending>,
    /// The last record that was read.
    read_seq: AtomicU64,
}

#[derive(Default)]
struct State {
    requests: Vec<Asked>,
    /// No more requests are taken.
    closed: bool,
    /// Nobody is left to ask: the thread is to end without further writes.
    abandoned: bool,
}

impl Inbox {
    /// Leaves a request; the answer comes through the receiver.
    pub(super) fn ask(&self, request: Request) -> Result<oneshot::Receiver<Result<()>>> {
        let mut state = self.asked.lock();
        if state.closed {
            let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            return Err(Error::new(kind, "the server is stopping"));
        }
        state.closed = matches!(request, Request::Stop);
        let (answer, answered) = oneshot::channel();
        state.requests.push((request, answer));
        Ok(answered)
    }

    /// All requests so far.
    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().requests)
    }

    /// Whether there is something for the folder to look at.
    pub(super) fn has_work(&self) -> bool {
        let state = self.asked.lock();
        !state.requests.is_empty() || state.abandoned
    }

    /// Nobody is left to ask.
    pub(super) fn abandon(&self) {
        self.asked.lock().abandoned = true;
    }

    /// Whether nobody is left to ask.
    pub(super) fn is_abandoned(&self) -> bool {
        self.asked.lock().abandoned
    }

    /// Records up to `seq` were read.
    pub(super) fn set_read(&self, seq: u64) {
        self.read_seq.store(seq, SeqCst);
    }

    /// Whether no trace of this tenant up to record `latest` is missing from its file.
    pub(super) fn is_clear(&self, tenant: TenantId, latest: u64) -> bool {
        self.read_seq.load(SeqCst) >= latest && self.pending.lock().is_clear(tenant)
    }
}
