//! `[knowledge]`.

use std::num::{NonZeroU32, NonZeroU64};

use super::{section::section, value::choice};

choice! {
    /// What is done with instructions to a model that stand in a document.
    Instructions("neutralise, quarantine or report") {
        /// They are taken out, and the rest is kept.
        Neutralise,
        /// A document with a grave one is put aside.
        Quarantine,
        /// They are only told.
        Report,
    }
}

section! {
    /// What tenants hand in to be searched.
    Knowledge {
        /// Bytes of one document, as it is handed in; a larger one answers 413.
        document_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(32 * 1024 * 1024 - 1);
        /// Documents of one tenant; a further one answers 413.
        documents_per_tenant_max: u64 = 10_000;
        /// Bytes of all documents of one tenant, as they were handed in, those that are arriving included; one that would pass it answers 413.
        tenant_bytes_max: u64 = 10 * 1024 * 1024 * 1024;
        /// Chunks of all documents of one tenant; one that comes when there is no room answers 413, or 429 while others are read, and one that has too many after all fails.
        chunks_per_tenant_max: u64 = 200_000;
        /// Characters of one chunk, without the headings that lead it.
        chunk_characters_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_599);
        /// Characters at the end of a chunk that are said again at the beginning of the next, in whole sentences.
        chunk_overlap_characters_max: u32 = 200;
        /// What is done with instructions to a model that stand in a document: `neutralise` takes them out and keeps the rest, `quarantine` puts the whole document aside where one is grave, `report` only tells.
        instructions: Instructions = Instructions::Neutralise;
        /// Documents that this node reads at once; further ones wait.
        reading_max: u32 = 2;
        /// Time that reading one document may take, in a process of its own; then it fails.
        reading_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(59_999);
        /// Memory that the process may take in which one document is read.
        reading_memory_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(1024 * 1024 * 1024 - 1);
        /// Documents of one tenant that are read at once, over all nodes; further ones wait.
        reading_per_tenant_max: NonZeroU32 = NonZeroU32::MIN;
        /// Searches of one tenant that this node makes at once; further ones wait as requests do (`queue.depth_max`, `queue.wait_ms_max`), then answer 429.
        searches_per_tenant_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
        /// Bytes of all tenants' vectors that this node holds in memory; those that were not searched for longest are read again
        /// when they are.
        index_bytes_max: u64 = 256 * 1024 * 1024;
    }
}
