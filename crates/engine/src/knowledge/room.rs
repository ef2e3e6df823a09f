//! What is said to whoever hands in more than there is room for.

use std::time::Duration;

use insula_model::{Error, ErrorKind};
use insula_store::{DocumentsMax, Lacking};

use super::KnowledgeSettings;

/// When what is being read may have made room, or shown that there is none.
const READ_AFTER: Duration = Duration::from_secs(10);

/// How much a tenant may hand in.
pub(super) fn most(settings: &KnowledgeSettings) -> DocumentsMax {
    DocumentsMax {
        count: settings.documents_per_tenant_max,
        bytes: settings.tenant_bytes_max,
        chunks: settings.chunks_per_tenant_max,
    }
}

/// That it is too much, and what to do.
pub(super) fn refusal(lacking: Lacking, most: DocumentsMax) -> Error {
    let DocumentsMax { count, bytes, chunks } = most;
    let (kind, message) = match lacking {
        Lacking::Documents => {
            (ErrorKind::TooLarge, format!("this tenant may have {count} documents, of {bytes} bytes together; remove some"))
        }
        Lacking::Chunks => (
            ErrorKind::TooLarge,
            format!(
                "the documents of this tenant have all of the {chunks} chunks that they may have; remove some, or ask your operator"
            ),
        ),
        Lacking::ChunksTogether => (
            ErrorKind::TooLarge,
            format!(
                "these documents are expected to bring this tenant above the {chunks} chunks that it may have; hand in fewer at once, or \
                 remove some"
            ),
        ),
        Lacking::ChunksExpected => (
            ErrorKind::RateLimited { retry_after: READ_AFTER },
            format!(
                "documents that are being read are expected to take what is left of the {chunks} chunks that this tenant may have; hand \
                 this in again once they are read, or remove some"
            ),
        ),
    };
    Error::new(kind, message)
}
