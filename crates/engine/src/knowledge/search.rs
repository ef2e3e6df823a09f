//! A search, from the question to what is found.
//!
//! In a tenant's own documents alone all of it sees one state of them: the epoch is read with everything else, so that what another node
//! has changed is seen, and nothing is found whose document is gone. Where corpora are looked into too, each place is visited for a
//! moment three times (how much stands there, what may answer, the texts), and what is gone by the last is passed over.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use insula_ingest::words;
use insula_model::{DocumentId, Error, FileId, Result, TenantScope, VectorStoreId};
use insula_store::ChunkText;
use serde_json::Value;

use super::{
    Citation, CorporaChoice, Filter, Source,
    detail::{Detail, Passage},
    lexical::Statistics,
    question::questions,
    rank::{Question, Ranked, rank},
    shelves::{self, Asked, Shelf},
};
use crate::{Engine, directory::TenantCredential, end_users::EndUser};

/// Hits, where nobody says how many, and at most.
const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 50;
/// Characters of a question, and how many of its words are looked up.
const QUERY_CHARS_MAX: usize = 4_096;
const WORDS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(super) query: String,
    pub(super) limit: usize,
    pub(super) filter: Filter,
    pub(super) reader: Option<String>,
    pub(super) by: Option<TenantCredential>,
    pub(super) end_user: Option<EndUser>,
    corpora: CorporaChoice,
}

impl Ask {
    /// Checks a question. On behalf of a `reader`, an end user, only what that one may see is found.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming the field that is wrong.
    pub fn new(query: String, limit: Option<u32>, filter: Filter, reader: Option<String>) -> Result<Self> {
        if query.trim().is_empty() || query.chars().count() > QUERY_CHARS_MAX {
            return Err(Error::invalid(format!("a question has 1 to {QUERY_CHARS_MAX} characters")).at("query"));
        }
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("a search finds 1 to {LIMIT_MAX} chunks")).at("limit"));
        }
        let corpora = CorporaChoice::default();
        Ok(Self { query, limit: limit as usize, filter, reader, by: None, end_user: None, corpora })
    }

    /// The same, asked with this credential of the tenant's: where the question has to be embedded at a cost, the budgets of its key count it too.
    /// Without one only the tenant's own do.
    #[must_use]
    pub fn with(self, credential: TenantCredential) -> Self {
        Self { by: Some(credential), ..self }
    }

    /// The same, and the budgets of the end user for whom it is asked count it too.
    #[must_use]
    pub(crate) fn paid_for(self, end_user: Option<EndUser>) -> Self {
        Self { end_user, ..self }
    }

    /// The same, looking into these corpora beside the tenant's own documents.
    #[must_use]
    pub fn within(self, corpora: CorporaChoice) -> Self {
        Self { corpora, ..self }
    }

    /// How many chunks are wanted.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

/// What is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Whose the text is.
    pub source: Source,
    /// In which document.
    pub document: DocumentId,
    /// Which chunk of it, from 0.
    pub chunk: u64,
    /// The chunk's text.
    pub text: String,
    /// How well it answers, beside others of the same search.
    pub score: f64,
    /// Where it stands.
    pub citation: Option<Citation>,
    /// What it is in.
    pub origin: Origin,
    /// The chunk as it is kept.
    pub(super) passage: Passage,
}

impl Hit {
    /// A citation of a part of its text.
    pub fn cited(&self, within: Range<usize>) -> Option<Citation> {
        Citation::at(self.document, &self.origin.name, &self.passage, within).checked(&self.passage)
    }

    /// A whole document of one passage, for tests.
    #[cfg(test)]
    pub(crate) fn of_text(number: u8, text: &str) -> Self {
        let (lead, map, place) = (String::new(), insula_ingest::sanitise::OffsetMap::default(), insula_ingest::Place::page(1));
        let passage = Passage { span: 0..text.len(), text: text.to_owned(), lead, map, place };
        let document = DocumentId::from_bytes([number; 16]);
        let source = Source::Tenant;
        let origin = Origin { name: format!("document {number}"), file: None, vector_store: None, attributes: BTreeMap::new() };
        Self { source, document, origin, text: text.to_owned(), chunk: 0, score: 1.0, citation: None, passage }
    }
}

/// What a hit is in, as whoever wrote it knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// What the document is called; for one in a vector store, what its file is called.
    pub name: String,
    /// The file that it was made of, where it is in a vector store.
    pub file: Option<FileId>,
    /// That store.
    pub vector_store: Option<VectorStoreId>,
    /// The document's fields.
    pub attributes: BTreeMap<String, Value>,
}

impl Origin {
    fn of(detail: &Detail) -> Self {
        Self {
            name: detail.name.clone(),
            file: detail.stored.map(|stored| stored.file),
            vector_store: detail.stored.map(|stored| stored.store),
            attributes: detail.metadata.to_json(),
        }
    }
}

/// What a search brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// The best chunks, the best first.
    pub hits: Vec<Hit>,
    /// Whether only words counted somewhere, because what searches vectors does not answer.
    pub by_words_alone: bool,
}

/// How often a search is made again because another space serves by then.
const SPACES_MAX: u32 = 3;

/// Searches a tenant's documents, and the corpora that are chosen. Without what makes or searches vectors it goes on: whoever asks for a word
/// of a document is better served with that than with nothing.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] for a corpus that the tenant may not read; when what is searched cannot be reached. Where the question
/// has to be embedded at a cost: [`insula_model::ErrorKind::BudgetExceeded`], and [`insula_model::ErrorKind::RateLimited`] for the tenant's own pace.
pub async fn look(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask) -> Result<Looked> {
    let shelves = shelves::open(engine, scope, &ask.corpora).await?;
    let mut words = HashSet::new();
    let mut looked_up: Vec<String> = words::tokens(&ask.query, None).filter(|word| words.insert(word.clone())).collect();
    looked_up.truncate(WORDS_MAX);
    let mut left = SPACES_MAX;
    loop {
        left -= 1;
        let questions = questions(engine, scope, ask, &shelves).await?;
        let (fields, now) = (Arc::clone(&engine.knowledge.fields), engine.clock.now());
        let (words, looked_up) = (words.clone(), looked_up.clone());
        let asked = Arc::new(Asked { ask: ask.clone(), words, looked_up, questions, fields, now });
        let (looked, is_moved) = match shelves.as_slice() {
            [own] => in_one(own, &asked).await?,
            several => in_several(several, &asked).await?,
        };
        // Whoever changes spaces so often finds words.
        if !is_moved || left == 0 {
            return Ok(looked);
        }
    }
}

/// All from one unchanging state, and whether another space serves than was asked for.
async fn in_one(own: &Shelf, asked: &Asked) -> Result<(Looked, bool)> {
    let mut reading = own.reader.reading().await?;
    let statistics = own.count(&mut reading, asked).await?;
    let found = own.find(&mut reading, asked, &statistics).await?;
    let (by_words_alone, is_moved) = (found.by_words_alone, found.is_moved);
    let mut ranked = ranked(Question { found: vec![found], statistics, limit: asked.ask.limit }).await?;
    ranked.truncate(asked.ask.limit);
    let chunks: Vec<u64> = ranked.iter().map(|ranked| ranked.chunk).collect();
    let texts: HashMap<u64, ChunkText> =
        reading.knowledge().texts(&chunks).await?.into_iter().map(|text| (text.chunk, text)).collect();
    drop(reading);
    let row = |ranked: &Ranked| texts.get(&ranked.chunk).ok_or_else(|| Error::internal("a chunk that is ranked is not there"));
    let hits = ranked.iter().map(|ranked| hit(own, asked, ranked, row(ranked)?)).collect::<Result<Vec<_>>>()?;
    Ok((Looked { hits: hits.into_iter().flatten().collect(), by_words_alone }, is_moved))
}

/// None is held while another is waited for: many tenants read a corpus.
async fn in_several(shelves: &[Shelf], asked: &Arc<Asked>) -> Result<(Looked, bool)> {
    let counts = shelves::each(shelves, |_, shelf| {
        let asked = Arc::clone(asked);
        async move { shelf.count(&mut shelf.reader.reading().await?, &asked).await }
    });
    let statistics = Arc::new(Statistics::sum(&counts.await?));
    let found = shelves::each(shelves, |_, shelf| {
        let (asked, statistics) = (Arc::clone(asked), Arc::clone(&statistics));
        async move { shelf.find(&mut shelf.reader.reading().await?, &asked, &statistics).await }
    });
    let found = found.await?;
    let by_words_alone = found.iter().any(|found| found.by_words_alone);
    let is_moved = found.iter().any(|found| found.is_moved);
    let question = Question { found, statistics: (*statistics).clone(), limit: asked.ask.limit };
    let mut left = ranked(question).await?;
    let mut hits = Vec::new();
    // Whatever is gone by now makes room for what comes next.
    while hits.len() < asked.ask.limit && !left.is_empty() {
        let next: Arc<[Ranked]> = left.drain(..left.len().min(asked.ask.limit - hits.len())).collect();
        let texts = shelves::each(shelves, |n, shelf| {
            let next = Arc::clone(&next);
            async move {
                let chunks: Vec<u64> = next.iter().filter(|ranked| ranked.shelf == n).map(|ranked| ranked.chunk).collect();
                shelf.texts(&chunks).await
            }
        });
        let texts = texts.await?;
        for ranked in &*next {
            if let Some(row) = texts[ranked.shelf].get(&ranked.chunk) {
                hits.extend(hit(&shelves[ranked.shelf], asked, ranked, row)?);
            }
        }
    }
    Ok((Looked { hits, by_words_alone }, is_moved))
}

/// Ranks off the runtime's own threads: it takes long where there is much.
async fn ranked(question: Question) -> Result<Vec<Ranked>> {
    tokio::task::spawn_blocking(move || rank(&question)).await.map_err(Error::internal)
}

/// A hit as it goes out; nothing where its document does not count after all.
fn hit(shelf: &Shelf, asked: &Asked, ranked: &Ranked, row: &ChunkText) -> Result<Option<Hit>> {
    let opener = shelf.reader.opener();
    let detail = Detail::open(opener, row.document, &row.sealed_detail)?;
    if !asked.ask.filter.admits(&detail, shelf.end_user(&asked.ask)) {
        tracing::error!(document = %row.document, "a document was looked up by a filter that does not admit it");
        return Ok(None);
    }
    let passage = Passage::open(opener, row.document, row.place, &row.sealed_text)?;
    let citation = Citation::of(row.document, &detail.name, &passage, &asked.words).checked(&passage);
    let (source, document, chunk, origin) = (shelf.source.clone(), row.document, row.place, Origin::of(&detail));
    Ok(Some(Hit { source, document, chunk, origin, text: passage.text.clone(), score: ranked.score, citation, passage }))
}
