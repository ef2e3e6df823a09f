//! What this node does with all tenants' documents.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use insula_ingest::child::Reader;
use insula_model::{Error, RunKind, TenantId};
use insula_providers::Providers;
use insula_store::{RunsMax, Space};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    KnowledgeSettings, anew,
    embed::{Embedder, Embedders},
    fields::Fields,
    ingest,
    reading::Readers,
    stores,
};
use crate::{Engine, directory::TenantEntry, runs::Runner};

/// How often it is asked at most that a tenant's documents are embedded anew.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// Tenants of which that is remembered; of more it is asked more often.
const ASKED_MAX: usize = 10_000;
/// Runs of which failures in a row are remembered; those of more begin with short pauses again.
const FAILING_MAX: usize = 10_000;

/// What makes vectors, and the work on documents that are not ready.
pub(crate) struct Library {
    pub(super) fields: Arc<Fields>,
    pub(super) embedders: Embedders,
    reading: Runner,
    embedding: Runner,
    emptying: Runner,
    /// What brings vectors to the engine that searches them.
    pub(super) settling: Runner,
    /// How errors look to a caller.
    status_of: OnceLock<fn(&Error) -> u16>,
    /// How often in a row a run could not embed.
    failing: Mutex<HashMap<[u8; 16], u32>>,
    asked: Mutex<HashMap<TenantId, Instant>>,
}

impl Library {
    /// Holds nothing yet.
    pub fn new(settings: &KnowledgeSettings, providers: Arc<Providers>) -> Self {
        Self {
            fields: Arc::default(),
            embedders: Embedders::new(settings.local_models.clone(), settings.embedders.clone(), providers),
            reading: Runner::new(RunKind::Document),
            embedding: Runner::new(RunKind::Embedding),
            emptying: Runner::new(RunKind::VectorStore),
            settling: Runner::new(RunKind::Vectors),
            status_of: OnceLock::new(),
            failing: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// There is a document to read, or a vector store to empty.
    pub fn wake(&self) {
        self.reading.wake();
        self.emptying.wake();
    }

    /// There are vectors to bring to their engine.
    pub fn wake_settling(&self) {
        self.settling.wake();
    }

    /// There are chunks to embed anew.
    pub(super) fn wake_embedding(&self) {
        self.embedding.wake();
    }

    /// Takes up no further document, and lays down those under way.
    pub async fn stop(&self) {
        tokio::join!(self.reading.stop(), self.embedding.stop(), self.emptying.stop(), self.settling.stop());
    }

    /// A tenant is erased: nothing of it stays in memory.
    pub fn forget(&self, tenant: TenantId) {
        self.fields.retain(|known| known != tenant);
        self.asked.lock().remove(&tenant);
    }

    /// The status that an error has for a caller; before anything is served, that of a failure.
    pub(super) fn status_of(&self) -> fn(&Error) -> u16 {
        self.status_of.get().copied().unwrap_or(|_| 500)
    }

    /// How often in a row a run could not embed.
    pub(super) fn failures(&self, run: [u8; 16]) -> u32 {
        self.failing.lock().get(&run).copied().unwrap_or_default()
    }

    /// Notes that a run could not embed, or that it could.
    pub(super) fn note_failing(&self, run: [u8; 16], fails: bool) {
        let mut failing = self.failing.lock();
        match fails {
            true if failing.len() < FAILING_MAX || failing.contains_key(&run) => {
                let failures = failing.entry(run).or_default();
                *failures = failures.saturating_add(1);
            }
            true => {}
            false => drop(failing.remove(&run)),
        }
    }

    /// Whether it is time to ask again that a tenant's documents are embedded anew.
    pub(super) fn may_ask(&self, tenant: TenantId) -> bool {
        let (mut asked, now) = (self.asked.lock(), Instant::now());
        if asked.get(&tenant).is_some_and(|at| now.duration_since(*at) < ASKED_EVERY) {
            return false;
        }
        if asked.len() >= ASKED_MAX {
            asked.clear();
        }
        asked.insert(tenant, now);
        true
    }
}

/// Vector stores that this node empties at once.
const EMPTYING_MAX: u32 = 2;

impl Engine {
    /// Starts to read documents that were handed in, and to embed anew what another embedder is chosen for, for as long as the engine lives. A
    /// process that only runs a command does not. `reader` knows the program that reads, and what it may take; `status_of` the status that an error
    /// has for a caller.
    pub fn start_reading(self: &Arc<Self>, reader: Reader, status_of: fn(&Error) -> u16) {
        let (settings, library) = (&self.settings.knowledge, &self.knowledge);
        let _ = library.status_of.set(status_of);
        let most = RunsMax { runs: settings.reading_max, per_tenant: settings.reading_per_tenant_max };
        library.reading.start(self, most, ingest::perform(Readers::new(reader, settings)));
        library.embedding.start(self, RunsMax { runs: settings.embedding_anew_max, per_tenant: 1 }, anew::perform());
        // One that waits for its time to come keeps no other from being emptied.
        let most = RunsMax { runs: EMPTYING_MAX, per_tenant: u32::MAX };
        library.emptying.start(self, most, stores::perform());
        tokio::spawn(tidy(Arc::downgrade(self)));
    }

    /// The name of the embedder that is chosen for a tenant.
    pub(crate) fn chosen_embedder_name<'a>(&'a self, tenant: &'a TenantEntry) -> &'a str {
        tenant.embedder.as_deref().unwrap_or(&self.settings.knowledge.embedder)
    }

    /// The embedder that is chosen for a tenant's documents, or for a corpus's; `None` where there is none of that name. Nobody pays for a
    /// corpus, so none is for it that costs anything.
    pub(super) fn chosen_embedder(&self, home: TenantId) -> Option<Arc<dyn Embedder>> {
        let now = self.clock.now();
        match self.directory.tenant(home) {
            Some(tenant) => self.knowledge.embedders.named(self.chosen_embedder_name(&tenant), now),
            None => {
                let chosen = self.knowledge.embedders.named(&self.settings.knowledge.corpus_embedder, now);
                chosen.filter(|embedder| !embedder.is_paid())
            }
        }
    }

    /// What makes the vectors of a space; `None` where it is not there any more.
    pub(super) fn embedder_of(&self, space: &Space) -> Option<Arc<dyn Embedder>> {
        self.knowledge.embedders.of_identity(&space.embedder, self.clock.now())
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
