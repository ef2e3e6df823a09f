//! What is found in a store.

use std::{collections::HashMap, sync::Arc};

use insula_model::{Error, Result, VectorStoreId};

use super::super::{Ask, CorporaChoice, Filter, Hit, SCORE_MAX, search as search_documents};
use crate::{Engine, directory::TenantCredential};

/// Questions that are asked at once.
const QUERIES_MAX: usize = 8;

/// What is asked of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreAsk {
    /// The questions; what answers any of them is found.
    pub queries: Vec<String>,
    /// Chunks at most.
    pub limit: Option<u32>,
    /// Only files that are so.
    pub filter: Filter,
    /// Only chunks that answer so well, from 0 to 1.
    pub score_min: f64,
    /// The end user on whose behalf is asked, where the credential names none.
    pub reader: Option<String>,
}

/// Searches a store: what answers best first, each with a score from 0 to 1. That is the chunk's place among the others, not how much it
/// means the same: 1 for what is first by its words and by where it lies.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the tenant has no such store; [`insula_model::ErrorKind::Invalid`] where it has expired, or
/// naming what is wrong with the question.
pub async fn search(engine: &Arc<Engine>, credential: &TenantCredential, id: VectorStoreId, ask: StoreAsk) -> Result<Vec<Hit>> {
    if !(1..=QUERIES_MAX).contains(&ask.queries.len()) {
        return Err(Error::invalid(format!("ask 1 to {QUERIES_MAX} questions at once")).at("query"));
    }
    let filter = super::filter(engine, &credential.scope, &[id]).await?.and(ask.filter);
    let reader = credential.end_user.clone().or(ask.reader);
    let mut best: HashMap<(_, u64), Hit> = HashMap::new();
    let mut most = 0;
    for query in ask.queries {
        let asked = Ask::new(query, ask.limit, filter.clone(), reader.clone()).map_err(renamed)?;
        // No corpus is in a store.
        let asked = asked.within(CorporaChoice::Named(Vec::new())).with(credential.clone());
        let found = search_documents(engine, &credential.scope, &asked).await?;
        most = asked.limit();
        for hit in found {
            let hit = Hit { score: (hit.score / SCORE_MAX).min(1.0), ..hit };
            let known = best.entry((hit.document, hit.chunk)).or_insert_with(|| hit.clone());
            if known.score < hit.score {
                *known = hit;
            }
        }
    }
    let mut hits: Vec<Hit> = best.into_values().filter(|hit| hit.score >= ask.score_min).collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (a.document, a.chunk).cmp(&(b.document, b.chunk))));
    hits.truncate(most);
    Ok(hits)
}

/// What is wrong, by the name that it has here.
fn renamed(error: Error) -> Error {
    if error.param() == Some("limit") { error.at("max_num_results") } else { error }
}
