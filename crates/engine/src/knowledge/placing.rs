//! The vectors of a document that is being read, in each space that a search may look into.
//!
//! Those that cost anything are kept as they come, so that whoever goes on after a kill pays for a batch at most once more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use insula_model::{DocumentId, DocumentStatus, EmbeddingWait, Error, Result};
use insula_store::{NewVector, Space, Spaces, StagedVector, TenantSeals, TenantStore};

use super::{
    detail::Passage,
    embed::{Came, Embedder, Errand, embed_some},
};
use crate::{Engine, runs::Watch};

/// Texts that are looked at for one batch; how many of them go together the embedder says.
const LOOKED_AT: usize = 512;
/// After so many chunks it is told how far the document is.
const TOLD_EVERY: usize = 256;

/// What came of it.
pub(super) enum Placed {
    /// A vector for each chunk in each space.
    Everywhere(Vec<(Space, Vec<NewVector>)>),
    /// They wait for this, and are tried again after so long.
    Later(EmbeddingWait, Duration),
    /// The embedder refuses a part of the document as it is.
    Refused,
    /// The document is gone, or the work is to stop.
    Stopped,
}

/// A document whose chunks get their vectors.
pub(super) struct Placing<'a> {
    pub engine: &'a Arc<Engine>,
    pub store: &'a TenantStore,
    pub seals: &'a Arc<TenantSeals>,
    pub document: DocumentId,
    pub errand: &'a Errand,
    pub watch: &'a Watch,
    /// How often in a row this document's embedding has failed.
    pub failures: u32,
}

/// What keeps a step from its end.
enum Halt {
    Placed(Placed),
    Error(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Error(error)
    }
}

impl Placing<'_> {
    /// Embeds all of a document.
    pub async fn place(&self, passages: &[Passage]) -> Result<Placed> {
        match self.everywhere(passages).await {
            Ok(vectors) => Ok(Placed::Everywhere(vectors)),
            Err(Halt::Placed(placed)) => Ok(placed),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    async fn everywhere(&self, passages: &[Passage]) -> Result<Vec<(Space, Vec<NewVector>)>, Halt> {
        let texts: Vec<String> = passages.iter().map(Passage::searched).collect();
        let spaces = match self.store.known_spaces().await? {
            Some(spaces) => {
                self.engine.embed_anew_if_chosen(self.errand.home, &spaces.serving).await?;
                spaces
            }
            None => self.first_space(&texts).await?,
        };
        let all = spaces.iter().count();
        let mut vectors = Vec::with_capacity(all);
        for space in spaces.iter() {
            vectors.push((space.clone(), self.in_space(space, &texts, (vectors.len(), all)).await?));
        }
        Ok(vectors)
    }

    /// The first space that the tenant has at all: that of the embedder that is chosen for it.
    async fn first_space(&self, texts: &[String]) -> Result<Spaces, Halt> {
        let chosen = self.engine.chosen_embedder(self.errand.home);
        let embedder = chosen.ok_or_else(|| Halt::from(Came::without_embedder()))?;
        if let Some(dimension) = embedder.dimension() {
            return Ok(self.store.spaces(embedder.name(), dimension).await?);
        }
        // Only a vector can tell how many numbers it has. What it cost is not lost: they are kept for this very document.
        let some = &texts[..texts.len().min(LOOKED_AT)];
        let vectors = self.some(&*embedder, some).await?;
        let first = vectors.first().ok_or_else(|| Error::internal("a document without text is embedded"))?;
        let dimension = u32::try_from(first.len()).map_err(Error::internal)?;
        let spaces = self.store.spaces(embedder.name(), dimension).await?;
        if spaces.serving.embedder == embedder.name() {
            self.stage(&spaces.serving, some, (0..).zip(vectors).collect()).await?;
        }
        Ok(spaces)
    }

    /// A vector for each text in a space; those that are kept already are not made again.
    async fn in_space(&self, space: &Space, texts: &[String], (nth, of): (usize, usize)) -> Result<Vec<NewVector>, Halt> {
        let embedder = self.engine.embedder_of(space).ok_or_else(|| Halt::from(Came::without_embedder()))?;
        let mut placed: HashMap<u64, NewVector> = HashMap::with_capacity(texts.len());
        for kept in self.store.staged_vectors(self.seals, self.document, space.space).await? {
            let is_same = |text: &String| text_key(self.seals, text) == kept.text_key;
            if usize::try_from(kept.place).ok().and_then(|place| texts.get(place)).is_some_and(is_same) {
                placed.insert(kept.place, kept.vector);
            }
        }
        let missing: Vec<u64> = (0..texts.len() as u64).filter(|place| !placed.contains_key(place)).collect();
        let (mut left, mut told) = (missing.as_slice(), None);
        while !left.is_empty() {
            let done = (nth * texts.len() + texts.len() - left.len()) / of;
            if told.is_none_or(|told| done >= told + TOLD_EVERY) || embedder.is_dear() {
                self.tell(texts.len(), done).await?;
                told = Some(done);
            }
            let looked_at: Vec<String> =
                left.iter().take(LOOKED_AT).filter_map(|place| texts.get(*place as usize)).cloned().collect();
            let vectors = self.some(&*embedder, &looked_at).await?;
            check_length(space, &vectors)?;
            let (now, later) = left.split_at(vectors.len());
            let sealed = self.seal(space, now.iter().copied().zip(vectors).collect()).await?;
            if embedder.is_dear() {
                self.keep(space, &looked_at, &sealed).await?;
            }
            placed.extend(sealed);
            left = later;
        }
        let in_order = (0..texts.len() as u64).map(|place| placed.remove(&place));
        Ok(in_order.collect::<Option<_>>().ok_or_else(|| Error::internal("a chunk has no vector"))?)
    }

    /// The vectors of the first of these texts.
    async fn some(&self, embedder: &dyn Embedder, texts: &[String]) -> Result<Vec<Vec<f32>>, Halt> {
        if self.watch.stop().is_some() {
            return Err(Halt::Placed(Placed::Stopped));
        }
        match embed_some(embedder, self.errand, texts, self.failures).await? {
            Came::Vectors(vectors) => Ok(vectors),
            other => Err(other.into()),
        }
    }

    async fn seal(&self, space: &Space, vectors: Vec<(u64, Vec<f32>)>) -> Result<Vec<(u64, NewVector)>> {
        let (seals, engine, document, space) = (Arc::clone(self.seals), Arc::clone(self.engine), self.document, space.space);
        let seal = move |(place, vector)| (place, NewVector::seal(&seals, space, document, place, vector, &*engine.random));
        let all = move || vectors.into_iter().map(seal).collect();
        // Off the runtime's own threads: it takes long where there is much.
        tokio::task::spawn_blocking(all).await.map_err(Error::internal)
    }

    async fn stage(&self, space: &Space, texts: &[String], vectors: Vec<(u64, Vec<f32>)>) -> Result<()> {
        let sealed = self.seal(space, vectors).await?;
        self.keep(space, texts, &sealed).await
    }

    /// Keeps vectors of the first of these texts.
    async fn keep(&self, space: &Space, texts: &[String], sealed: &[(u64, NewVector)]) -> Result<()> {
        let staged = sealed.iter().zip(texts).map(|((place, vector), text)| StagedVector {
            place: *place,
            text_key: text_key(self.seals, text),
            vector: vector.clone(),
        });
        self.store.stage_vectors(self.document, space.space, &staged.collect::<Vec<_>>()).await
    }

    async fn tell(&self, total: usize, done: usize) -> Result<(), Halt> {
        let (status, now) = (DocumentStatus::Embedding, self.engine.clock.now());
        match self.store.note_document(self.document, status, total as u64, done as u64, now).await? {
            true => Ok(()),
            false => Err(Halt::Placed(Placed::Stopped)),
        }
    }
}

impl From<Came> for Halt {
    fn from(came: Came) -> Self {
        match came {
            Came::Later(what, wait) => Halt::Placed(Placed::Later(what, wait)),
            Came::Refused => Halt::Placed(Placed::Refused),
            Came::Vectors(_) => Halt::Error(Error::internal("vectors are no reason to halt")),
        }
    }
}

/// Refuses vectors that cannot be compared with those that are there: the model gives others than it did.
fn check_length(space: &Space, vectors: &[Vec<f32>]) -> Result<(), Halt> {
    if vectors.iter().all(|vector| vector.len() == space.dimension as usize) {
        return Ok(());
    }
    tracing::error!(
        embedder = space.embedder,
        dimension = space.dimension,
        "an embedder gives vectors of another length than it did"
    );
    Err(Came::without_embedder().into())
}

/// What tells a text from others, in what is kept of it before its document is whole.
fn text_key(seals: &TenantSeals, text: &str) -> i64 {
    seals.index_key(&[b"staged", text.as_bytes()])
}
