//! Reference corpora: documents that are no tenant's, such as laws. Operators keep them, tenants hold grants to read them.

use crate::{CorpusId, CorpusName, Jurisdiction, Name, TenantId, Timestamp};

/// A reference corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceCorpus {
    /// Its id.
    pub id: CorpusId,
    /// Its short name, unique among corpora.
    pub name: CorpusName,
    /// Its name for people.
    pub title: Name,
    /// Where what stands in it holds.
    pub jurisdiction: Jurisdiction,
    /// Whether it is being erased; it then answers as if it never existed.
    pub erasing: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

impl CorpusId {
    /// Where its documents are kept: a home like a tenant's, with a key and a place of its own, under the same sixteen bytes. No
    /// tenant has them, so nothing that a tenant's path, key or token can name leads there.
    pub const fn home(&self) -> TenantId {
        TenantId::from_bytes(*self.as_bytes())
    }

    /// The corpus that would have this home; whether there is one is another question.
    pub const fn of_home(home: TenantId) -> Self {
        Self::from_bytes(*home.as_bytes())
    }
}
