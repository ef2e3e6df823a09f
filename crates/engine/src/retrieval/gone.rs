//! Whether what an answer was made of is still there: an answer that is kept is given again only then.

use insula_model::{DocumentId, ErrorKind, Result, TenantScope};
use serde::Deserialize;

use crate::{Engine, knowledge};

/// Whether the tenant still has all of these documents.
///
/// # Errors
/// When the tenant's own data cannot be reached.
pub(crate) async fn all_there(engine: &Engine, scope: &TenantScope, documents: &[DocumentId]) -> Result<bool> {
    for document in documents {
        match knowledge::find(engine, scope, *document).await {
            Ok(_) => {}
            Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The documents that a response says it was made of. One that cannot be read is made of none of ours.
pub(crate) fn documents_of(response: &[u8]) -> Vec<DocumentId> {
    #[derive(Deserialize)]
    struct Answered {
        insula: Option<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        retrieval: Searched,
    }
    #[derive(Deserialize)]
    struct Searched {
        #[serde(default)]
        sources: Vec<Source>,
    }
    #[derive(Deserialize)]
    struct Source {
        document: String,
    }
    let told = serde_json::from_slice::<Answered>(response).ok().and_then(|answered| answered.insula);
    let sources = told.into_iter().flat_map(|told| told.retrieval.sources);
    sources.filter_map(|source| source.document.parse().ok()).collect()
}
