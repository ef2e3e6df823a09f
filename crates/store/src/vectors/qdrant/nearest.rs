//! The nearest chunks, as of one state of the tenant's tables.
//!
//! Qdrant is a step behind the tables or ahead of the snapshot, so it is asked for more than is wanted, and only what the snapshot
//! knows counts. Documents that are not there yet are compared one by one from their sealed vectors, so that a document is found from
//! the moment it is published, and one that was removed is not from the moment it is gone.

use std::{collections::HashSet, sync::Arc};

use insula_model::{DocumentId, Error, ErrorKind, Result};

use super::{
    Qdrant,
    guard::{Ask, Documents, Guard},
    names::Collection,
    outbox::{self, Home, Placed},
    wire::{REST, Trouble},
};
use crate::{
    TenantStore,
    query::Tx,
    tenants::Knowledge,
    vectors::{Index, Near, Nearest, exact_order, inner_product, spaces::open_vector},
};

/// Points that are asked for beyond those that are wanted, for those that the snapshot does not know.
const BEYOND: usize = 16;
/// Points that are asked for at most, where many of those that come do not count.
const ASKED_MAX: usize = 4_096;
/// Documents that one question names: each takes some 30 bytes of it.
const DOCUMENTS_MAX: usize = 5_000;
/// Sealed vectors that are read at once.
const PAGE: u32 = 512;

/// What a search works with.
struct Search<'a> {
    engine: &'a Qdrant,
    tenant: &'a TenantStore,
    index: &'a Index,
    ask: &'a Nearest,
    documents: Vec<DocumentId>,
    /// By document: whether what Qdrant says of it counts.
    settled: Vec<bool>,
}

/// The nearest of the chunks that count: as many as are wanted wherever so many count.
pub(super) async fn nearest(
    engine: &Qdrant,
    tenant: &TenantStore,
    snapshot: &mut Knowledge,
    index: &Arc<Index>,
    ask: &Nearest,
) -> Result<Vec<Near>> {
    let home = outbox::home(snapshot.tx()).await?;
    let noted = outbox::noted(snapshot.tx(), u32::MAX).await?;
    let noted: HashSet<DocumentId> = noted.into_iter().filter(|noted| !noted.is_ahead).map(|noted| noted.document).collect();
    let counts = |place: usize| ask.counts.as_ref().is_none_or(|counts| counts[place]);
    let documents: Vec<DocumentId> = index.documents().collect();
    let is_settled = |(place, id): (usize, &DocumentId)| counts(place) && home.is_some() && !noted.contains(id);
    let settled = documents.iter().enumerate().map(is_settled).collect();
    let search = Search { engine, tenant, index, ask, documents, settled };
    let waits = search.places(|document| counts(document) && !search.settled[document]);
    let there = search.places(|document| search.settled[document]);
    if home.is_none() && !waits.is_empty() {
        engine.is_due(tenant.tenant);
    }
    let (mut near, mut compared) = (Vec::new(), waits);
    if let Some(home) = home.filter(|_| !there.is_empty()) {
        let few = compared.len() + there.len() <= engine.exact_max;
        match search.asked(&home, there.len()).await {
            Ok(found) => {
                let is_whole = found.len() == there.len().min(ask.limit);
                if !is_whole {
                    tracing::warn!(tenant = %tenant.tenant, "the vector engine knows fewer chunks than the tables");
                    engine.lacks(tenant.tenant);
                }
                match (is_whole, few) {
                    (true, _) => near = found,
                    (false, true) => compared.extend(there),
                    // Not to be taken for all that there is.
                    (false, false) => return Err(unwritten()),
                }
            }
            Err(error) if *error.kind() == ErrorKind::Internal || !few => return Err(error),
            // It does not answer: few enough are compared here.
            Err(_) => compared.extend(there),
        }
    }
    if compared.len() <= engine.exact_max {
        compared.sort_unstable();
        near.extend(search.compared(snapshot.tx(), &compared).await?);
        near.sort_unstable_by(exact_order);
        near.truncate(ask.limit);
    } else if near.is_empty() {
        return Err(unwritten());
    }
    Ok(near)
}

fn unwritten() -> Error {
    let message = "this tenant's vectors are still being written to the vector engine; documents are found by their words until they are there";
    Error::new(ErrorKind::Unavailable { retry_after: REST }, message)
}

impl Search<'_> {
    /// The places of the index's entries whose document is one of those.
    fn places(&self, of: impl Fn(usize) -> bool) -> Vec<usize> {
        let entries = self.index.entries().iter().enumerate();
        entries.filter(|(_, entry)| of(entry.document as usize)).map(|(place, _)| place).collect()
    }

    /// What Qdrant says, of `there` chunks that it should have: more and more is asked for until enough of it counts.
    async fn asked(&self, home: &Home, there: usize) -> Result<Vec<Near>> {
        let wanted = self.ask.limit.min(there);
        let (collection, documents) = (self.collection(home), self.documents());
        let mut asked = self.ask.limit + BEYOND;
        let mut exact = false;
        loop {
            let mut found = Vec::new();
            let mut has_more = false;
            for documents in documents.slices() {
                let ask = Ask { space: self.index.space(), documents, vector: &self.ask.vector, limit: asked, exact };
                let (some, came) = self.query(&collection, ask).await?;
                has_more |= came >= asked;
                found.extend(some);
            }
            found.sort_unstable_by(exact_order);
            found.truncate(self.ask.limit);
            if found.len() >= wanted || exact && (!has_more || asked >= ASKED_MAX) {
                return Ok(found);
            }
            // Where it says that there is no more its index may have missed some: then all are compared over there.
            exact |= !has_more || asked >= ASKED_MAX;
            asked = (asked * 2).min(ASKED_MAX.max(self.ask.limit + BEYOND));
        }
    }

    /// The hits that count, and how many came.
    async fn query(&self, collection: &str, ask: Ask<'_>) -> Result<(Vec<Near>, usize)> {
        let guard = Guard::of(self.tenant.tenant);
        let answer = match self.engine.wire.send(&guard.query(collection.to_owned(), ask)).await {
            Err(Trouble::Missing) => return Ok((Vec::new(), 0)),
            answer => answer?,
        };
        let came = answer.result.len();
        let mut found = Vec::with_capacity(came);
        for hit in answer.result {
            let seen = guard.seen(&hit.payload)?;
            let Some(place) = self.index.place_of(seen.chunk) else { continue };
            let document = self.index.entries()[place].document as usize;
            let is_known = self.documents[document] == seen.document && seen.space == ask.space;
            if is_known && self.settled[document] {
                found.push(Near { chunk: seen.chunk, score: hit.score });
            }
        }
        Ok((found, came))
    }

    fn collection(&self, home: &Home) -> String {
        let dimension = self.ask.vector.len() as u64;
        self.engine.names.of(Collection::of(home.collection, self.tenant.tenant, dimension))
    }

    /// How the documents are named that count.
    fn documents(&self) -> Named {
        let of = |wanted: bool| {
            let documents = self.documents.iter().zip(&self.settled);
            documents.filter(|(_, settled)| **settled == wanted).map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let not = of(false);
        if not.is_empty() {
            return Named::All;
        }
        let these = of(true);
        if these.len() <= not.len() || not.len() > DOCUMENTS_MAX { Named::These(these) } else { Named::AllBut(not) }
    }

    /// The nearest of these entries, each compared with the question.
    async fn compared(&self, tx: &mut Tx, places: &[usize]) -> Result<Vec<Near>> {
        let mut near = Vec::new();
        for run in runs(places) {
            let entries = self.index.entries();
            let (mut first, end) = (entries[*run.start()].chunk, entries[*run.end()].chunk + 1);
            while first < end {
                let page = outbox::between(tx, self.index.space(), first, end, PAGE).await?;
                first = match page.last() {
                    Some(last) if page.len() == PAGE as usize => last.chunk + 1,
                    _ => end,
                };
                near.extend(self.open(page).await?);
                near.sort_unstable_by(exact_order);
                near.truncate(self.ask.limit);
            }
        }
        Ok(near)
    }

    /// Opens vectors and compares them, off the runtime's own threads.
    async fn open(&self, page: Vec<Placed>) -> Result<Vec<Near>> {
        let (seals, space, question) = (Arc::clone(&self.tenant.seals), self.index.space(), Arc::clone(&self.ask.vector));
        let open = move || {
            let near = page.into_iter().map(|Placed { chunk, document, place, sealed_vector }| {
                let vector = open_vector(&seals, space, document, place, &sealed_vector)?;
                Ok(Near { chunk, score: inner_product(&question, &vector) })
            });
            near.collect()
        };
        tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
    }
}

/// How a question names documents.
enum Named {
    All,
    These(Vec<DocumentId>),
    AllBut(Vec<DocumentId>),
}

impl Named {
    /// Filters that have all of them together.
    fn slices(&self) -> Vec<Documents<'_>> {
        match self {
            Named::All => vec![Documents::All],
            Named::AllBut(documents) => vec![Documents::AllBut(documents)],
            Named::These(documents) => documents.chunks(DOCUMENTS_MAX).map(Documents::Any).collect(),
        }
    }
}

/// Places that follow each other, each run once.
fn runs(places: &[usize]) -> Vec<std::ops::RangeInclusive<usize>> {
    let mut runs: Vec<std::ops::RangeInclusive<usize>> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(run) if *run.end() + 1 == *place => *run = *run.start()..=*place,
            _ => runs.push(*place..=*place),
        }
    }
    runs
}
