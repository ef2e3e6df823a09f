//! The configuration: one file per section, every key with its type, default and documentation in one place.
//!
//! [`Loaded::from`] puts flags over environment over file over defaults and refuses what cannot be, with the place and
//! the fix. `reference.rs` prints the document, `show.rs` what holds and where it came from.

mod batches;
mod bounds;
mod budgets;
mod cache;
mod coordination;
mod durability;
mod embedders;
mod file;
mod files;
mod knowledge;
mod layers;
mod log;
mod prices;
mod problem;
mod providers;
mod queue;
pub mod reference;
mod routing;
mod secret_url;
pub(crate) mod section;
mod server;
pub mod show;
mod storage;
pub(crate) mod value;
mod vectors;
mod webhooks;

use serde::{Deserialize, Serialize};

pub use batches::Batches;
pub use bounds::Bounds;
pub use budgets::Budgets;
pub use cache::Cache;
pub use coordination::Coordination;
pub use durability::{Durability, Mode};
pub use embedders::Embedder;
pub use files::Files;
pub use knowledge::{Instructions, Knowledge};
pub use layers::{Fault, Flag, Loaded, Origin, Sources};
pub use log::{Format, Log};
pub use prices::Prices;
pub use problem::{Problem, Problems};
pub use providers::{Isolation, Kind, Provider};
pub use queue::Queue;
pub use routing::Routing;
pub use secret_url::SecretUrl;
pub use server::Server;
pub use storage::Storage;
pub use vectors::{Collection, VectorEngine, Vectors};
pub use webhooks::Webhooks;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens and how it stops.
    pub server: Server,
    /// Where the data lives.
    pub storage: Storage,
    /// What nodes tell each other at once.
    pub coordination: Coordination,
    /// What survives a crash, and when.
    pub durability: Durability,
    /// The most of everything.
    pub bounds: Bounds,
    /// How spending is reserved.
    pub budgets: Budgets,
    /// What the answer cache may take.
    pub cache: Cache,
    /// What tenants upload.
    pub files: Files,
    /// How batches are run.
    pub batches: Batches,
    /// What tenants hand in to be searched.
    pub knowledge: Knowledge,
    /// What searches the vectors of tenants' documents.
    pub vectors: Vectors,
    /// What places texts among each other, beside what is built in and what the price book has.
    pub embedders: Vec<Embedder>,
    /// How products are told what happens.
    pub webhooks: Webhooks,
    /// How requests wait for their turn.
    pub queue: Queue,
    /// How failed attempts are followed by others, and which models are not tried at all.
    pub routing: Routing,
    /// The model providers.
    pub providers: Vec<Provider>,
    /// What models cost.
    pub prices: Prices,
    /// What is written to stderr.
    pub log: Log,
}

impl Config {
    /// What is well written but cannot be.
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.providers.iter().enumerate().flat_map(|(i, p)| p.faults(i)).collect();
        for (i, provider) in self.providers.iter().enumerate() {
            if self.providers[..i].iter().any(|earlier| earlier.name == provider.name) {
                let says = format!("is {:?}, as another provider's", provider.name);
                faults.push(Fault {
                    key: format!("providers.{i}.name"),
                    says,
                    fix: "give each provider a name of its own".into(),
                });
            }
        }
        faults.extend(self.embedders.iter().enumerate().flat_map(|(i, embedder)| embedder.faults(i)));
        for (i, embedder) in self.embedders.iter().enumerate() {
            if self.embedders[..i].iter().any(|earlier| earlier.name == embedder.name) {
                let says = format!("is {:?}, as another embedder's", embedder.name);
                let fix = "give each embedder a name of its own".into();
                faults.push(Fault { key: format!("embedders.{i}.name"), says, fix });
            }
        }
        faults.extend(self.fault_of_corpora());
        faults.extend(self.storage.faults());
        faults.extend(self.coordination.fault(&self.storage));
        faults.extend(self.cache.fault());
        faults.extend(self.vectors.faults(&self.storage));
        faults.extend(self.webhooks.fault());
        faults.extend(self.queue.fault());
        faults.extend(self.routing.fault());
        faults.extend(self.log.fault());
        faults
    }

    /// Where corpora are to be placed by what somebody would have to pay for.
    fn fault_of_corpora(&self) -> Option<Fault> {
        let chosen = &self.knowledge.corpus_embedder;
        let is_local = |embedder: &Embedder| embedder.name == *chosen && embedder.directory.is_some();
        if chosen == insula_ingest::hashing::NAME || self.embedders.iter().any(is_local) {
            return None;
        }
        Some(Fault {
            key: "knowledge.corpus_embedder".into(),
            says: format!("is {chosen:?}, which is neither built in nor one of [[embedders]] with a directory"),
            fix: "leave it out, or name a local model: nobody pays for a corpus".into(),
        })
    }
}
