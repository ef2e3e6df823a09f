//! Whether what an answer was made of is still there: an answer that is kept is given again only then.

use std::collections::BTreeMap;

use insula_model::{DocumentId, ErrorKind, Result, TenantScope};
use serde::Deserialize;

use super::Origin;
use crate::{Engine, knowledge};

/// Whether all of these documents are still there for this tenant: its own, and those of corpora that it may read. What is in a vector store
/// that was deleted or has expired is not, also before a run has removed it.
///
/// # Errors
/// When what is looked into cannot be reached.
pub(crate) async fn all_there(engine: &Engine, scope: &TenantScope, documents: &[Origin]) -> Result<bool> {
    let mut of_corpora: BTreeMap<&str, Vec<DocumentId>> = BTreeMap::new();
    let own: Vec<DocumentId> =
        documents.iter().filter(|origin| origin.corpus.is_none()).map(|origin| origin.document).collect();
    if !own.is_empty() {
        let withdrawn = engine.store.tenant(scope).await?.knowledge().await?.withdrawn(engine.clock.now()).await?;
        if withdrawn.iter().any(|document| own.contains(document)) {
            return Ok(false);
        }
    }
    for Origin { corpus, document } in documents {
        match corpus {
            Some(corpus) => of_corpora.entry(corpus).or_default().push(*document),
            None => {
                if is_there(knowledge::find(engine, scope, *document).await)?.is_none() {
                    return Ok(false);
                }
            }
        }
    }
    for (corpus, wanted) in of_corpora {
        let Some(granted) = is_there(engine.directory.granted_corpus(scope, corpus))? else { return Ok(false) };
        let Some(reader) = is_there(engine.store.corpus(&granted.grant).await)? else { return Ok(false) };
        let published = reader.knowledge().await?.published().await?;
        if !wanted.iter().all(|document| published.iter().any(|published| published.id == *document)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What was found; nothing where it is not there.
fn is_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// The documents that a response says it was made of. One that cannot be read is made of none of ours.
pub(crate) fn documents_of(response: &[u8]) -> Vec<Origin> {
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
        #[serde(default)]
        before: Vec<Source>,
    }
    #[derive(Deserialize)]
    struct Source {
        corpus: Option<String>,
        document: String,
    }
    let told = serde_json::from_slice::<Answered>(response).ok().and_then(|answered| answered.insula);
    let sources =
        told.into_iter().flat_map(|Told { retrieval: Searched { sources, before } }| sources.into_iter().chain(before));
    sources.filter_map(|Source { corpus, document }| Some(Origin { corpus, document: document.parse().ok()? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_says_what_it_was_made_of() {
        let document = DocumentId::from_bytes([3; 16]);
        let response = format!(
            r#"{{"output":[],"insula":{{"retrieval":{{"sources":[{{"document":"{document}","corpus":null}},{{"document":"{document}","corpus":"eu"}}],"before":[{{"document":"{document}","corpus":"us"}}]}}}}}}"#
        );
        let own = Origin { corpus: None, document };
        let of = |corpus: &str| Origin { corpus: Some(corpus.to_owned()), document };
        assert_eq!(documents_of(response.as_bytes()), [own, of("eu"), of("us")]);
        assert!(documents_of(b"{\"output\":[]}").is_empty());
    }
}
