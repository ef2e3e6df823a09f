//! Where a search looks: a tenant's own documents, and the reference corpora that it may read.
//!
//! Each is looked into by itself and held no longer than that takes: a corpus is read by many tenants at once, and on a file each
//! reader waits for the one before. What was found is then ranked as if it stood in one place (`rank.rs`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use insula_model::{CorpusId, DocumentId, Error, ErrorKind, ReferenceCorpus, Result, TenantScope, Timestamp};
use insula_store::{ChunkText, KnowledgeReader, Near, Reading};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Ask,
    fields::Fields,
    ingest::word_key,
    lexical::{self, Statistics},
    profile::profile,
    question::{Place, Questions},
    rank::{Found, depth},
};
use crate::{Engine, directory::GrantedCorpus};

/// Corpora that a search may name.
const NAMED_MAX: usize = 32;

/// Shelves that one search looks into at the same time.
const AT_ONCE: usize = 4;

/// Whose a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The tenant's own.
    Tenant,
    /// That of a reference corpus.
    Corpus(Arc<ReferenceCorpus>),
}

/// Which corpora a search looks into, beside the tenant's own documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CorporaChoice {
    /// Those of the jurisdictions in the tenant's profile; where it names none, all that the tenant may read.
    #[default]
    Profile,
    /// All that the tenant may read.
    All,
    /// These, by name or id.
    Named(Vec<String>),
}

/// What is asked of each shelf.
pub(super) struct Asked {
    /// What is asked.
    pub ask: Ask,
    /// All words of the question, each once.
    pub words: HashSet<String>,
    /// Those that are looked up.
    pub looked_up: Vec<String>,
    /// Where it lies, in each space that is searched.
    pub questions: Questions,
    /// What is known of documents' fields.
    pub fields: Arc<Fields>,
    /// When it is asked.
    pub now: Timestamp,
}

/// One place where a search looks.
#[derive(Clone)]
pub(super) struct Shelf {
    /// Whose texts stand there.
    pub source: Source,
    /// What reads there.
    pub reader: KnowledgeReader,
}

impl Shelf {
    /// The end user on whose behalf it is searched. Corpora are read by whole tenants.
    pub fn end_user<'a>(&self, ask: &'a Ask) -> Option<&'a str> {
        matches!(self.source, Source::Tenant).then_some(ask.reader.as_deref()).flatten()
    }

    /// Whether it is a corpus's.
    pub fn is_corpus(&self) -> bool {
        self.source != Source::Tenant
    }

    /// How much stands there, and how often each word.
    pub async fn count(&self, reading: &mut Reading, asked: &Asked) -> Result<Statistics> {
        let keys = self.keys(asked);
        if self.end_user(&asked.ask).is_some()
            && let Some(counting) = self.counting(reading, asked).await?
        {
            let index = Arc::clone(reading.index());
            return Statistics::of_those_that_count(reading.knowledge(), &index, &counting, &keys).await;
        }
        let corpus = reading.corpus();
        Statistics::of(reading.knowledge(), corpus, &keys).await
    }

    /// The documents that count; all where absent.
    async fn counting(&self, reading: &mut Reading, asked: &Asked) -> Result<Option<HashSet<DocumentId>>> {
        let (home, opener, end_user) = (self.reader.home(), self.reader.opener(), self.end_user(&asked.ask));
        asked.ask.filter.resolve(&asked.fields, asked.now, home, reading.knowledge(), opener, end_user).await
    }

    /// What of it may answer the question, where words are as rare as `statistics` says.
    pub async fn find(&self, reading: &mut Reading, asked: &Asked, statistics: &Statistics) -> Result<Found> {
        let ask = &asked.ask;
        let counting = self.counting(reading, asked).await?;
        let postings = lexical::look_up(reading.knowledge(), &self.keys(asked), statistics).await?;
        let at = reading.space().map_or(Place::Nowhere, |space| asked.questions.place(space));
        let is_moved = matches!(at, Place::Unasked);
        let (near, by_words_alone) = match at {
            // A place without documents lacks nothing.
            Place::Nowhere => (Vec::new(), false),
            Place::Unknown | Place::Unasked => (Vec::new(), true),
            Place::At(vector) => self.near(reading, &vector, counting.as_ref(), depth(ask.limit)).await?,
        };
        let embedder = reading.space().map(|space| space.embedder.clone());
        Ok(Found { index: Arc::clone(reading.index()), embedder, near, by_words_alone, is_moved, postings, counting })
    }

    /// What lies near, and whether only words count because what searches vectors does not answer.
    async fn near(
        &self,
        reading: &mut Reading,
        vector: &[f32],
        counting: Option<&HashSet<DocumentId>>,
        limit: usize,
    ) -> Result<(Vec<Near>, bool)> {
        match reading.nearest(vector, counting, limit).await {
            // The tables are another place, and go on without.
            Err(error) if reading.is_searched_elsewhere() && matches!(error.kind(), ErrorKind::Unavailable { .. }) => {
                tracing::warn!(home = %self.reader.home(), %error, source = ?error.private_source(), "a search goes by words alone");
                Ok((Vec::new(), true))
            }
            near => Ok((near?, false)),
        }
    }

    /// These chunks, by their numbers, as far as they are still there.
    pub async fn texts(&self, chunks: &[u64]) -> Result<HashMap<u64, ChunkText>> {
        if chunks.is_empty() {
            return Ok(HashMap::new());
        }
        let texts = self.reader.knowledge().await?.texts(chunks).await?;
        Ok(texts.into_iter().map(|text| (text.chunk, text)).collect())
    }

    /// What each word is looked up by there.
    fn keys(&self, asked: &Asked) -> Vec<i64> {
        asked.looked_up.iter().map(|word| word_key(self.reader.opener(), word)).collect()
    }
}

/// The shelves of a search: the tenant's own first, then the corpora that are chosen, in order of their names.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a corpus that the tenant may not read, or that never was.
pub(super) async fn open(engine: &Engine, scope: &TenantScope, choice: &CorporaChoice) -> Result<Vec<Shelf>> {
    let mut shelves = vec![Shelf { source: Source::Tenant, reader: engine.store.knowledge_of(scope).await? }];
    for GrantedCorpus { grant, entry, .. } in chosen(engine, scope, choice).await? {
        match engine.store.corpus(&grant).await {
            Ok(reader) => shelves.push(Shelf { source: Source::Corpus(entry), reader }),
            // Erased a moment ago.
            Err(error) if *error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(shelves)
}

async fn chosen(engine: &Engine, scope: &TenantScope, choice: &CorporaChoice) -> Result<Vec<GrantedCorpus>> {
    if let CorporaChoice::Named(names) = choice {
        if names.len() > NAMED_MAX {
            return Err(Error::invalid(format!("a search names at most {NAMED_MAX} corpora")).at("corpora"));
        }
        let distinct: BTreeSet<&String> = names.iter().collect();
        let granted = distinct.into_iter().map(|name| engine.directory.granted_corpus(scope, name));
        let granted = granted.collect::<Result<Vec<_>>>().map_err(|error| error.at("corpora"))?;
        // By name and by id it is the same corpus.
        let named: BTreeMap<CorpusId, GrantedCorpus> = granted.into_iter().map(|granted| (granted.entry.id, granted)).collect();
        return Ok(named.into_values().collect());
    }
    let mut granted = engine.directory.granted_corpora(scope)?;
    // Most tenants may read none, and their profile is not looked at.
    if !granted.is_empty()
        && *choice == CorporaChoice::Profile
        && let Some(profile) = profile(engine, scope).await?
        && !profile.jurisdictions.is_empty()
    {
        granted.retain(|granted| profile.jurisdictions.contains(&granted.entry.jurisdiction));
    }
    Ok(granted)
}

/// Asks all shelves, some at a time; the answers in their order. A corpus that is erased meanwhile has nothing to say.
pub(super) async fn each<T, F>(shelves: &[Shelf], ask: impl Fn(usize, Shelf) -> F) -> Result<Vec<T>>
where
    T: Default + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for (n, shelf) in shelves.iter().enumerate() {
        let (is_corpus, work, room) = (shelf.is_corpus(), ask(n, shelf.clone()), Arc::clone(&room));
        asked.spawn(async move {
            let _turn = room.acquire().await;
            match work.await {
                Err(error) if is_corpus && *error.kind() == ErrorKind::NotFound => Ok((n, T::default())),
                answer => answer.map(|answer| (n, answer)),
            }
        });
    }
    let mut answers: Vec<T> = shelves.iter().map(|_| T::default()).collect();
    while let Some(answer) = asked.join_next().await {
        let (n, answer) = answer.map_err(Error::internal)??;
        answers[n] = answer;
    }
    Ok(answers)
}
