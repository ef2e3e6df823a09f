//! What searches vectors, as a test has it: each engine beside a node, with the Qdrant of a test's own where one is asked.

use std::sync::Arc;

use insula_test_qdrant::Peer;

use crate::cluster::Shared;
use crate::config::ServeConfig;
use crate::node::{Node, Setup};

/// What searches, and where a tenant's own tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// The node in its memory, over files.
    Files,
    /// The node in its memory, over a shared database.
    Tables,
    /// pgvector, in the shared database.
    Pgvector,
    /// A Qdrant, in a collection that tenants share, over files.
    QdrantShared,
    /// A Qdrant, in collections of the tenants' own, over a shared database.
    QdrantOwn,
}

/// A node, and the Qdrant that it asks, where it asks one.
pub struct Searching {
    /// The node; the first to go.
    pub node: Node,
    /// The Qdrant.
    pub peer: Option<Peer>,
}

impl Searched {
    /// A node of its own.
    pub async fn start(self) -> Searching {
        let peer = match self {
            Searched::QdrantShared | Searched::QdrantOwn => Some(Peer::start().await),
            Searched::Files | Searched::Tables | Searched::Pgvector => None,
        };
        let shared = match self {
            Searched::Files | Searched::QdrantShared => None,
            Searched::Tables | Searched::QdrantOwn => Some(Shared::create(None, None).await),
            Searched::Pgvector => Some(Shared::create(None, None).await.with_pgvector().await),
        };
        let lines = match self {
            Searched::Files | Searched::Tables => None,
            Searched::Pgvector => Some(pgvector()),
            Searched::QdrantShared => peer.as_ref().map(|peer| qdrant(peer, "shared")),
            Searched::QdrantOwn => peer.as_ref().map(|peer| qdrant(peer, "own")),
        };
        let config =
            ServeConfig { more: lines.map(|lines| ("vectors", lines)).into_iter().collect(), ..ServeConfig::default() };
        let mut setup = Setup::default().serve(config);
        if let Some(shared) = shared {
            setup = setup.shared(Arc::new(shared));
        }
        Searching { node: setup.start().await, peer }
    }
}

/// The lines of `[vectors]` with which pgvector searches.
pub fn pgvector() -> String {
    "engine = \"pgvector\"".to_owned()
}

/// The lines of `[vectors]` with which this Qdrant is asked, with tenants in collections of this pattern.
pub fn qdrant(peer: &Peer, collection: &str) -> String {
    format!("engine = \"qdrant\"\nqdrant_url = \"{}\"\ncollection = \"{collection}\"", peer.url())
}
