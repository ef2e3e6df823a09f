//! Vector stores, and files in them, as their tenant sees them.

use std::collections::BTreeMap;

use insula_model::{DocumentStatus, Error, FileBatchId, FileId, Result, Timestamp, VectorStoreId};
use insula_store::{DocumentRow, FileBatchRow, StatusCount, TenantSeals, TenantStore, VectorStoreRow, Within};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{Chunking, Trouble, detail::Detail},
    is_expired,
};
use crate::{Engine, directory::TenantCredential};

const VECTOR_STORES: &str = "vector_stores";
const DETAIL: &str = "detail";

/// What its tenant calls a store and says of it, as it is sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoreDetail {
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

impl StoreDetail {
    pub fn seal(&self, engine: &Engine, seals: &TenantSeals, id: VectorStoreId) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(seals.seal(VECTOR_STORES, DETAIL, id.as_bytes(), &plain, &*engine.random))
    }

    pub fn open(seals: &TenantSeals, id: VectorStoreId, sealed: &[u8]) -> Result<Self> {
        serde_json::from_slice(&seals.open(VECTOR_STORES, DETAIL, id.as_bytes(), sealed)?).map_err(Error::internal)
    }
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// Its id.
    pub id: VectorStoreId,
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The tenant's notes.
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to a minute.
    pub active_at: Timestamp,
    /// After how many days without use it expires.
    pub expires_days: Option<u32>,
    /// When that is.
    pub expires_at: Option<Timestamp>,
    /// Whether it has expired.
    pub is_expired: bool,
    /// The size of the files in it that can be searched, as they were uploaded.
    pub usage_bytes: u64,
    /// The files in it.
    pub files: FileCounts,
}

impl StoreView {
    pub(super) async fn of(row: VectorStoreRow, store: &TenantStore, seals: &TenantSeals, now: Timestamp) -> Result<Self> {
        let StoreDetail { name, description, metadata } = StoreDetail::open(seals, row.id, &row.sealed_detail)?;
        let is_expired = is_expired(&row, now);
        // What is not swept yet is gone nevertheless.
        let counts = if is_expired { Vec::new() } else { store.status_counts(Within::Store(row.id)).await? };
        let ready = counts.iter().filter(|count| count.status == DocumentStatus::Ready);
        Ok(Self {
            id: row.id,
            name,
            description,
            metadata,
            created_at: row.created_at,
            active_at: row.active_at,
            expires_days: row.expires_days,
            expires_at: row.expires_at,
            is_expired,
            usage_bytes: ready.map(|count| count.bytes).sum(),
            files: FileCounts::of(&counts),
        })
    }
}

/// How files stand, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Those that wait, or are being read.
    pub in_progress: u64,
    /// Those that can be searched.
    pub completed: u64,
    /// Those that cannot be read.
    pub failed: u64,
    /// Those that were cancelled before they were read.
    pub cancelled: u64,
}

impl FileCounts {
    pub(super) fn of(counts: &[StatusCount]) -> Self {
        let mut all = Self::default();
        for count in counts {
            match count.status {
                DocumentStatus::Queued | DocumentStatus::Reading | DocumentStatus::Embedding => {
                    all.in_progress += count.documents
                }
                DocumentStatus::Ready => all.completed += count.documents,
                DocumentStatus::Failed => all.failed += count.documents,
                DocumentStatus::Cancelled => all.cancelled += count.documents,
            }
        }
        all
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.in_progress + self.completed + self.failed + self.cancelled
    }
}

/// A file in a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreFileView {
    /// The file's id.
    pub file: FileId,
    /// Which store.
    pub store: VectorStoreId,
    /// What it is called.
    pub name: String,
    /// How it stands.
    pub status: DocumentStatus,
    /// Why it cannot be searched, where it cannot.
    pub trouble: Option<Trouble>,
    /// Its size, as it was uploaded.
    pub bytes: u64,
    /// To filter by.
    pub attributes: BTreeMap<String, Value>,
    /// The end users who may see it; all where nobody is named. An end user is told of no other.
    pub access: Vec<String>,
    /// How it is cut.
    pub chunking: Chunking,
    /// When it came into the store.
    pub created_at: Timestamp,
}

impl StoreFileView {
    /// `None` for a document that is in no store.
    pub(super) fn of(engine: &Engine, credential: &TenantCredential, row: &DocumentRow, detail: &Detail) -> Option<Self> {
        let stored = detail.stored?;
        let is_told = |named: &&String| credential.end_user.as_ref().is_none_or(|reader| reader == *named);
        Some(Self {
            file: stored.file,
            store: stored.store,
            name: detail.name.clone(),
            status: row.status,
            trouble: detail.trouble.clone(),
            bytes: row.bytes,
            attributes: detail.metadata.to_json(),
            access: detail.access.iter().filter(is_told).cloned().collect(),
            chunking: stored.chunking.unwrap_or_else(|| Chunking::usual(&engine.settings.knowledge)),
            created_at: row.created_at,
        })
    }
}

/// Files that came into a store together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBatchView {
    /// Its id.
    pub id: FileBatchId,
    /// Which store.
    pub store: VectorStoreId,
    /// Whether those that were not read yet were cancelled.
    pub is_cancelled: bool,
    /// When they came.
    pub created_at: Timestamp,
    /// The files, but for those that were taken out of the store again.
    pub files: FileCounts,
}

impl FileBatchView {
    pub(super) async fn of(row: FileBatchRow, store: &TenantStore) -> Result<Self> {
        let FileBatchRow { id, vector_store, is_cancelled, created_at } = row;
        let files = FileCounts::of(&store.status_counts(Within::Batch(id)).await?);
        Ok(Self { id, store: vector_store, is_cancelled, created_at, files })
    }
}
