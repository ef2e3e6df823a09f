//! Documents: what a tenant hands in to be searched.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a document stands. Only a ready one is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// It is kept, and waits for its turn.
    Queued,
    /// Its text is being read and cut into chunks.
    Reading,
    /// Its chunks are being embedded.
    Embedding,
    /// It can be searched.
    Ready,
    /// It could not be read; why is told with it.
    Failed,
    /// It was cancelled before it was read, with the other files of its batch.
    Cancelled,
}

impl DocumentStatus {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            DocumentStatus::Queued => "queued",
            DocumentStatus::Reading => "reading",
            DocumentStatus::Embedding => "embedding",
            DocumentStatus::Ready => "ready",
            DocumentStatus::Failed => "failed",
            DocumentStatus::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        matches!(self, DocumentStatus::Ready | DocumentStatus::Failed | DocumentStatus::Cancelled)
    }
}

/// What texts wait for that are to be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingWait {
    /// A budget is used up: for its next window, or for a larger cap.
    Budget,
    /// A limit on pace, the tenant's own or the provider's.
    Pace,
    /// The embedder's provider fails, or cannot be reached.
    Provider,
    /// The embedder is not there, or may not serve this tenant: its operator has to look.
    Embedder,
    /// The tenant is suspended.
    Suspended,
    /// What searches vectors does not have all that were made.
    Vectors,
}

impl EmbeddingWait {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            EmbeddingWait::Budget => "budget",
            EmbeddingWait::Pace => "pace",
            EmbeddingWait::Provider => "provider",
            EmbeddingWait::Embedder => "embedder",
            EmbeddingWait::Suspended => "suspended",
            EmbeddingWait::Vectors => "vectors",
        }
    }
}
