//! Every bound of documents and searches, by name.

use insula_ingest::{hashing, sanitise::Policy};

use super::embed::LocalModels;

/// Bounds of documents and searches. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct KnowledgeSettings {
    /// Bytes of one document, as it is handed in.
    pub document_bytes_max: u64,
    /// Documents of one tenant.
    pub documents_per_tenant_max: u64,
    /// Bytes of all documents of one tenant, as they were handed in.
    pub tenant_bytes_max: u64,
    /// Chunks of all documents of one tenant.
    pub chunks_per_tenant_max: u64,
    /// Characters of one chunk.
    pub chunk_characters_max: usize,
    /// Characters of a chunk's end that are said again at the beginning of the next.
    pub chunk_overlap_characters_max: usize,
    /// What is done with what is meant for a model.
    pub policy: Policy,
    /// Documents that this node reads at once.
    pub reading_max: u32,
    /// Documents of one tenant that are read at once, over all nodes.
    pub reading_per_tenant_max: u32,
    /// Searches of one tenant that run at once on this node.
    pub searches_per_tenant_max: u32,
    /// The name of what places documents of tenants for whom nobody chose otherwise.
    pub embedder: String,
    /// The name of what places the documents of reference corpora: one that costs nobody anything.
    pub corpus_embedder: String,
    /// Models of providers that an operator gave a name, or dimensions.
    pub embedders: Vec<ProviderModel>,
    /// Models that run in this process.
    pub local_models: LocalModels,
    /// Tenants whose documents this node embeds anew at once.
    pub embedding_anew_max: u32,
}

/// A model of a provider's as an embedder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderModel {
    /// The embedder's name.
    pub name: String,
    /// The model, as a request would name it.
    pub model: String,
    /// The numbers of a vector that are asked of it.
    pub dimensions: Option<u32>,
}

impl Default for KnowledgeSettings {
    fn default() -> Self {
        Self {
            document_bytes_max: 32 * 1024 * 1024,
            documents_per_tenant_max: 10_000,
            tenant_bytes_max: 10 * 1024 * 1024 * 1024,
            chunks_per_tenant_max: 200_000,
            chunk_characters_max: 1_600,
            chunk_overlap_characters_max: 200,
            policy: Policy::Neutralise,
            reading_max: 2,
            reading_per_tenant_max: 1,
            searches_per_tenant_max: 4,
            embedder: hashing::NAME.to_owned(),
            corpus_embedder: hashing::NAME.to_owned(),
            embedders: Vec::new(),
            local_models: LocalModels::default(),
            embedding_anew_max: 2,
        }
    }
}
