//! `[vectors]`.

use std::{num::NonZeroU64, path::PathBuf};

use super::{layers::Fault, section::section, storage::Storage, value::choice};

choice! {
    /// What searches the vectors of tenants' documents.
    VectorEngine("embedded, pgvector or qdrant") {
        /// This node: vectors are opened from the tenant's own tables into memory.
        Embedded,
        /// The shared database, with the extension pgvector.
        Pgvector,
        /// A Qdrant beside it.
        Qdrant,
    }
}

choice! {
    /// Which collection a tenant's vectors are in.
    Collection("shared or own") {
        /// One that tenants share.
        Shared,
        /// One of its own.
        Own,
    }
}

section! {
    /// What searches the vectors of tenants' documents.
    Vectors {
        /// `embedded`: this node, in memory, from the tenant's own sealed tables. `pgvector`: the database of `storage.postgres_url`, which needs the extension and keeps vectors unsealed; `insula migrate` makes their tables. `qdrant`: a Qdrant beside it, which keeps vectors unsealed. The same on every node. docs/vector-engines.md says what each is good for.
        engine: VectorEngine = VectorEngine::Embedded;
        /// With `qdrant`: the collection of tenants for whom neither they nor their segment nor their plan say otherwise: `shared` with others, or one of their `own`.
        collection: Collection = Collection::Shared;
        /// With `qdrant`: its gRPC port, such as `http://qdrant:6334`, or `https://` for TLS.
        qdrant_url: Option<String> = None;
        /// The environment variable that holds its API key, if it asks for one.
        qdrant_api_key_env: Option<String> = None;
        /// The file that holds its API key, instead of `qdrant_api_key_env`. Readable by its owner only.
        qdrant_api_key_file: Option<PathBuf> = None;
        /// Certificates to trust beside the public ones, for TLS to Qdrant, PEM.
        qdrant_ca_file: Option<PathBuf> = None;
        /// What the names of this installation's collections begin with: 1 to 32 of a-z, 0-9 and `_`. Installations that share a Qdrant need one each.
        qdrant_prefix: String = "insula".to_owned();
        /// How long a connection to Qdrant may take, milliseconds.
        qdrant_connect_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(999);
        /// How long a search waits for Qdrant before it goes on without, milliseconds. After three such calls in a row, or one without a connection, it is not asked for 5 seconds.
        qdrant_search_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(1_499);
        /// How long a change waits for Qdrant before it is left for later, milliseconds.
        qdrant_change_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
        /// Chunks of a tenant whose vectors are compared one by one on this node where Qdrant cannot be asked about them; a search among more goes by words alone, and says so.
        qdrant_exact_chunks_max: usize = 20_000;
    }
}

/// Characters of a prefix.
const PREFIX_CHARS_MAX: usize = 32;

impl Vectors {
    /// What cannot be, beside this storage.
    pub(super) fn faults(&self, storage: &Storage) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |key: &str, says: &str, fix: &str| {
            faults.push(Fault { key: format!("vectors.{key}"), says: says.into(), fix: fix.into() });
        };
        if self.engine == VectorEngine::Pgvector && !storage.is_shared() {
            let says = "is \"pgvector\" without storage.postgres_url: embedded storage has no such database";
            wrong("engine", says, "set storage.postgres_url as well (INSULA_POSTGRES_URL), or write another engine");
        }
        let is_wanted = self.engine == VectorEngine::Qdrant;
        match &self.qdrant_url {
            None if is_wanted => {
                wrong(
                    "engine",
                    "is \"qdrant\" without vectors.qdrant_url",
                    "set vectors.qdrant_url, such as http://qdrant:6334",
                );
            }
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                wrong("qdrant_url", "does not begin with http:// or https://", "write it such as http://qdrant:6334");
            }
            Some(url) if url.contains('@') || url.contains('?') => {
                let fix = "write it such as http://qdrant:6334; a key goes into qdrant_api_key_env";
                wrong("qdrant_url", "holds more than a host and a port", fix);
            }
            _ => {}
        }
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let prefix = &self.qdrant_prefix;
        if prefix.is_empty() || prefix.len() > PREFIX_CHARS_MAX || !prefix.chars().all(is_plain) {
            wrong("qdrant_prefix", "is no prefix", "write 1 to 32 of a-z, 0-9 and _, such as insula");
        }
        if self.qdrant_api_key_env.is_some() && self.qdrant_api_key_file.is_some() {
            wrong("qdrant_api_key_file", "stands beside qdrant_api_key_env", "keep one of the two");
        }
        faults
    }
}
