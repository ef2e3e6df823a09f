//! The task of a node that takes up work of one kind that is nobody's, or whose node is gone.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use insula_model::{ErrorKind, Result, RunKind, TenantId, Timestamp};
use insula_store::{Run, RunsMax};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

use super::{Laid, Perform, watch::Claim};
use crate::Engine;

/// How often work is looked for that is nobody's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long work is this node's without a word from it.
pub(super) const CLAIMED_FOR: Duration = Duration::from_secs(15);

/// How long work may take to come to a halt once the node stops.
const STOP_MAX: Duration = Duration::from_secs(3);

/// After how long work that failed is taken up again: the longer it has been failing the later, so that it leaves its tenant's place to
/// other work most of the time.
const AGAIN_AFTER_FAILURE_MIN: Duration = Duration::from_secs(5);
const AGAIN_AFTER_FAILURE_MAX: Duration = Duration::from_secs(10 * 60);
/// A failure waits for this part of the time since the work was queued.
const AGAIN_PART: u32 = 8;

/// What this node keeps in mind about work of one kind.
pub(crate) struct Runner {
    kind: RunKind,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: OnceLock<Mutex<Option<JoinHandle<()>>>>,
}

/// How work of a kind is taken up.
#[derive(Clone)]
struct Terms {
    kind: RunKind,
    most: RunsMax,
    perform: Perform,
}

impl Runner {
    /// For work of this kind; it does none before it is started.
    pub fn new(kind: RunKind) -> Self {
        Self { kind, wake: Arc::default(), stop: watch::Sender::new(false), task: OnceLock::new() }
    }

    /// There is something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Starts to take up work, at most so much at once, for as long as the engine lives.
    pub fn start(&self, engine: &Arc<Engine>, most: RunsMax, perform: Perform) {
        self.task.get_or_init(|| {
            let terms = Terms { kind: self.kind, most, perform };
            let (engine, wake, stopped) = (Arc::downgrade(engine), Arc::clone(&self.wake), self.stop.subscribe());
            Mutex::new(Some(tokio::spawn(take_up(engine, terms, wake, stopped))))
        });
    }

    /// Takes up nothing more, and lets what is under way come to a halt.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.get().and_then(|task| task.lock().take());
        let Some(mut task) = task else { return };
        if tokio::time::timeout(STOP_MAX, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn take_up(engine: Weak<Engine>, terms: Terms, wake: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let (mut running, mut is_first, mut last) = (JoinSet::new(), true, TenantId::from_bytes([0; 16]));
    while !*stopped.borrow_and_update() {
        // Held no longer than a look takes: the task must not keep alive what it serves.
        let Some(engine) = engine.upgrade() else { return };
        match look(&engine, &terms, is_first, &mut last, &mut running, &stopped).await {
            Ok(()) => is_first = false,
            Err(error) => tracing::warn!(kind = terms.kind.name(), %error, "work cannot be looked for; it is tried again"),
        }
        drop(engine);
        tokio::select! {
            () = wake.notified() => {}
            // A place is free for what waits.
            Some(_) = running.join_next() => {}
            _ = stopped.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn look(
    engine: &Arc<Engine>,
    terms: &Terms,
    is_first: bool,
    last: &mut TenantId,
    running: &mut JoinSet<()>,
    stopping: &watch::Receiver<bool>,
) -> Result<()> {
    let control = engine.store.upkeep();
    if is_first && engine.store.cluster().is_none() {
        control.free_runs(terms.kind).await?;
    }
    if engine.ready().is_err() {
        return Ok(());
    }
    let places = terms.most.runs.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
    if places == 0 {
        return Ok(());
    }
    let now = engine.clock.now();
    let most = RunsMax { runs: places, ..terms.most };
    for run in control.claim_runs(terms.kind, now, now.plus(CLAIMED_FOR), most, *last).await? {
        *last = run.tenant;
        running.spawn(perform(Arc::clone(engine), Arc::clone(&terms.perform), run, stopping.clone()));
    }
    Ok(())
}

/// When work that failed is taken up again.
fn again_at(run: &Run, now: Timestamp) -> Timestamp {
    let wait = now.since(run.queued_at) / AGAIN_PART;
    now.plus(wait.clamp(AGAIN_AFTER_FAILURE_MIN, AGAIN_AFTER_FAILURE_MAX))
}

/// Does work as far as it gets, and gives it back.
async fn perform(engine: Arc<Engine>, perform: Perform, run: Run, stopping: watch::Receiver<bool>) {
    let claim = Claim::keep(Arc::clone(&engine), run, stopping);
    let kind = run.kind.name();
    let laid = match perform(Arc::clone(&engine), run, claim.watch()).await {
        Ok(laid) => laid,
        // Its tenant is erased, or about to be: its rows go with it.
        Err(error) if *error.kind() == ErrorKind::NotFound => Laid::Over,
        Err(error) => {
            let source = error.private_source();
            tracing::warn!(kind, tenant = %run.tenant, %error, ?source, "work came to a halt; it is tried again");
            Laid::Until(again_at(&run, engine.clock.now()))
        }
    };
    let run = claim.end().await;
    let control = engine.store.control();
    let given_back = match laid {
        Laid::Over => control.finish_run(&run).await,
        Laid::Until(at) => control.renew_run(&run, at).await.map(drop),
        Laid::Lost => Ok(()),
    };
    if let Err(error) = given_back {
        tracing::warn!(kind, tenant = %run.tenant, %error, "work cannot be given back; its claim runs out");
    }
}
