//! Vectors are brought to the engine that searches them, where that keeps them outside of the tenant's own tables.
//!
//! Whoever changes documents first notes that there will be something to do, then changes them, and then does it at once. Whatever
//! keeps it from that, a kill or an engine that does not answer, leaves the note: some node takes it up when its time has come.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use insula_model::{ErrorKind, Result, RunKind, Tenant, TenantId, TenantScope, Timestamp, VectorCollection};
use insula_store::{Run, RunsMax};

use crate::{
    Engine,
    runs::{Laid, Perform, Stop, Watch},
};

/// How long whoever changes something has to do what follows from it, before another node does it.
const ONES_OWN_FOR: Duration = Duration::from_secs(60);
/// How long whoever removes a document waits for its vectors to be gone from the engine. No search finds it meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// After how long it is tried again where the engine does not answer: half as long as it was in vain so far, within these.
const AGAIN_MIN: Duration = Duration::from_secs(2);
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// Tenants whose vectors this node brings over at once, beside what follows from its own changes.
const TENANTS_MAX: u32 = 4;
/// How often it is asked whom a search found wanting.
const DUE_EVERY: Duration = Duration::from_secs(1);

/// Something will be to do for a tenant.
pub(crate) struct Intent(Run);

impl Intent {
    /// Notes it, before anything is changed; nothing where the engine keeps its vectors with the documents.
    pub async fn note(engine: &Engine, tenant: TenantId) -> Result<Option<Self>> {
        if engine.store.vector_collection().is_none() {
            return Ok(None);
        }
        let now = engine.clock.now();
        let run = run(engine, tenant, now.plus(ONES_OWN_FOR));
        engine.store.control().queue_claimed_run(run).await?;
        Ok(Some(Self(run)))
    }

    /// Does it. Where that fails it is done later.
    pub async fn fulfil(self, engine: &Engine, scope: &TenantScope) {
        let control = engine.store.control();
        let noted = match settle(engine, scope).await {
            Ok(()) => control.forget_run(self.0.id).await,
            Err(error) => {
                let source = error.private_source();
                tracing::warn!(tenant = %scope.tenant(), %error, ?source, "vectors cannot be brought to their engine now; it is tried again");
                control.renew_run(&self.0, engine.clock.now().plus(AGAIN_MIN)).await.map(drop)
            }
        };
        if let Err(error) = noted {
            tracing::warn!(tenant = %scope.tenant(), %error, "what was done of a tenant's vectors cannot be noted; it is done again");
        }
    }

    /// Does it beside the caller, who waits for a moment.
    pub async fn fulfil_soon(self, engine: &Arc<Engine>, scope: TenantScope) {
        let engine = Arc::clone(engine);
        let work = tokio::spawn(async move { self.fulfil(&engine, &scope).await });
        // Whatever becomes of it goes on without the caller.
        let _ = tokio::time::timeout(WAIT_MAX, work).await;
    }

    /// Leaves it to whoever is free.
    async fn leave(self, engine: &Engine) -> Result<()> {
        engine.store.control().renew_run(&self.0, engine.clock.now()).await?;
        engine.knowledge.wake_settling();
        Ok(())
    }
}

/// Changes what is said of where tenants' vectors are to be. Those that are concerned move afterwards, beside their searches.
pub(crate) async fn moving<T>(
    engine: &Engine,
    is_concerned: impl Fn(&Tenant) -> bool,
    change: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut concerned = Vec::new();
    let mut after = None;
    loop {
        let some = engine.directory.tenants_after(after, AT_ONCE);
        let Some(last) = some.last() else { break };
        after = Some(last.record.id);
        concerned.extend(some.iter().map(|entry| &entry.record).filter(|record| is_concerned(record)).map(|record| record.id));
    }
    noted(engine, &concerned, change).await
}

/// The same of one tenant.
pub(crate) async fn moving_one<T>(engine: &Engine, tenant: TenantId, change: impl Future<Output = Result<T>>) -> Result<T> {
    noted(engine, &[tenant], change).await
}

/// Changes a tenant's documents. What follows for their vectors is done afterwards, beside the caller; it does not wait for that.
pub(crate) async fn changing<T>(engine: &Engine, tenant: TenantId, change: impl Future<Output = Result<T>>) -> Result<T> {
    noted(engine, &[tenant], change).await
}

/// Has a tenant's vectors brought to where they are to be.
pub(crate) async fn queue(engine: &Engine, tenant: TenantId) -> Result<()> {
    noted(engine, &[tenant], std::future::ready(Ok(()))).await
}

/// Notes what follows before it is changed: a kill in between loses nothing.
async fn noted<T>(engine: &Engine, concerned: &[TenantId], change: impl Future<Output = Result<T>>) -> Result<T> {
    let mut intents = Vec::new();
    for tenant in concerned {
        intents.extend(Intent::note(engine, *tenant).await?);
    }
    let changed = change.await;
    for intent in intents {
        intent.leave(engine).await?;
    }
    changed
}

/// Tenants that are looked at in one go.
const AT_ONCE: usize = 1_000;

/// Brings a tenant's vectors to where they are to be.
async fn settle(engine: &Engine, scope: &TenantScope) -> Result<()> {
    engine.store.settle_vectors(scope, wanted(engine, scope.tenant())).await
}

/// Where a tenant's vectors are to be.
fn wanted(engine: &Engine, tenant: TenantId) -> VectorCollection {
    let said = engine.directory.tenant(tenant).and_then(|entry| entry.vectors.collection);
    said.or(engine.store.vector_collection()).unwrap_or_default()
}

fn run(engine: &Engine, tenant: TenantId, claimed_until: Timestamp) -> Run {
    let mut id = [0; 16];
    engine.random.fill(&mut id);
    Run { kind: RunKind::Vectors, id, tenant, queued_at: engine.clock.now(), claimed_until }
}

impl Engine {
    /// Starts to bring vectors to their engine that nobody has brought there, for as long as this engine lives.
    pub fn start_settling(self: &Arc<Self>) {
        if self.store.vector_collection().is_none() {
            return;
        }
        // One after the other for each tenant: what the first does the second finds done.
        let most = RunsMax { runs: TENANTS_MAX, per_tenant: 1 };
        let perform: Perform = Arc::new(|engine, run, watch| Box::pin(perform(engine, run, watch)));
        self.knowledge.settling.start(self, most, perform);
        tokio::spawn(look(Arc::downgrade(self)));
    }
}

async fn perform(engine: Arc<Engine>, run: Run, watch: Watch) -> Result<Laid> {
    let scope = engine.directory.job_scope(run.tenant, "vectors")?;
    let settled = tokio::select! {
        settled = settle(&engine, &scope) => settled,
        // Whatever was done stays done.
        () = watch.wait() => {
            let is_lost = watch.stop() == Some(Stop::Lost);
            return Ok(if is_lost { Laid::Lost } else { Laid::Until(engine.clock.now()) });
        }
    };
    match settled {
        Ok(()) => Ok(Laid::Over),
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable { .. }) => {
            let now = engine.clock.now();
            let again = (now.since(run.queued_at) / 2).clamp(AGAIN_MIN, AGAIN_MAX);
            tracing::warn!(tenant = %run.tenant, %error, ?again, "vectors cannot be brought to their engine; it is tried again");
            Ok(Laid::Until(now.plus(again)))
        }
        Err(error) => Err(error),
    }
}

/// Queues what searches find wanting: tenants of whom the engine knows nothing yet.
async fn look(engine: Weak<Engine>) {
    loop {
        tokio::time::sleep(DUE_EVERY).await;
        let Some(engine) = engine.upgrade() else { return };
        for tenant in engine.store.take_due_vectors() {
            let queued = engine.store.control().queue_claimed_run(run(&engine, tenant, engine.clock.now())).await;
            if let Err(error) = queued {
                tracing::warn!(%tenant, %error, "a tenant's vectors are to be brought to their engine; the next search asks again");
            }
        }
    }
}
