//! What a store is opened with.

use std::{path::PathBuf, time::Duration};

use crate::{PostgresUrl, RootKey};

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
}

/// Room for vectors in memory, where nobody says how much.
pub const INDEX_BYTES_MAX: u64 = 256 * 1024 * 1024;

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
