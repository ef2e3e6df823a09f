//! `[vectors]`.

use super::{layers::Fault, section::section, storage::Storage, value::choice};

choice! {
    /// What searches the vectors of tenants' documents.
    VectorEngine("embedded or pgvector") {
        /// This node: vectors are opened from the tenant's own tables into memory.
        Embedded,
        /// The shared database, with the extension pgvector.
        Pgvector,
    }
}

section! {
    /// What searches the vectors of tenants' documents.
    Vectors {
        /// `embedded`: this node, in memory, from the tenant's own sealed tables. `pgvector`: the database of `storage.postgres_url`, which needs the extension and keeps vectors unsealed; `insula migrate` makes their tables. The same on every node. docs/vector-engines.md says what each is good for.
        engine: VectorEngine = VectorEngine::Embedded;
    }
}

impl Vectors {
    /// What cannot be, beside this storage.
    pub(super) fn fault(&self, storage: &Storage) -> Option<Fault> {
        if self.engine != VectorEngine::Pgvector || storage.is_shared() {
            return None;
        }
        Some(Fault {
            key: "vectors.engine".into(),
            says: "is \"pgvector\" without storage.postgres_url: embedded storage has no such database".into(),
            fix: "set storage.postgres_url as well (INSULA_POSTGRES_URL), or write \"embedded\"".into(),
        })
    }
}
