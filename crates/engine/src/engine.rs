//! The engine: everything that a request needs, started once.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use insula_gate::{Gate, SystemResolver};
use insula_model::{Clock, Error, ErrorKind, IdGenerator, Random, RequestId, Result, RunKind, TenantId, Timestamp};
use insula_providers::{ChatRequest, EmbeddingsRequest, ModerationsRequest, Providers};
use insula_store::{Cluster, Coordination, Store};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{
    EngineSettings,
    accounts::Accounts,
    answer_rooms::AnswerRooms,
    cache::{self, AnswerCache, Hits},
    directory::{Directory, Others},
    end_users::{self, EndUsers},
    idempotency::Twins,
    isolation::Salts,
    knowledge::{Library, turns::Searches},
    labels,
    pipeline::{self, Answer, Call},
    queue::Queue,
    route::{self, Health, Versions},
    runs::Runner,
    tokenizing::Tokenizing,
    webhooks::Webhooks,
    work::Work,
};

/// A running engine.
pub struct Engine {
    /// Who a credential is.
    pub directory: Arc<Directory>,
    /// Budgets.
    pub accounts: Arc<Accounts>,
    /// Where everything is kept.
    pub store: Store,
    /// The providers and their prices.
    pub providers: Arc<Providers>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// New ids.
    pub ids: IdGenerator,
    /// When it was started.
    pub(crate) started_at: Timestamp,
    pub(crate) settings: EngineSettings,
    pub(crate) coordination: Arc<Coordination>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) health: Arc<Health>,
    pub(crate) versions: Versions,
    pub(crate) twins: Arc<Twins>,
    pub(crate) answers: AnswerCache,
    pub(crate) end_users: EndUsers,
    pub(crate) salts: Salts,
    pub(crate) idempotency_secret: [u8; 32],
    pub(crate) drains: Mutex<HashMap<TenantId, usize>>,
    pub(crate) flights: Flights,
    pub(crate) tokenizing: Tokenizing,
    pub(crate) answer_rooms: AnswerRooms,
    /// The way out to addresses that a tenant can name.
    pub(crate) gate: Gate,
    pub(crate) webhooks: Webhooks,
    pub(crate) batches: Runner,
    pub(crate) knowledge: Library,
    pub(crate) searches: Searches,
}

/// Counts requests under way, so that a stop can wait for the last.
#[derive(Default)]
pub(crate) struct Flights {
    pub(crate) open: AtomicUsize,
    pub(crate) landed: Notify,
}

impl Engine {
    /// Loads tenants, keys and budgets and is ready to serve.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn start(
        store: Store,
        providers: Providers,
        coordination: Coordination,
        settings: EngineSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>> {
        let (ids, providers) = (IdGenerator::new(clock.clone(), random.clone()), Arc::new(providers));
        let started_at = clock.now();
        let coordination = Arc::new(coordination);
        let directory = match store.cluster() {
            None => Directory::load(store.clone(), ids.clone(), clock.clone(), random.clone()).await?,
            Some(cluster) => {
                let others = Others::new(cluster.clone(), coordination.clone());
                Directory::join(store.clone(), ids.clone(), clock.clone(), random.clone(), Box::new(others)).await?
            }
        };
        let directory = Arc::new(directory);
        let accounts = Arc::new(Accounts::load(store.clone(), clock.clone(), settings.budget_waiters_max).await?);
        if store.cluster().is_some() {
            directory.follow(accounts.clone());
            tokio::spawn(accounts.clone().run());
        }
        Ok(Arc::new(Self {
            directory,
            accounts,
            answers: AnswerCache::new(&settings.cache, Hits::new(&*random)),
            idempotency_secret: store.platform_secret("idempotency"),
            end_users: EndUsers::new(&store.platform_secret("end users")),
            salts: Salts::new(&store.platform_secret("provider isolation")),
            gate: Gate::new(Arc::new(SystemResolver))?,
            webhooks: Webhooks::new(store.platform_secret("webhook")),
            batches: Runner::new(RunKind::Batch),
            knowledge: Library::new(&settings.knowledge, Arc::clone(&providers)),
            searches: Searches::new(settings.knowledge.searches_per_tenant_max),
            answer_rooms: AnswerRooms::new(settings.answers_bytes_max),
            coordination,
            health: Health::new(settings.routing.clone(), clock.clone()),
            versions: Versions::default(),
            queue: Queue::new(&settings, clock.clone(), store.cluster().cloned()),
            store,
            providers,
            clock,
            random,
            ids,
            started_at,
            settings,
            twins: Arc::default(),
            drains: Mutex::default(),
            flights: Flights::default(),
            tokenizing: Tokenizing::default(),
        }))
    }

    /// A chat completion through the whole pipeline.
    ///
    /// The work runs in a task of its own: when the caller leaves and this future is dropped, the attempt is still
    /// settled.
    ///
    /// # Errors
    /// Any refusal or failure of a stage; a stream's later failures come in the stream.
    pub async fn chat(self: &Arc<Self>, call: Call, mut request: ChatRequest) -> Result<Answer> {
        // Known before anything is sent, and the same whichever attempt succeeds.
        if let Some(chain) = &mut request.chain {
            chain.id = Some(call.request.bare());
        }
        self.perform(call, Work::chat(request)).await
    }

    /// Embeddings through the whole pipeline.
    ///
    /// # Errors
    /// Any refusal or failure of a stage.
    pub async fn embeddings(self: &Arc<Self>, call: Call, request: EmbeddingsRequest) -> Result<Answer> {
        self.perform(call, Work::Embeddings(Box::new(request))).await
    }

    /// Verdicts on texts and images through the whole pipeline, of the model that is meant where the caller names none.
    ///
    /// # Errors
    /// Any refusal or failure of a stage, and that no model is meant.
    pub async fn moderations(self: &Arc<Self>, call: Call, mut request: ModerationsRequest) -> Result<Answer> {
        if request.model.is_none() {
            request.model = Some(route::unnamed_moderation(self, &call.credential.tenant)?);
        }
        self.perform(call, Work::Moderations(Box::new(request))).await
    }

    async fn perform(self: &Arc<Self>, mut call: Call, work: Work) -> Result<Answer> {
        call.end_user = self.end_users.of(&call.credential, &work);
        call.tags = labels::of(&call, &work)?;
        // Dropped with this future, which tells the task that nobody listens any more.
        let (_present, gone) = oneshot::channel();
        tokio::spawn(pipeline::run(self.clone(), call, work, gone)).await.map_err(Error::internal)?
    }

    /// The id of a request that this credential makes now.
    pub fn request_id(&self, tag: [u8; 4]) -> RequestId {
        self.ids.request(tag)
    }

    /// Refuses while this node could take no request: it does not know what other nodes changed, or whether it still counts as
    /// alive.
    ///
    /// # Errors
    /// `Unavailable`, with the reason.
    pub fn ready(&self) -> Result<()> {
        self.directory.check_current()?;
        self.store.cluster().map_or(Ok(()), Cluster::may_spend)
    }

    /// Gives back what is leased, writes everything out and closes the store.
    ///
    /// # Errors
    /// When storage cannot be written.
    pub async fn close(&self) -> Result<()> {
        self.stop_runs().await;
        self.stop_telling().await;
        self.directory.stop_following();
        while end_users::write_batch(self).await {}
        let counted = cache::write_hits(self).await;
        // Before leases go back: what attempts still hold settles with their ends.
        let flushed = self.store.flush().await;
        self.accounts.close().await;
        flushed.and(counted).and(self.store.close().await)
    }

    /// Begins no further line of a batch and no further document. Lines under way go on as requests do; what was done is kept for who
    /// goes on with it.
    pub async fn stop_runs(&self) {
        tokio::join!(self.batches.stop(), self.knowledge.stop());
    }

    /// How many requests are under way, open streams and drains included.
    pub fn open_flights(&self) -> usize {
        self.flights.open.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Waits until nothing is under way, at most `wait_max`; says how many were still open.
    pub async fn landed(&self, wait_max: Duration) -> usize {
        let all_down = async {
            loop {
                let landed = self.flights.landed.notified();
                if self.open_flights() == 0 {
                    return;
                }
                landed.await;
            }
        };
        let _ = tokio::time::timeout(wait_max, all_down).await;
        self.open_flights()
    }

    pub(crate) fn unavailable(message: &str) -> Error {
        Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, message)
    }
}
