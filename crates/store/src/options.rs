//! What a store is opened with.

use std::{path::PathBuf, time::Duration};

use insula_model::{Error, Result};

use crate::{
    PostgresUrl, QdrantOptions, RootKey,
    postgres::check_pgvector,
    vectors::{Embedded, Pgvector, Qdrant, VectorEngine},
};

/// Everything that a [`Store`](crate::Store) must be told.
#[derive(Debug)]
pub struct StoreOptions {
    /// The directory that holds all data of this node; created when absent.
    pub data_dir: PathBuf,
    /// The key that guards all other keys.
    pub root_key: RootKey,
    /// How many tenants' files may be open at once. Fewer where a third of the descriptor limit is less: a file takes two.
    pub tenants_open_max: usize,
    /// How much memory open tenant files may take together, in bytes.
    pub tenant_cache_bytes_max: u64,
    /// How long one journal segment is, in bytes.
    pub segment_bytes: u64,
    /// How much memory the vectors of all tenants' documents may take together, in bytes.
    pub index_bytes_max: u64,
    /// What searches vectors.
    pub vectors: VectorSearch,
}

/// What searches vectors.
#[derive(Debug, Clone, Default)]
pub enum VectorSearch {
    /// This process, from the tenants' own tables.
    #[default]
    Embedded,
    /// The shared database, with pgvector.
    Pgvector {
        /// So many vectors are always compared one by one.
        exact_max: usize,
    },
    /// A Qdrant beside it.
    Qdrant(QdrantOptions),
}

impl VectorSearch {
    /// The engine, over this database where nodes share one. Qdrant is not connected to yet: a node starts without it. A database that
    /// does not serve pgvector is refused here, before anything is asked of it. What is opened into memory may take `index_bytes_max`.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], with what to do, where it cannot be.
    pub(crate) async fn engine(
        &self,
        database: Option<&PostgresOptions>,
        index_bytes_max: u64,
    ) -> Result<Box<dyn VectorEngine>> {
        Ok(match (self, database) {
            (VectorSearch::Embedded, _) => Box::new(Embedded::new(index_bytes_max)),
            (VectorSearch::Qdrant(options), _) => Box::new(Qdrant::new(options)?),
            (VectorSearch::Pgvector { exact_max }, Some(database)) => {
                let client = database.url.connect(database.connect_max).await?;
                Box::new(Pgvector::new(&check_pgvector(&client).await?, *exact_max))
            }
            (VectorSearch::Pgvector { .. }, None) => {
                return Err(Error::invalid("pgvector searches a shared database, and there is none; choose another engine"));
            }
        })
    }
}

impl StoreOptions {
    /// The defaults, for data in `data_dir` guarded by `root_key`.
    pub fn new(data_dir: impl Into<PathBuf>, root_key: RootKey) -> Self {
        Self {
            data_dir: data_dir.into(),
            root_key,
            tenants_open_max: 2_000,
            tenant_cache_bytes_max: 256 * 1024 * 1024,
            segment_bytes: 32 * 1024 * 1024,
            index_bytes_max: INDEX_BYTES_MAX,
            vectors: VectorSearch::default(),
        }
    }
}

/// Everything that a [`Store`](crate::Store) must be told to join others.
#[derive(Debug)]
pub struct ClusterOptions {
    /// The database that all share.
    pub postgres: PostgresOptions,
    /// The key that guards all other keys: the same on every node.
    pub root_key: RootKey,
    /// How much memory the vectors of all tenants' documents may take together on this node, in bytes.
    pub index_bytes_max: u64,
    /// What searches vectors: the same on every node.
    pub vectors: VectorSearch,
}

/// So many vectors are compared one by one, where nobody says otherwise.
pub const EXACT_MAX: usize = 20_000;

/// Room for vectors in memory, where nobody says how much.
pub const INDEX_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How to use a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Where it is, for the role that the server logs in with.
    pub url: PostgresUrl,
    /// Where the key store is, if not in the same database.
    pub keys_url: Option<PostgresUrl>,
    /// Connections for requests, at once; a handful more serve the cluster's own work.
    pub connections_max: usize,
    /// How long a connection may take to be made, and a request may wait for one.
    pub connect_max: Duration,
    /// How long one statement may take.
    pub statement_max: Duration,
}
