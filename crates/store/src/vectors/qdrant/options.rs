//! What the engine must be told.

use std::{fmt, path::PathBuf, time::Duration};

use insula_model::VectorCollection;

use super::wire::REST;

/// Chunks that are compared one by one, where nobody says how many.
const EXACT_MAX: usize = 20_000;

/// How to reach Qdrant, and how to use it. `Debug` does not show the API key.
#[derive(Clone)]
pub struct QdrantOptions {
    /// Its gRPC port, such as `http://qdrant:6334`; `https://` for TLS.
    pub url: String,
    /// What it asks for, if it does.
    pub api_key: Option<String>,
    /// Certificates to trust beside the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// What the names of this installation's collections begin with.
    pub prefix: String,
    /// How long a connection may take.
    pub connect_max: Duration,
    /// How long a search waits for it, before it is answered without.
    pub search_max: Duration,
    /// How long a change waits for it, before it is left for later.
    pub change_max: Duration,
    /// Chunks of a tenant that are compared one by one here where it cannot be asked about them. Opening 20,000 takes some 50 ms.
    pub exact_max: usize,
    /// For how long it is not asked after it did not answer.
    pub rest: Duration,
    /// Which collection a tenant's points are in where nothing is said for it.
    pub collection: VectorCollection,
}

impl QdrantOptions {
    /// With the usual bounds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            ca_file: None,
            prefix: "insula".to_owned(),
            connect_max: Duration::from_secs(1),
            search_max: Duration::from_millis(1_500),
            change_max: Duration::from_secs(10),
            exact_max: EXACT_MAX,
            rest: REST,
            collection: VectorCollection::Shared,
        }
    }
}

impl fmt::Debug for QdrantOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QdrantOptions").field("url", &self.url).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
