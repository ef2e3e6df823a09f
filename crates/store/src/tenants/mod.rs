//! Tenants' own data: one file each, opened when it is needed and closed when others need the room.
//!
//! [`TenantFiles`] keeps a bounded number of files open. Each tenant has one slot whose async lock serialises opening,
//! closing and erasing its file; a [`Pin`](slot::Pin) keeps a file open while somebody works on it, and only unpinned files
//! are closed to make room. What may be asked of an open tenant is in [`TenantStore`]; no query there names the tenant.

mod batches;
mod blobs;
mod files;
mod homes;
mod idempotency;
mod knowledge;
mod place;
mod profile;
mod provider_credentials;
mod requests;
mod responses;
mod slot;
mod store;
mod stored_files;
mod traces;

#[cfg(test)]
mod tests;

pub use batches::{BatchRow, LineRow};
pub use blobs::{BlobReader, BlobWriter};
pub(crate) use files::{Bounds, PendingTraces, TenantFiles};
pub(crate) use homes::{Home, Homes};
pub(crate) use idempotency::state as idempotency_state;
pub use idempotency::{IdempotencyRow, IdempotencyState};
pub(crate) use knowledge::raise_epoch;
pub use knowledge::{
    Attached, ChunkText, ChunkVector, Corpus, DocumentRow, DocumentsMax, FileBatchRow, Knowledge, KnowledgeReader, Lacking,
    NewChunk, Posting, Publication, Published, PublishedDocument, SealedDetail, SealedPassage, Slice, StagedVector,
    StatusCount, TokenCount, VectorStoreRow, Within,
};
pub use profile::ProfileRow;
pub use provider_credentials::ProviderCredentialRow;
pub use requests::RequestRow;
pub use responses::{ResponseRow, ResponsesMax};
pub(crate) use store::Arriving;
pub use store::TenantStore;
pub use stored_files::{FilePage, FileRow, Room, Written};
pub(crate) use traces::finished_at;
