//! Work that goes on without its caller.

use serde::{Deserialize, Serialize};

/// Which work goes on without its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A batch's lines are sent.
    Batch,
    /// A document is read, embedded and published.
    Document,
    /// A vector store that is deleted, or whose time has come, is emptied.
    VectorStore,
    /// A tenant's vectors are brought to the engine that searches them.
    Vectors,
    /// A tenant's chunks are embedded anew.
    Embedding,
}

impl RunKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            RunKind::Batch => "batch",
            RunKind::Document => "document",
            RunKind::VectorStore => "vector_store",
            RunKind::Vectors => "vectors",
            RunKind::Embedding => "embedding",
        }
    }
}
