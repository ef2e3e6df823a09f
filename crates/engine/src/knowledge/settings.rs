//! Every bound of documents and searches, by name.

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
    /// Bytes of the text of one chunk.
    pub chunk_bytes_max: usize,
    /// Documents that this node reads at once.
    pub reading_max: u32,
    /// Documents of one tenant that are read at once, over all nodes.
    pub reading_per_tenant_max: u32,
    /// Bytes of all tenants' vectors that this node holds in memory.
    pub index_bytes_max: u64,
}

impl Default for KnowledgeSettings {
    fn default() -> Self {
        Self {
            document_bytes_max: 32 * 1024 * 1024,
            documents_per_tenant_max: 10_000,
            tenant_bytes_max: 10 * 1024 * 1024 * 1024,
            chunks_per_tenant_max: 200_000,
            chunk_bytes_max: 1_200,
            reading_max: 2,
            reading_per_tenant_max: 1,
            index_bytes_max: 256 * 1024 * 1024,
        }
    }
}
