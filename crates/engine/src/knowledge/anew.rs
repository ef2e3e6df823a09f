//! A tenant's chunks are embedded anew, because another embedder is chosen for it than the one whose vectors serve.
//!
//! The old vectors serve meanwhile. A new space is filled chunk by chunk, from where it stands: what is in it is there to stay, however often the
//! work is laid down. Once every chunk has its vector there, one transaction lets the new space serve and drops the old vectors. Whoever
//! chooses otherwise in between is heard at the next batch.

use std::{sync::Arc, time::Duration};

use insula_model::{EmbeddingWait, Error, ErrorKind, Result, RunKind, TenantId, TenantScope, Timestamp};
use insula_store::{Filled, NewVector, Run, Served, Space, Spaces, TenantSeals, TenantStore, Unfilled};

use super::{
    detail::Passage,
    embed::{Came, Embedder, Errand, embed_some},
    settling::Intent,
};
use crate::{
    Engine,
    runs::{Laid, Perform, Stop, Watch},
};

/// Chunks that are read at once; how many of them go together the embedder says.
const LOOKED_AT: u32 = 512;

/// After so many chunks they are brought to an engine that keeps vectors elsewhere: a document's are all written each time.
const BROUGHT_EVERY: usize = 4_096;
/// How often it is looked whether that engine has them all.
const AGAIN_WITHOUT_VECTORS: Duration = Duration::from_secs(5);

/// Embeds anew.
pub(super) fn perform() -> Perform {
    Arc::new(move |engine, run, watch| Box::pin(carry_on(engine, run, watch)))
}

impl Engine {
    /// Has the documents of a tenant or a corpus embedded anew where another embedder is chosen for it than the one that made these vectors.
    /// Asked often, it acts seldom.
    pub(super) async fn embed_anew_if_chosen(&self, home: TenantId, serving: &Space) -> Result<()> {
        let is_other = self.chosen_embedder(home).is_some_and(|chosen| chosen.name() != serving.embedder);
        if is_other && self.knowledge.may_ask(home) { self.embed_anew(home).await } else { Ok(()) }
    }

    /// Has it looked now whether documents are to be embedded anew.
    pub(super) async fn embed_anew(&self, home: TenantId) -> Result<()> {
        // There is one such run of a home at most, so it goes by the home's id.
        let now = self.clock.now();
        self.store.control().ensure_run(RunKind::Embedding, home, *home.as_bytes(), now).await?;
        self.knowledge.wake_embedding();
        Ok(())
    }
}

/// What follows from one step.
enum Step {
    On,
    Laid(Laid),
    Waits(EmbeddingWait, Timestamp),
}

struct Anew {
    engine: Arc<Engine>,
    store: TenantStore,
    seals: Arc<TenantSeals>,
    scope: TenantScope,
    run: Run,
    /// All chunks up to this one have their vector, as far as was seen.
    seen: u64,
    /// What is to do once some are filled in, where the engine keeps vectors elsewhere.
    intent: Option<Intent>,
    /// Chunks that were filled in since that was last done.
    filled: usize,
}

async fn carry_on(engine: Arc<Engine>, run: Run, watch: Watch) -> Result<Laid> {
    let scope = engine.directory.job_scope(run.tenant, "embedding")?;
    let (store, seals) = (engine.store.tenant(&scope).await?, engine.store.seals(&scope).await?);
    let mut anew = Anew { engine, store, seals, scope, run, seen: 0, intent: None, filled: 0 };
    loop {
        match watch.stop() {
            Some(Stop::Lost) => return Ok(Laid::Lost),
            Some(_) => return Ok(Laid::Until(anew.engine.clock.now())),
            None => {}
        }
        match anew.step().await? {
            Step::On => {}
            Step::Laid(laid) => {
                anew.bring().await;
                return Ok(laid);
            }
            Step::Waits(what, until) => {
                anew.bring().await;
                anew.store.note_filling_waits(Some(what)).await?;
                return Ok(Laid::Until(until));
            }
        }
    }
}

impl Anew {
    /// One batch, or whatever comes before the first and behind the last.
    async fn step(&mut self) -> Result<Step> {
        let Some(spaces) = self.store.known_spaces().await? else { return Ok(Step::Laid(Laid::Over)) };
        let Some(embedder) = self.engine.chosen_embedder(self.run.tenant) else {
            return Ok(self.waits(Came::without_embedder()));
        };
        if spaces.serving.embedder == embedder.name() {
            self.intend().await?;
            self.store.give_up_space().await?;
            return Ok(Step::Laid(Laid::Over));
        }
        let next = match spaces.next.filter(|next| next.embedder == embedder.name()) {
            Some(next) => Some(next),
            None => self.begin(&*embedder).await?,
        };
        // While only a vector can tell how long it is there is no space yet, and all chunks lack a vector in it.
        let unfilled = self.store.unfilled(next.as_ref().map_or(0, |next| next.space), self.seen, LOOKED_AT).await?;
        match (unfilled.is_empty(), next) {
            (false, next) => self.fill(&*embedder, next, unfilled).await,
            // Chunks that came meanwhile have their vector already, but for those that were under way when it began.
            (true, _) if self.seen > 0 => {
                self.seen = 0;
                Ok(Step::On)
            }
            // Nothing to fill: the next document begins with the embedder that is chosen.
            (true, _) if self.store.forget_empty_spaces().await? => Ok(Step::Laid(Laid::Over)),
            (true, Some(next)) => self.serve(&next).await,
            (true, None) => Ok(Step::On),
        }
    }

    /// Begins the space of an embedder that says how long its vectors are.
    async fn begin(&mut self, embedder: &dyn Embedder) -> Result<Option<Space>> {
        self.seen = 0;
        let Some(dimension) = embedder.dimension() else { return Ok(None) };
        let Spaces { next, .. } = self.store.begin_space(embedder.name(), dimension).await?;
        tracing::info!(tenant = %self.run.tenant, embedder = embedder.name(), dimension, "documents are embedded anew");
        Ok(next)
    }

    async fn fill(&mut self, embedder: &dyn Embedder, next: Option<Space>, unfilled: Vec<Unfilled>) -> Result<Step> {
        let errand = match Errand::of_job(&self.engine, self.run.tenant, "embedding") {
            Ok(errand) => errand,
            Err(error) if *error.kind() == ErrorKind::Suspended => return Ok(self.waits(Came::suspended())),
            Err(error) => return Err(error),
        };
        if !embedder.may_ask(&errand) {
            return Ok(self.waits(Came::without_money()));
        }
        let texts = self.texts(&unfilled).await?;
        let failures = self.engine.knowledge.failures(self.run.id);
        let vectors = match embed_some(embedder, &errand, &texts, failures).await? {
            Came::Vectors(vectors) => vectors,
            // What the new embedder does not take must not keep all else from it: the chunk is found by its words.
            Came::Refused => match next.as_ref().map(|next| next.dimension as usize) {
                Some(dimension) => {
                    tracing::warn!(tenant = %self.run.tenant, chunk = unfilled[0].chunk, "an embedder refuses a chunk; it is found by its words");
                    vec![vec![0.0; dimension]]
                }
                None => return Ok(self.waits(Came::without_embedder())),
            },
            later => return Ok(self.waits(later)),
        };
        self.engine.knowledge.note_failing(self.run.id, false);
        let length = vectors.first().map_or(0, Vec::len);
        let space = match next {
            Some(next) => next,
            None => {
                let dimension = u32::try_from(length).map_err(Error::internal)?;
                let begun = self.store.begin_space(embedder.name(), dimension).await?.next;
                begun.ok_or_else(|| Error::internal("a space that was begun is not there"))?
            }
        };
        if length != space.dimension as usize {
            tracing::error!(
                embedder = space.embedder,
                dimension = space.dimension,
                "an embedder gives vectors of another length than it did"
            );
            return Ok(self.waits(Came::without_embedder()));
        }
        let last = unfilled.get(vectors.len() - 1).map_or(self.seen, |chunk| chunk.chunk);
        let filled = self.seal(&space, unfilled, vectors).await?;
        self.intend().await?;
        self.filled += filled.len();
        // Where somebody gave the space up meanwhile, the next step begins another.
        self.seen = if self.store.fill(&space, filled).await? { last } else { 0 };
        if self.filled >= BROUGHT_EVERY {
            self.bring().await;
        }
        Ok(Step::On)
    }

    /// Notes, before anything changes, that vectors will have to be brought to an engine that keeps them elsewhere.
    async fn intend(&mut self) -> Result<()> {
        if self.intent.is_none() {
            self.intent = Intent::note(&self.engine, self.run.tenant).await?;
        }
        Ok(())
    }

    /// Brings there what was filled in.
    async fn bring(&mut self) {
        self.filled = 0;
        if let Some(intent) = self.intent.take() {
            intent.fulfil(&self.engine, &self.scope).await;
        }
    }

    async fn serve(&mut self, next: &Space) -> Result<Step> {
        self.bring().await;
        self.intend().await?;
        match self.store.serve_space(next).await? {
            Served::Behind => Ok(self.waits(Came::Later(EmbeddingWait::Vectors, AGAIN_WITHOUT_VECTORS))),
            Served::Since(epoch) => {
                tracing::info!(tenant = %self.run.tenant, embedder = next.embedder, epoch, "documents are searched by another embedder");
                Ok(Step::Laid(Laid::Over))
            }
            Served::Unfilled | Served::GivenUp => Ok(Step::On),
        }
    }

    fn waits(&self, came: Came) -> Step {
        let Came::Later(what, wait) = came else { return Step::On };
        self.engine.knowledge.note_failing(self.run.id, true);
        Step::Waits(what, self.engine.clock.now().plus(wait))
    }

    async fn texts(&self, unfilled: &[Unfilled]) -> Result<Vec<String>> {
        let (seals, unfilled) = (Arc::clone(&self.seals), unfilled.to_vec());
        let open = move |chunk: &Unfilled| {
            Passage::open(&seals, chunk.document, chunk.place, &chunk.sealed_text).map(|passage| passage.searched())
        };
        tokio::task::spawn_blocking(move || unfilled.iter().map(open).collect()).await.map_err(Error::internal)?
    }

    async fn seal(&self, space: &Space, unfilled: Vec<Unfilled>, vectors: Vec<Vec<f32>>) -> Result<Vec<Filled>> {
        let (engine, seals, space) = (Arc::clone(&self.engine), Arc::clone(&self.seals), space.space);
        let seal = move |(chunk, vector): (Unfilled, Vec<f32>)| {
            let Unfilled { chunk, document, place, .. } = chunk;
            let vector = NewVector::seal(&seals, space, document, place, vector, &*engine.random);
            Filled { chunk, document, place, vector }
        };
        let all = move || unfilled.into_iter().zip(vectors).map(seal).collect();
        tokio::task::spawn_blocking(all).await.map_err(Error::internal)
    }
}
