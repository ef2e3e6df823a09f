//! `[storage]`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use insula_store::PostgresUrl;

use super::{layers::Fault, secret_url::SecretUrl, section::section};

section! {
    /// Where the data lives.
    Storage {
        /// The data directory, made if it does not exist. A local file system: network file systems are refused. With `postgres_url` it holds no data, only `server.json`, by which commands find the node, and `root.key`; each node has its own.
        data_dir: PathBuf = PathBuf::from("data");
        /// The file of the root key, mode 0600. Default `root.key` in the data directory. Without it sealed content is lost: keep a copy elsewhere. Made if it does not exist; with `postgres_url` only by `insula migrate`, because all nodes need the same one.
        root_key_file: Option<PathBuf> = None;
        /// Tenants whose files are open at once; a third of the process's descriptor limit holds as well. Embedded storage only.
        tenants_open_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_999);
        /// Memory for the page caches of open tenants, bytes. Embedded storage only.
        tenant_cache_bytes_max: u64 = 256 * 1024 * 1024;
        /// PostgreSQL, which several nodes share, such as `postgres://insula_app:password@db:5432/insula?sslmode=require`; the data is embedded where it is absent. `insula migrate` makes the schemas first.
        postgres_url: Option<SecretUrl> = None;
        /// Another database for the key store, so that its backups can be kept apart and expire; the same one where it is absent.
        keys_postgres_url: Option<SecretUrl> = None;
        /// Certificates to trust beside the public ones, for TLS to PostgreSQL, PEM.
        postgres_ca_file: Option<PathBuf> = None;
        /// Connections of this node to each database. All nodes' together must stay below what the database allows.
        postgres_connections_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
        /// How long a connection to PostgreSQL may take, milliseconds.
        postgres_connect_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(2_999);
        /// How long one statement, or its wait for a lock, may take, milliseconds.
        postgres_statement_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
    }
}

impl Storage {
    /// Whether nodes share the data; else it is embedded in this one.
    pub fn is_shared(&self) -> bool {
        self.postgres_url.is_some()
    }

    /// The shared database that the configuration names; `None` where the data is embedded.
    ///
    /// # Errors
    /// What [`Config`](super::Config) refuses before anything else.
    pub fn shared(&self) -> insula_model::Result<Option<PostgresUrl>> {
        self.parsed(self.postgres_url.as_ref())
    }

    /// The database of the key store, where it is another one.
    ///
    /// # Errors
    /// As [`shared`](Self::shared).
    pub fn shared_keys(&self) -> insula_model::Result<Option<PostgresUrl>> {
        self.parsed(self.keys_postgres_url.as_ref())
    }

    fn parsed(&self, url: Option<&SecretUrl>) -> insula_model::Result<Option<PostgresUrl>> {
        url.map(|url| PostgresUrl::parse(url.expose(), self.postgres_ca_file.clone())).transpose()
    }

    /// What cannot be.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |key: &str, says: String, fix: &str| {
            faults.push(Fault { key: format!("storage.{key}"), says, fix: fix.into() });
        };
        let example = "write it such as postgres://insula_app:password@db:5432/insula?sslmode=require";
        for (key, url) in [("postgres_url", &self.postgres_url), ("keys_postgres_url", &self.keys_postgres_url)] {
            let Some(url) = url else { continue };
            if !matches!(url.scheme(), "postgres" | "postgresql") {
                wrong(key, "does not begin with postgres://".into(), example);
            } else if let Err(error) = self.parsed(Some(url)) {
                wrong(key, format!("cannot be used: {}", error.message()), example);
            }
        }
        if self.keys_postgres_url.is_some() && self.postgres_url.is_none() {
            wrong(
                "keys_postgres_url",
                "is set without storage.postgres_url: the key store of embedded storage lies in the data directory".into(),
                "set storage.postgres_url as well (INSULA_POSTGRES_URL), or remove storage.keys_postgres_url",
            );
        }
        faults
    }
}
