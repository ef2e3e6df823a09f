//! That something changed somewhere: a signal without content, for whoever keeps a copy of what is stored.

use tokio::sync::watch;

/// Signals within this process. Several in a row may be seen as one. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Changes {
    pub(super) fn signal(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
