//! The changes of all nodes, as shared storage and coordination tell of them.

use std::sync::Arc;

use insula_model::Result;
use insula_store::{Changes, Cluster, Coordination};
use tokio::{sync::watch, task::AbortHandle};

use super::source::{Asked, ChangeSource};

/// The other nodes.
pub(crate) struct Others {
    cluster: Cluster,
    coordination: Arc<Coordination>,
    /// Where coordination knows this node alone, storage carries the signal.
    _relay: Option<Relay>,
}

/// Ends with what it serves.
struct Relay(AbortHandle);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Others {
    pub(crate) fn new(cluster: Cluster, coordination: Arc<Coordination>) -> Self {
        let relay = (!coordination.is_shared()).then(|| {
            let (mut told, here) = (cluster.change_notices(), coordination.clone());
            let relay = tokio::spawn(async move {
                while told.next().await {
                    here.push_changes().await;
                }
            });
            Relay(relay.abort_handle())
        });
        Self { cluster, coordination, _relay: relay }
    }
}

impl ChangeSource for Others {
    fn latest(&self) -> Asked<'_, Result<u64>> {
        Box::pin(self.cluster.latest_change())
    }

    fn since(&self, generation: u64) -> Asked<'_, Result<Changes>> {
        Box::pin(self.cluster.changes_since(generation))
    }

    fn acknowledge(&self, generation: u64) -> Asked<'_, Result<()>> {
        Box::pin(self.cluster.acknowledge(generation))
    }

    fn all_have_seen(&self, generation: u64) -> Asked<'_, Result<bool>> {
        Box::pin(self.cluster.all_have_seen(generation))
    }

    fn push(&self) -> Asked<'_, ()> {
        Box::pin(async {
            if self.coordination.is_shared() {
                self.coordination.push_changes().await;
            } else if let Err(error) = self.cluster.announce_change().await {
                tracing::debug!(%error, "the other nodes could not be told of a change; they look before long");
            }
        })
    }

    fn pushes(&self) -> watch::Receiver<u64> {
        self.coordination.changes()
    }
}
