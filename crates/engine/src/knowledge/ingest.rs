//! A document is read, embedded and shown: from the beginning, however often it is interrupted, and shown once.
//!
//! What was handed in is kept; everything up to the last step is in memory alone, and that step is one transaction. So a kill at any
//! point loses nothing and doubles nothing.

use std::{collections::BTreeMap, sync::Arc};

use insula_ingest::words;
use insula_model::{DocumentId, DocumentStatus, Error, Result, TenantScope};
use insula_store::{
    DocumentRow, NewChunk, NewVector, Opener, Publication, Published, Run, Space, Spaces, TenantSeals, TenantStore,
};

use super::{
    Trouble,
    detail::{Detail, Passage},
    metadata::{open_facet, reader_facet},
    raw::{self, Raw},
    reading::{Handed, Readers},
    resting,
    settling::Intent,
};
use crate::{
    Engine,
    runs::{Laid, Perform, Stop, Watch},
};

/// Chunks that are embedded at once.
const AT_ONCE: usize = 64;
/// After so many it is told how far the document is.
const TOLD_EVERY: usize = 256;

/// Reads documents.
pub(super) fn perform(readers: Readers) -> Perform {
    let readers = Arc::new(readers);
    Arc::new(move |engine, run, watch| {
        let readers = Arc::clone(&readers);
        let work = async move |engine, run, watch| ingest(engine, readers, run, watch).await;
        Box::pin(resting::unless_suspended(engine, run, watch, work))
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
    let passages = tokio::select! {
        passages = reading.read(&scope, &readers) => passages?,
        // Nothing is lost but what was done: it is read from the beginning.
        () = watch.wait() => return Ok(reading.laid(&watch)),
    };
    let Some(passages) = passages else { return Ok(Laid::Over) };
    // Again where other spaces are searched by the time that it is embedded.
    loop {
        let embedder = &*reading.engine.knowledge.embedder;
        let dimension = u32::try_from(embedder.dimension()).map_err(Error::internal)?;
        let spaces = reading.store.spaces(embedder.name(), dimension).await?;
        let Some(embedded) = reading.embed(&passages, &spaces, &watch).await? else { return Ok(reading.laid(&watch)) };
        if reading.publish(embedded).await? {
            return Ok(Laid::Over);
        }
    }
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

    /// Its chunks as they are kept, with their vectors in each of these spaces; `None` where it is to stop, or is gone.
    async fn embed(&self, passages: &[Passage], spaces: &Spaces, watch: &Watch) -> Result<Option<Embedded>> {
        let total = passages.len();
        let mut embedded = Embedded { chunks: Vec::with_capacity(total), vectors: Vec::new() };
        embedded.vectors.extend(spaces.iter().map(|space| (space.clone(), Vec::with_capacity(total))));
        let mut first = 0;
        for some in passages.chunks(AT_ONCE) {
            if watch.stop().is_some() {
                return Ok(None);
            }
            if first % TOLD_EVERY == 0 && !self.tell(DocumentStatus::Embedding, total as u64, first as u64).await? {
                return Ok(None);
            }
            let mut of_spaces = Vec::with_capacity(embedded.vectors.len());
            for (space, _) in &embedded.vectors {
                let texts = some.iter().map(Passage::searched).collect();
                let vectors = self.engine.knowledge.embedder.embed(texts).await?;
                of_spaces.push((space.space, vectors));
            }
            let (engine, seals, id, some) = (Arc::clone(&self.engine), Arc::clone(&self.seals), self.row.id, some.to_vec());
            let sealed = tokio::task::spawn_blocking(move || seal(&engine, &seals, id, first as u64, &some, of_spaces));
            let (chunks, vectors) = sealed.await.map_err(Error::internal)??;
            embedded.chunks.extend(chunks);
            for ((_, all), some) in embedded.vectors.iter_mut().zip(vectors) {
                all.extend(some);
            }
            first += AT_ONCE;
        }
        Ok(Some(embedded))
    }

    /// Shows all of it at once; false where it has to be embedded for other spaces.
    async fn publish(&self, Embedded { chunks, vectors }: Embedded) -> Result<bool> {
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
            intent.fulfil(engine, &self.scope).await;
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

/// Chunks as they are kept, and their vectors in each space.
struct Embedded {
    chunks: Vec<NewChunk>,
    vectors: Vec<(Space, Vec<NewVector>)>,
}

/// Some chunks as they are kept, the first of them at place `first`; and their vectors, space by space.
fn seal(
    engine: &Engine,
    seals: &TenantSeals,
    document: DocumentId,
    first: u64,
    passages: &[Passage],
    of_spaces: Vec<(u64, Vec<Vec<f32>>)>,
) -> Result<(Vec<NewChunk>, Vec<Vec<NewVector>>)> {
    let placed = (first..).zip(passages);
    let chunks = placed.map(|(place, passage)| seal_chunk(engine, seals, document, place, passage)).collect::<Result<_>>()?;
    let vectors = of_spaces.into_iter().map(|(space, vectors)| {
        let placed = (first..).zip(vectors);
        placed.map(|(place, vector)| NewVector::seal(seals, space, document, place, vector, &*engine.random)).collect()
    });
    Ok((chunks, vectors.collect()))
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
