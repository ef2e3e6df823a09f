//! What is found in a store.

use std::{collections::HashMap, sync::Arc};

use insula_model::{Error, Result, VectorStoreId};

use super::super::{Ask, CorporaChoice, Filter, Hit, SCORE_MAX, look as look_into, turns};
use crate::{Engine, RateView, directory::TenantCredential, pipeline};

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
/// means the same: 1 for what is first by its words and by where it lies. It counts as a request for each question.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] where the tenant has no such store; [`insula_model::ErrorKind::Invalid`] where it has expired, or
/// naming what is wrong with the question; [`insula_model::ErrorKind::RateLimited`] where a limit of the tenant's or its key's is reached,
/// or too many of its searches are under way.
pub async fn search(
    engine: &Arc<Engine>,
    credential: &TenantCredential,
    id: VectorStoreId,
    ask: StoreAsk,
) -> Result<(Vec<Hit>, Vec<RateView>)> {
    if !(1..=QUERIES_MAX).contains(&ask.queries.len()) {
        return Err(Error::invalid(format!("ask 1 to {QUERIES_MAX} questions at once")).at("query"));
    }
    let questions = u32::try_from(ask.queries.len()).map_err(Error::internal)?;
    let (turn, rates) = turns::admit(engine, &credential.tenant, credential.limited_subjects().collect(), questions).await?;
    // Waiting took its time.
    if credential.is_withdrawn() {
        return Err(pipeline::withdrawn());
    }
    let (engine, credential) = (Arc::clone(engine), credential.clone());
    let hits = turn.hold(async move { look(&engine, &credential, id, ask).await }).await?;
    Ok((hits, rates))
}

async fn look(engine: &Arc<Engine>, credential: &TenantCredential, id: VectorStoreId, ask: StoreAsk) -> Result<Vec<Hit>> {
    let filter = super::filter(engine, &credential.scope, &[id]).await?.and(ask.filter);
    let reader = credential.end_user.clone().or(ask.reader);
    let mut best: HashMap<(_, u64), Hit> = HashMap::new();
    let mut most = 0;
    for query in ask.queries {
        let asked = Ask::new(query, ask.limit, filter.clone(), reader.clone()).map_err(renamed)?;
        // No corpus is in a store.
        let asked = asked.within(CorporaChoice::Named(Vec::new())).with(credential.clone());
        let found = look_into(engine, &credential.scope, &asked).await?.hits;
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
