//! A document is read, embedded and shown: from the beginning, however often it is interrupted, and shown once.
//!
//! What was handed in is kept, and so are vectors that cost anything (`placing.rs`); all else is in memory alone up to the last step, which is one
//! transaction. So a kill at any point loses nothing and doubles nothing, but what a batch of vectors cost that was on its way.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use insula_ingest::words;
use insula_model::{DocumentId, DocumentStatus, EmbeddingWait, Error, ErrorKind, Result, TenantScope};
use insula_store::{DocumentRow, NewChunk, NewVector, Opener, Publication, Published, Run, Space, TenantSeals, TenantStore};

use super::{
    Trouble,
    detail::{Detail, Passage},
    embed::{AGAIN_WHEN_SUSPENDED, AGAIN_WITHOUT_MONEY, Errand},
    metadata::{open_facet, reader_facet},
    placing::{Placed, Placing},
    raw::{self, Raw},
    reading::{Handed, Readers},
    resting,
    settling::Intent,
};
use crate::{
    Engine,
    runs::{Laid, Perform, Stop, Watch},
};

/// Reads documents.
pub(super) fn perform(readers: Readers) -> Perform {
    let readers = Arc::new(readers);
    Arc::new(move |engine, run, watch| {
        let readers = Arc::clone(&readers);
        let work = async move |engine, run, watch| ingest(engine, readers, run, watch).await;
        Box::pin(resting::until_suspended(engine, run, watch, work))
    })
}

/// A document that is being read.
struct Reading {
    engine: Arc<Engine>,
    scope: TenantScope,
    store: TenantStore,
    seals: Arc<TenantSeals>,
    row: DocumentRow,
    detail: Detail,
}

async fn ingest(engine: Arc<Engine>, readers: Arc<Readers>, run: Run, watch: Watch) -> Result<Laid> {
    let scope = engine.directory.job_scope(run.tenant, "document")?;
    let (store, seals) = (engine.store.tenant(&scope).await?, engine.store.seals(&scope).await?);
    let id = DocumentId::from_bytes(run.id);
    let Some(row) = store.document(id).await? else { return Ok(Laid::without_row(&run, engine.clock.now())) };
    if row.status.is_over() {
        return Ok(Laid::Over);
    }
    let detail = Detail::open(&seals, id, &row.sealed_detail)?;
    let mut reading = Reading { engine, scope, store, seals, row, detail };
    let errand = match Errand::of_job(&reading.engine, run.tenant, "document") {
        Ok(errand) => errand,
        Err(error) if *error.kind() == ErrorKind::Suspended => {
            return reading.wait(&run, EmbeddingWait::Suspended, AGAIN_WHEN_SUSPENDED).await;
        }
        Err(error) => return Err(error),
    };
    if reading.has_no_prospect(&errand).await? {
        return reading.wait(&run, EmbeddingWait::Budget, AGAIN_WITHOUT_MONEY).await;
    }
    let passages = tokio::select! {
        passages = reading.read(&scope, &readers) => passages?,
        // Nothing is lost but what was done: it is read from the beginning.
        () = watch.wait() => return Ok(reading.laid(&watch)),
    };
    let Some(passages) = passages else { return Ok(Laid::Over) };
    reading.show(&run, &passages, &errand, &watch).await
}

impl Reading {
    /// What becomes of it where it goes no further.
    fn laid(&self, watch: &Watch) -> Laid {
        match watch.stop() {
            Some(Stop::Lost) => Laid::Lost,
            Some(_) => Laid::Until(self.engine.clock.now()),
            // The document is gone.
            None => Laid::Over,
        }
    }

    /// Its text in chunks; `None` where it cannot be read, or is gone.
    async fn read(&mut self, scope: &TenantScope, readers: &Readers) -> Result<Option<Vec<Passage>>> {
        if !self.tell(DocumentStatus::Reading, 0, 0).await? {
            return Ok(None);
        }
        let mut reader = match raw::open(&self.engine, scope, &self.store, &mut self.row, &self.detail).await? {
            Raw::There(reader) => reader,
            Raw::Missing(trouble) => return self.fail(trouble).await.map(|()| None),
            Raw::Gone => return Ok(None),
        };
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        let name = self.detail.file_name.as_ref().unwrap_or(&self.detail.name).clone();
        let chunking = self.detail.stored.and_then(|stored| stored.chunking);
        let outcome = readers.read(Handed { name, media_type: self.detail.media_type.clone(), bytes, chunking }).await?;
        (self.detail.report, self.detail.findings) = (outcome.report, outcome.findings);
        match outcome.passages {
            Ok(passages) => Ok(Some(passages)),
            Err(trouble) => self.fail(trouble).await.map(|()| None),
        }
    }

    /// Embeds and shows it.
    async fn show(&self, run: &Run, passages: &[Passage], errand: &Errand, watch: &Watch) -> Result<Laid> {
        let (engine, store, seals) = (&self.engine, &self.store, &self.seals);
        // Again where other spaces are searched by the time that it is embedded.
        loop {
            let failures = engine.knowledge.failures(run.id);
            let placing = Placing { engine, store, seals, document: self.row.id, errand, watch, failures };
            let vectors = match placing.place(passages).await? {
                Placed::Everywhere(vectors) => vectors,
                Placed::Later(what, wait) => return self.wait(run, what, wait).await,
                Placed::Stopped => return Ok(self.laid(watch)),
                Placed::Refused => {
                    let message = "the embedder refuses a part of the document; hand it in in another form".to_owned();
                    self.fail(Trouble { code: "embedding_refused".to_owned(), message }).await?;
                    return Ok(Laid::Over);
                }
            };
            engine.knowledge.note_failing(run.id, false);
            if self.publish(self.chunks(passages).await?, vectors).await? {
                return Ok(Laid::Over);
            }
        }
    }

    /// Lays it down: what was embedded is kept, the rest waits.
    async fn wait(&self, run: &Run, what: EmbeddingWait, wait: Duration) -> Result<Laid> {
        self.engine.knowledge.note_failing(run.id, true);
        self.store.note_document_waits(self.row.id, what).await?;
        Ok(Laid::Until(self.engine.clock.now().plus(wait)))
    }

    /// Whether it waits for money, and still would wait in vain: then it is not even read.
    async fn has_no_prospect(&self, errand: &Errand) -> Result<bool> {
        if self.row.waiting != Some(EmbeddingWait::Budget) {
            return Ok(false);
        }
        let spaces = self.store.known_spaces().await?;
        let embedders = match &spaces {
            Some(spaces) => spaces.iter().filter_map(|space| self.engine.embedder_of(space)).collect(),
            None => Vec::from_iter(self.engine.chosen_embedder(errand.home)),
        };
        Ok(embedders.iter().any(|embedder| !embedder.may_ask(errand)))
    }

    /// Its chunks as they are kept.
    async fn chunks(&self, passages: &[Passage]) -> Result<Vec<NewChunk>> {
        let (engine, seals, id) = (Arc::clone(&self.engine), Arc::clone(&self.seals), self.row.id);
        let passages = passages.to_vec();
        let seal = move || {
            let placed = (0..).zip(&passages);
            placed.map(|(place, passage)| seal_chunk(&engine, &seals, id, place, passage)).collect()
        };
        // Off the runtime's own threads: it takes long where there is much.
        tokio::task::spawn_blocking(seal).await.map_err(Error::internal)?
    }

    /// Shows all of it at once; false where it has to be embedded for other spaces.
    async fn publish(&self, chunks: Vec<NewChunk>, vectors: Vec<(Space, Vec<NewVector>)>) -> Result<bool> {
        let (engine, seals, settings) = (&self.engine, &self.seals, &self.engine.settings.knowledge);
        let publication = Publication {
            document: self.row.id,
            chunks,
            vectors,
            facets: facets(&self.detail, seals),
            changed_at: engine.clock.now(),
            sealed_detail: self.detail.seal(engine, seals, self.row.id)?,
        };
        let intent = Intent::note(engine, self.scope.tenant()).await?;
        let published = self.store.publish_document(publication, settings.chunks_per_tenant_max).await?;
        if let Some(intent) = intent {
            // Others wait for this place: what it does not get done goes on beside.
            intent.fulfil_soon(engine, self.scope).await;
        }
        match published {
            Published::Shown(epoch) => tracing::info!(document = %self.row.id, epoch, "a document can be searched"),
            Published::Gone => tracing::debug!(document = %self.row.id, "a document was removed while it was read"),
            Published::OtherSpaces => return Ok(false),
            Published::NoRoom => {
                let most = settings.chunks_per_tenant_max;
                let message = format!("the tenant's documents would have more than {most} chunks; remove some");
                self.fail(Trouble { code: "too_many_chunks".to_owned(), message }).await?;
            }
        }
        Ok(true)
    }

    /// Tells how far it is; false where it is gone.
    async fn tell(&self, status: DocumentStatus, total: u64, done: u64) -> Result<bool> {
        self.store.note_document(self.row.id, status, total, done, self.engine.clock.now()).await
    }

    async fn fail(&self, trouble: Trouble) -> Result<()> {
        tracing::info!(document = %self.row.id, code = trouble.code, "a document cannot be searched");
        let detail = Detail { trouble: Some(trouble), ..self.detail.clone() };
        let sealed = detail.seal(&self.engine, &self.seals, self.row.id)?;
        self.store.fail_document(self.row.id, &sealed, self.engine.clock.now()).await
    }
}

/// What a document is looked up by: the values of its fields, and who may see it.
pub(super) fn facets(detail: &Detail, seals: &TenantSeals) -> Vec<i64> {
    let mut facets = detail.metadata.facets(seals);
    match detail.access.as_slice() {
        [] => facets.push(open_facet(seals)),
        readers => facets.extend(readers.iter().map(|reader| reader_facet(seals, reader))),
    }
    facets
}

/// A chunk as it is kept.
fn seal_chunk(engine: &Engine, seals: &TenantSeals, document: DocumentId, place: u64, passage: &Passage) -> Result<NewChunk> {
    let mut often: BTreeMap<String, u64> = BTreeMap::new();
    for word in words::tokens(&passage.searched(), None) {
        *often.entry(word).or_default() += 1;
    }
    let tokens = often.values().sum();
    let postings = often.iter().map(|(word, often)| (word_key(seals, word), *often)).collect();
    Ok(NewChunk { tokens, sealed_text: passage.seal(engine, seals, document, place)?, postings })
}

/// What a word is looked up by.
pub(super) fn word_key(opener: &Opener, word: &str) -> i64 {
    opener.index_key(&[b"word", word.as_bytes()])
}
