//! `[coordination]`.

use std::path::PathBuf;

use super::{layers::Fault, secret_url::SecretUrl, section::section, storage::Storage};

section! {
    /// What nodes tell each other at once.
    Coordination {
        /// Redis, where several nodes count pace and concurrency together and hear of changes at once, such as `redis://:password@cache:6379/0`; `rediss://` for TLS. It keeps nothing that must survive. Where it is absent, each node counts for itself, so that several together let through several times a limit. While it is away, each node counts its share of a limit: the limit divided by the number of live nodes. Budgets hold either way.
        redis_url: Option<SecretUrl> = None;
        /// Certificates to trust beside the public ones, for TLS to Redis, PEM.
        redis_ca_file: Option<PathBuf> = None;
    }
}

impl Coordination {
    /// What cannot be, beside this storage.
    pub(super) fn fault(&self, storage: &Storage) -> Option<Fault> {
        let url = self.redis_url.as_ref()?;
        let wrong =
            |says: &str, fix: &str| Some(Fault { key: "coordination.redis_url".into(), says: says.into(), fix: fix.into() });
        if !matches!(url.scheme(), "redis" | "rediss" | "redis+unix") {
            return wrong("does not begin with redis:// or rediss://", "write it such as redis://:password@cache:6379/0");
        }
        if storage.postgres_url.is_none() {
            return wrong(
                "is set without storage.postgres_url: a node with embedded storage is alone and has nobody to count with",
                "set storage.postgres_url as well (INSULA_POSTGRES_URL), or remove coordination.redis_url",
            );
        }
        None
    }
}
