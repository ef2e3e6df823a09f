//! What this node does with all tenants' documents.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use insula_ingest::child::Reader;
use insula_model::{RunKind, TenantState};
use insula_store::RunsMax;

use super::{
    embed::{Embedder, Hashing},
    ingest,
    reading::Readers,
};
use crate::{Engine, runs::Runner};

/// What makes vectors, and the work on documents that are not ready.
pub(crate) struct Library {
    pub(super) embedder: Arc<dyn Embedder>,
    runner: Runner,
}

impl Library {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self { embedder: Arc::new(Hashing), runner: Runner::new(RunKind::Document) }
    }

    /// There is a document to read.
    pub fn wake(&self) {
        self.runner.wake();
    }

    /// Takes up no further document, and lays down those under way.
    pub async fn stop(&self) {
        self.runner.stop().await;
    }
}

impl Engine {
    /// Starts to read documents that were handed in, for as long as the engine lives. A process that only runs a command does not.
    /// `reader` knows the program that reads, and what it may take.
    pub fn start_reading(self: &Arc<Self>, reader: Reader) {
        let settings = &self.settings.knowledge;
        let most = RunsMax { runs: settings.reading_max, per_tenant: settings.reading_per_tenant_max };
        self.knowledge.runner.start(self, most, ingest::perform(Readers::new(reader, settings)));
        tokio::spawn(tidy(Arc::downgrade(self)));
    }
}

/// How long vectors of a tenant that another node has erased may stay in this one's memory.
const TIDY_EVERY: Duration = Duration::from_secs(30);

async fn tidy(engine: Weak<Engine>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let Some(engine) = engine.upgrade() else { return };
        let is_there = |tenant| engine.directory.tenant(tenant).is_some_and(|entry| entry.record.state != TenantState::Erasing);
        engine.store.retain_documents(is_there);
    }
}
