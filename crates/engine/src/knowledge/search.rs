//! A search, from the question to what is found.
//!
//! All of it sees one state of the tenant's documents: the epoch is read with everything else, so that what another node has changed
//! is seen, and nothing is found whose document is gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use insula_ingest::words;
use insula_model::{DocumentId, Error, ErrorKind, Result, TenantScope};
use insula_store::{ChunkText, Index, Reading, Space, TenantSeals};

use super::{
    Citation, Filter,
    detail::{Detail, Passage},
    embed::{Errand, Side},
    ingest::word_key,
    lexical,
    rank::{Question, Ranked, depth, rank},
};
use crate::{Engine, directory::TenantCredential};

/// Hits, where nobody says how many, and at most.
const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 50;
/// Characters of a question, and how many of its words are looked up.
const QUERY_CHARS_MAX: usize = 4_096;
const WORDS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    query: String,
    limit: usize,
    filter: Filter,
    reader: Option<String>,
    by: Option<TenantCredential>,
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
        Ok(Self { query, limit: limit as usize, filter, reader, by: None })
    }

    /// The same, asked with this credential of the tenant's: where the question has to be embedded at a cost, the budgets of its key count it too. Without one
    /// only the tenant's own do.
    #[must_use]
    pub fn with(self, credential: TenantCredential) -> Self {
        Self { by: Some(credential), ..self }
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

/// What a search comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// Whether the question could not be embedded, so that only what has its words is found.
    pub words_only: bool,
}

/// How often a question is embedded again because another space serves by then.
const SPACES_MAX: u32 = 3;

/// Searches a tenant's documents. Where the embedder's provider cannot be reached, what has the question's words is found all the same.
///
/// # Errors
/// When the tenant's own data cannot be reached. Where the question has to be embedded at a cost: [`ErrorKind::BudgetExceeded`], and
/// [`ErrorKind::RateLimited`] for the tenant's own pace.
pub async fn search(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask) -> Result<Found> {
    let seals = engine.store.seals(scope).await?;
    let asked: Vec<String> = words::tokens(&ask.query, None).collect();
    let mut seen = HashSet::new();
    let distinct = asked.iter().filter(|word| seen.insert(*word)).take(WORDS_MAX);
    let keys: Vec<i64> = distinct.map(|word| word_key(&seals, word)).collect();

    let (mut reading, vector) = read(engine, scope, ask).await?;
    let (corpus, index) = (reading.corpus(), Arc::clone(reading.index()));
    let counting = ask.filter.resolve(reading.knowledge(), &seals, ask.reader.as_deref()).await?;
    let terms = lexical::look_up(reading.knowledge(), corpus, &keys).await?;
    let near = match &vector {
        Some(vector) => reading.nearest(vector, counting.as_ref(), depth(ask.limit)).await?,
        None => Vec::new(),
    };
    let ranked = ranked(index, Question { near, terms, corpus, counting, limit: ask.limit }).await?;
    let chunks: Vec<u64> = ranked.iter().map(|ranked| ranked.chunk).collect();
    let texts = reading.knowledge().texts(&chunks).await?;
    // A tenant without documents lacks nothing.
    let words_only = vector.is_none() && reading.space().is_some();
    drop(reading);
    Ok(Found { hits: hits(ask, &seals, &asked.into_iter().collect(), &ranked, texts)?, words_only })
}

/// The documents as they stand, and where the question lies in the space that serves them.
async fn read(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask) -> Result<(Reading, Option<Vec<f32>>)> {
    let mut serving = engine.store.serving_space(scope).await?;
    for _ in 0..SPACES_MAX {
        // Before the snapshot: whoever makes vectors may be slow, and writes to the tenant's data.
        let vector = match &serving {
            Some(space) => embed(engine, scope, ask, space).await?,
            None => None,
        };
        let reading = engine.store.reading(scope).await?;
        if reading.space() == serving.as_ref() {
            return Ok((reading, vector));
        }
        // Another space serves by now.
        serving = reading.space().cloned();
    }
    // Whoever switches so often finds words.
    Ok((engine.store.reading(scope).await?, None))
}

/// Where the question lies in a space; `None` where its embedder cannot be reached, or is not there any more.
async fn embed(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask, space: &Space) -> Result<Option<Vec<f32>>> {
    let credential = match &ask.by {
        Some(credential) => credential.clone(),
        None => engine.directory.for_job(scope.tenant(), "search")?,
    };
    if let Err(error) = engine.embed_anew_if_chosen(&credential.tenant, space).await {
        // The next search asks again.
        tracing::warn!(%error, "it cannot be asked that documents are embedded anew");
    }
    let Some(embedder) = engine.embedder_of(space) else {
        tracing::warn!(
            embedder = space.embedder,
            "the embedder of a tenant's documents is not there; words are searched alone"
        );
        return Ok(None);
    };
    let errand = Errand::of_caller(engine, credential);
    match embedder.embed(&errand, Side::Query, vec![ask.query.clone()]).await {
        Ok(mut vectors) => Ok(vectors.pop().filter(|vector| vector.len() == space.dimension as usize)),
        Err(error) if is_of_embedder(&error) => {
            tracing::warn!(embedder = embedder.name(), %error, "a question cannot be embedded; words are searched alone");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether an error says that the embedder cannot be asked, and not that this caller may not.
fn is_of_embedder(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ProviderFailed
            | ErrorKind::ProviderTimeout
            | ErrorKind::ProviderRateLimited { .. }
            | ErrorKind::ProviderRejected(_)
            | ErrorKind::AnswerTooLarge
            | ErrorKind::Unavailable { .. }
            | ErrorKind::NoRoute
            | ErrorKind::ModelNotFound
            | ErrorKind::UnknownPrice
    )
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
