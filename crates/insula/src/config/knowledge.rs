//! `[knowledge]`.

use std::num::{NonZeroU32, NonZeroU64};

use super::section::section;

section! {
    /// What tenants hand in to be searched.
    Knowledge {
        /// Bytes of one document, as it is handed in; a larger one answers 413.
        document_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(32 * 1024 * 1024 - 1);
        /// Documents of one tenant; a further one answers 413.
        documents_per_tenant_max: u64 = 10_000;
        /// Bytes of all documents of one tenant, as they were handed in; one that would pass it answers 413.
        tenant_bytes_max: u64 = 10 * 1024 * 1024 * 1024;
        /// Chunks of all documents of one tenant; a document that would pass it fails.
        chunks_per_tenant_max: u64 = 200_000;
        /// Bytes of the text of one chunk.
        chunk_bytes_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_199);
        /// Documents that this node reads at once; further ones wait.
        reading_max: u32 = 2;
        /// Documents of one tenant that are read at once, over all nodes; further ones wait.
        reading_per_tenant_max: NonZeroU32 = NonZeroU32::MIN;
        /// Bytes of all tenants' vectors that this node holds in memory; those that were not searched for longest are read again
        /// when they are.
        index_bytes_max: u64 = 256 * 1024 * 1024;
    }
}
