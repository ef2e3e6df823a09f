//! What this node does with all tenants' documents.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use insula_ingest::child::Reader;
use insula_model::{RunKind, TenantId};
use insula_store::RunsMax;

use super::{
    embed::{Embedder, Hashing},
    fields::Fields,
    ingest,
    reading::Readers,
    stores,
};
use crate::{Engine, runs::Runner};

/// What makes vectors, and the work on documents that are not ready.
pub(crate) struct Library {
    pub(super) fields: Arc<Fields>,
    pub(super) embedder: Arc<dyn Embedder>,
    runner: Runner,
    emptying: Runner,
    /// What brings vectors to the engine that searches them.
    pub(super) settling: Runner,
}

impl Library {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self {
            fields: Arc::default(),
            embedder: Arc::new(Hashing),
            runner: Runner::new(RunKind::Document),
            emptying: Runner::new(RunKind::VectorStore),
            settling: Runner::new(RunKind::Vectors),
        }
    }

    /// There is a document to read, or a vector store to empty.
    pub fn wake(&self) {
        self.runner.wake();
        self.emptying.wake();
    }

    /// There are vectors to bring to their engine.
    pub fn wake_settling(&self) {
        self.settling.wake();
    }

    /// Takes up no further document, and lays down those under way.
    pub async fn stop(&self) {
        tokio::join!(self.runner.stop(), self.emptying.stop(), self.settling.stop());
    }

    /// A tenant is erased: nothing of it stays in memory.
    pub fn forget(&self, tenant: TenantId) {
        self.fields.retain(|known| known != tenant);
    }
}

/// Vector stores that this node empties at once.
const EMPTYING_MAX: u32 = 2;

impl Engine {
    /// Starts to read documents that were handed in, for as long as the engine lives. A process that only runs a command does not.
    /// `reader` knows the program that reads, and what it may take.
    pub fn start_reading(self: &Arc<Self>, reader: Reader) {
        let settings = &self.settings.knowledge;
        let most = RunsMax { runs: settings.reading_max, per_tenant: settings.reading_per_tenant_max };
        self.knowledge.runner.start(self, most, ingest::perform(Readers::new(reader, settings)));
        // One that waits for its time to come keeps no other from being emptied.
        let most = RunsMax { runs: EMPTYING_MAX, per_tenant: u32::MAX };
        self.knowledge.emptying.start(self, most, stores::perform());
        tokio::spawn(tidy(Arc::downgrade(self)));
    }
}

/// How long vectors and fields of a tenant that another node has erased may stay in this one's memory.
const TIDY_EVERY: Duration = Duration::from_secs(30);

async fn tidy(engine: Weak<Engine>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let Some(engine) = engine.upgrade() else { return };
        engine.knowledge.fields.retain(|home| engine.directory.has_home(home));
        engine.store.retain_documents(|home| engine.directory.has_home(home));
    }
}
