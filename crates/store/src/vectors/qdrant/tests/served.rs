//! What serves the cases: the peer, or a real server.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use insula_test_qdrant::{About, Peer};

use super::super::{QdrantOptions, proto::DeleteCollection, proto::ListCollections, wire::Wire};

/// Names a real server for the cases.
const VARIABLE: &str = "INSULA_TEST_QDRANT_URL";

/// A Qdrant for one case.
pub(crate) struct Served {
    url: String,
    prefix: String,
    /// Absent where it is a real server.
    pub(super) peer: Option<Peer>,
}

impl Served {
    /// A real server, where one is named.
    pub(crate) fn real() -> Option<Self> {
        std::env::var(VARIABLE).ok().map(|url| Self { url, prefix: prefix(), peer: None })
    }

    /// A peer.
    pub(crate) async fn by_a_peer() -> Self {
        let peer = Peer::start().await;
        Self { url: peer.url(), prefix: prefix(), peer: Some(peer) }
    }

    /// How to reach it; nobody waits long for it.
    pub(crate) fn options(&self) -> QdrantOptions {
        let rest = Duration::from_millis(1);
        QdrantOptions { prefix: self.prefix.clone(), rest, ..QdrantOptions::new(&self.url) }
    }

    /// A peer looks through all that it was asked; of a real server what the case made goes.
    pub(crate) async fn ended(&self) {
        if let Some(peer) = &self.peer {
            peer.about();
            return;
        }
        let wire = Wire::new(&self.options()).unwrap();
        for listed in wire.administer(&ListCollections {}).await.unwrap().collections {
            if listed.name.starts_with(&self.prefix) {
                wire.remove(&DeleteCollection { collection: listed.name }).await.unwrap();
            }
        }
    }

    /// Whom the calls so far were about, the last of them last.
    pub(super) fn about(&self) -> Vec<(String, About)> {
        self.peer.as_ref().unwrap().about()
    }
}

/// A prefix of this case's own: real servers are shared by cases that run beside each other, and kept between runs.
fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
