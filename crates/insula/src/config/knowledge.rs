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
        /// What places the documents of tenants for whom nobody chose otherwise (`insula embedder set`, plans and segments): `lexical-hashing-1`, which is built in and knows only words; one of `[[embedders]]`; or a model of the price book that can embed. Another choice than before embeds a tenant's documents anew when the tenant next searches or hands in, while the old vectors serve.
        embedder: String = insula_ingest::hashing::NAME.to_owned();
        /// What places the documents of reference corpora: `lexical-hashing-1`, or one of `[[embedders]]` with a `directory`. Nobody pays for a corpus, so it is no provider's model.
        corpus_embedder: String = insula_ingest::hashing::NAME.to_owned();
        /// Tenants whose documents this node embeds anew at once; further ones wait.
        embedding_anew_max: u32 = 2;
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
        /// when they are. One tenant's of more are read for each search: `chunks_per_tenant_max` chunks of 384 numbers take some 310 MB,
        /// and half as much again where there is room for a graph.
        index_bytes_max: u64 = 512 * 1024 * 1024;
    }
}
