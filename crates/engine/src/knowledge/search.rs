//! A search, from the question to what is found.
//!
//! All of it sees one state of the tenant's documents: the epoch is read with everything else, so that what another node has changed
//! is seen, and nothing is found whose document is gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use insula_ingest::words;
use insula_model::{DocumentId, Error, Result, TenantScope};
use insula_store::{ChunkText, Index, TenantSeals};

use super::{
    Citation, Filter,
    detail::{Detail, Passage},
    ingest::word_key,
    lexical,
    rank::{Question, Ranked, depth, rank},
};
use crate::Engine;

/// Hits, where nobody says how many, and at most.
const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 50;
/// Characters of a question, and how many of its words are looked up.
const QUERY_CHARS_MAX: usize = 4_096;
const WORDS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    query: String,
    limit: usize,
    filter: Filter,
    reader: Option<String>,
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
        Ok(Self { query, limit: limit as usize, filter, reader })
    }
}

/// What is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
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
}

/// Searches a tenant's documents.
///
/// # Errors
/// When the tenant's own data cannot be reached.
pub async fn search(engine: &Engine, scope: &TenantScope, ask: &Ask) -> Result<Vec<Hit>> {
    let seals = engine.store.seals(scope).await?;
    let asked: Vec<String> = words::tokens(&ask.query, None).collect();
    let mut seen = HashSet::new();
    let distinct = asked.iter().filter(|word| seen.insert(*word)).take(WORDS_MAX);
    let keys: Vec<i64> = distinct.map(|word| word_key(&seals, word)).collect();

    // Before the snapshot: whoever makes vectors may be slow.
    let vector = engine.knowledge.embedder.embed(vec![ask.query.clone()]).await?.pop().unwrap_or_default();
    let mut reading = engine.store.reading(scope).await?;
    let (corpus, index) = (reading.corpus(), Arc::clone(reading.index()));
    let counting = ask.filter.resolve(reading.knowledge(), &seals, ask.reader.as_deref()).await?;
    let terms = lexical::look_up(reading.knowledge(), corpus, &keys).await?;
    let near = reading.nearest(&vector, counting.as_ref(), depth(ask.limit)).await?;
    let ranked = ranked(index, Question { near, terms, corpus, counting, limit: ask.limit }).await?;
    let chunks: Vec<u64> = ranked.iter().map(|ranked| ranked.chunk).collect();
    let texts = reading.knowledge().texts(&chunks).await?;
    drop(reading);
    hits(ask, &seals, &asked.into_iter().collect(), &ranked, texts)
}

/// Ranks off the runtime's own threads: it takes long where there is much.
async fn ranked(index: Arc<Index>, question: Question) -> Result<Vec<Ranked>> {
    tokio::task::spawn_blocking(move || rank(&index, &question)).await.map_err(Error::internal)
}

fn hits(ask: &Ask, seals: &TenantSeals, asked: &HashSet<String>, ranked: &[Ranked], texts: Vec<ChunkText>) -> Result<Vec<Hit>> {
    let texts: HashMap<u64, ChunkText> = texts.into_iter().map(|text| (text.chunk, text)).collect();
    let mut hits = Vec::with_capacity(ranked.len());
    for Ranked { chunk, score } in ranked {
        let row = texts.get(chunk).ok_or_else(|| Error::internal("a chunk that is ranked is not there"))?;
        let detail = Detail::open(seals, row.document, &row.sealed_detail)?;
        if !ask.filter.admits(&detail, ask.reader.as_deref()) {
            tracing::error!(document = %row.document, "a document was looked up by a filter that does not admit it");
            continue;
        }
        let passage = Passage::open(seals, row.document, row.place, &row.sealed_text)?;
        let citation = Citation::of(row.document, &detail.name, &passage, asked).checked(&passage);
        hits.push(Hit { document: row.document, chunk: row.place, text: passage.text, score: *score, citation });
    }
    Ok(hits)
}
