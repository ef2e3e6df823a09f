//! What was found for a request, for as long as that is under way.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use insula_model::{
    DocumentId,
    chat::{Cited, Found, Grounding, Retrieval},
};
use insula_providers::{Editor, WrongCitation};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{grounding::Ground, quotes::Plain};
use crate::knowledge::{Hit, Source};

/// What was found, and what became of it.
#[derive(Debug)]
pub(crate) struct Grounds {
    hits: Vec<Hit>,
    /// What the conversation before was made of.
    before: Vec<Origin>,
    /// Their texts as quotes are compared with them.
    plains: Vec<Plain>,
    /// The same as the answer tells it.
    pub(super) told: Arc<Retrieval>,
    /// The state of the documents that was searched.
    pub(super) epoch: u64,
    /// On whose behalf.
    reader: Option<String>,
    /// What the tenant says of itself, above what is found.
    pub(super) profile: Option<String>,
    pub(super) citations: WrongCitation,
    /// Whether calls of tools are taken out of the answer.
    pub(super) refuses_calls: bool,
    /// Whether marks are looked for: JSON has none.
    pub(super) reads_marks: bool,
    /// How the answer that is under way holds to it.
    tally: Mutex<Tally>,
}

/// How all choices of an answer hold to what was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    cited: u64,
    dropped: u64,
    repaired: u64,
    calls_removed: u64,
}

/// A document that an answer was made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The reference corpus that it is of; absent for one of the tenant's own.
    pub corpus: Option<String>,
    /// The document.
    pub document: DocumentId,
}

/// The reference corpus that a hit is of.
fn corpus(hit: &Hit) -> Option<String> {
    match &hit.source {
        Source::Tenant => None,
        Source::Corpus(corpus) => Some(corpus.name.to_string()),
    }
}

/// What the trace of a request has of the search before it: where, and no word of what stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalRecord {
    /// The state of the documents that was searched.
    pub epoch: u64,
    /// What was put before the model.
    pub sources: Vec<SourceRecord>,
    /// Citations that held.
    pub cited: u64,
    /// Those that did not, and were taken out.
    pub dropped: u64,
    /// Those that named another passage, and were set right.
    pub repaired: u64,
    /// Calls of tools that were taken out.
    pub tool_calls_removed: u64,
}

/// A passage that was put before a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The document.
    pub document: String,
    /// The reference corpus that it is of; absent for one of the tenant's own.
    pub corpus: Option<String>,
    /// Which passage of it, from 0.
    pub chunk: u64,
}

/// What else there is to a search.
#[derive(Default)]
pub(super) struct Terms {
    pub query: String,
    pub reader: Option<String>,
    pub epoch: u64,
    pub profile: Option<String>,
    pub citations: WrongCitation,
    pub refuses_calls: bool,
    pub reads_marks: bool,
    pub is_tool: bool,
    pub shows_texts: bool,
}

impl Grounds {
    pub(super) fn new(hits: Vec<Hit>, before: Vec<Origin>, terms: Terms) -> Self {
        let found = (1..).zip(&hits).map(|(number, hit)| Found {
            number,
            document: hit.document.to_string(),
            file: hit.origin.file.map(|file| file.to_string()),
            name: hit.origin.name.clone(),
            corpus: corpus(hit),
            attributes: if terms.shows_texts { hit.origin.attributes.clone() } else { BTreeMap::new() },
            chunk: hit.chunk,
            score: hit.score,
            text: if terms.shows_texts { hit.text.clone() } else { String::new() },
        });
        let told = Retrieval {
            query: terms.query,
            found: found.collect(),
            before: before.iter().map(|origin| (origin.corpus.clone(), origin.document.to_string())).collect(),
            is_tool: terms.is_tool,
            shows_texts: terms.shows_texts,
        };
        Self {
            plains: hits.iter().map(|hit| Plain::of(&hit.text)).collect(),
            // A call is refused where text was read that could ask for it.
            refuses_calls: terms.refuses_calls && !(hits.is_empty() && before.is_empty()),
            hits,
            before,
            told: Arc::new(told),
            epoch: terms.epoch,
            reader: terms.reader,
            profile: terms.profile,
            citations: terms.citations,
            reads_marks: terms.reads_marks,
            tally: Mutex::default(),
        }
    }

    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// The documents that the answer may hold text of.
    pub fn documents(&self) -> Vec<Origin> {
        let mut documents: Vec<Origin> =
            self.hits.iter().map(|hit| Origin { corpus: corpus(hit), document: hit.document }).collect();
        documents.extend(self.before.iter().cloned());
        documents.sort_unstable();
        documents.dedup();
        documents
    }

    /// What an answer depends on beside its request: the state of the documents, who reads, and what was found.
    pub fn identity(&self) -> (u64, [u8; 32]) {
        let mut hash = Sha256::new();
        hash.update([u8::from(self.reader.is_some())]);
        hash.update(Sha256::digest(self.reader.as_deref().unwrap_or_default()));
        hash.update(Sha256::digest(self.profile.as_deref().unwrap_or_default()));
        for hit in &self.hits {
            hash.update(hit.document.as_bytes());
            hash.update(hit.chunk.to_le_bytes());
        }
        (self.epoch, hash.finalize().into())
    }

    /// Looks where a quote stands: in the passage that is named, or in the first other one in which it does.
    pub(super) fn check(&self, number: Option<u64>, quote: &str) -> Option<(u64, Cited)> {
        let quote = Plain::of(quote);
        let named = number.and_then(|number| usize::try_from(number).ok()?.checked_sub(1)).filter(|at| *at < self.hits.len());
        let others = (0..self.hits.len()).filter(|at| Some(*at) != named);
        named.into_iter().chain(others).find_map(|at| {
            let within = self.plains[at].find(&quote)?;
            let (hit, citation) = (&self.hits[at], self.hits[at].cited(within)?);
            let number = at as u64 + 1;
            let cited = Cited {
                number,
                document: hit.document.to_string(),
                file: hit.origin.file.map(|file| file.to_string()),
                name: hit.origin.name.clone(),
                corpus: corpus(hit),
                quote: citation.quote,
                start: citation.span.start,
                end: citation.span.end,
                at: 0,
            };
            Some((number, cited))
        })
    }

    /// What holds an answer to this, one after the other.
    pub fn editor(self: &Arc<Self>) -> Editor {
        let grounds = self.clone();
        Editor::new(move || Box::new(grounds.begin()))
    }

    /// An answer begins anew: what came of an attempt before it counts for nothing.
    pub(super) fn begin(self: &Arc<Self>) -> Ground {
        *self.tally.lock() = Tally::default();
        Ground::new(self.clone())
    }

    /// One of the answers is at its end.
    pub(super) fn note(&self, grounding: &Grounding) {
        let mut tally = self.tally.lock();
        tally.cited += grounding.cited.len() as u64;
        tally.dropped += grounding.dropped;
        tally.repaired += grounding.repaired;
        tally.calls_removed += grounding.calls_removed;
    }

    /// For the trace.
    pub fn record(&self) -> RetrievalRecord {
        let Tally { cited, dropped, repaired, calls_removed } = *self.tally.lock();
        let source = |hit: &Hit| SourceRecord { document: hit.document.to_string(), corpus: corpus(hit), chunk: hit.chunk };
        RetrievalRecord {
            epoch: self.epoch,
            sources: self.hits.iter().map(source).collect(),
            cited,
            dropped,
            repaired,
            tool_calls_removed: calls_removed,
        }
    }

    /// In a few words, for the stage.
    pub fn summary(&self) -> String {
        let mut chunks: HashMap<DocumentId, usize> = HashMap::new();
        self.hits.iter().for_each(|hit| *chunks.entry(hit.document).or_default() += 1);
        format!("{} chunks of {} documents, epoch {}", self.hits.len(), chunks.len(), self.epoch)
    }
}
