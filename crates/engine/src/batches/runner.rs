//! The task of a node that takes up batches that are nobody's, or whose node is gone.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use insula_model::Result;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

use super::{ErrorDialect, run};
use crate::Engine;

/// How often batches are looked for that are nobody's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a batch is this node's without a word from it.
pub(super) const CLAIMED_FOR: Duration = Duration::from_secs(15);

/// How long batches may take to put their lines down once the node stops.
const STOP_MAX: Duration = Duration::from_secs(3);

/// What this node keeps in mind about batches.
pub(crate) struct Runner {
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: OnceLock<Mutex<Option<JoinHandle<()>>>>,
}

impl Default for Runner {
    fn default() -> Self {
        Self { wake: Arc::default(), stop: watch::Sender::new(false), task: OnceLock::new() }
    }
}

impl Runner {
    /// There is something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Resolves when the node stops.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

impl Engine {
    /// Starts to run batches, for as long as the engine lives. A process that only runs a command does not.
    pub fn start_batches(self: &Arc<Self>, dialect: ErrorDialect) {
        self.batches.task.get_or_init(|| {
            let (wake, stopped) = (Arc::clone(&self.batches.wake), self.batches.stopping());
            Mutex::new(Some(tokio::spawn(take_up(Arc::downgrade(self), dialect, wake, stopped))))
        });
    }

    /// Begins no further line. Those under way go on as requests do, and their answers are kept for who takes the batch up.
    pub async fn stop_batches(&self) {
        self.batches.stop.send_replace(true);
        let task = self.batches.task.get().and_then(|task| task.lock().take());
        let Some(mut task) = task else { return };
        if tokio::time::timeout(STOP_MAX, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn take_up(engine: Weak<Engine>, dialect: ErrorDialect, wake: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let (mut running, mut is_first) = (JoinSet::new(), true);
    while !*stopped.borrow_and_update() {
        // Held no longer than a look takes: the task must not keep alive what it serves.
        let Some(engine) = engine.upgrade() else { return };
        match look(&engine, dialect, is_first, &mut running).await {
            Ok(()) => is_first = false,
            Err(error) => tracing::warn!(%error, "batches cannot be looked for; it is tried again"),
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

async fn look(engine: &Arc<Engine>, dialect: ErrorDialect, is_first: bool, running: &mut JoinSet<()>) -> Result<()> {
    let (control, settings) = (engine.store.upkeep(), &engine.settings.batches);
    if is_first && engine.store.cluster().is_none() {
        control.free_batches().await?;
    }
    if engine.ready().is_err() {
        return Ok(());
    }
    let places = settings.running_max.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
    if places == 0 {
        return Ok(());
    }
    let now = engine.clock.now();
    let claimed = control.claim_batches(now, now.plus(CLAIMED_FOR), settings.running_per_tenant_max, places).await?;
    for claim in claimed {
        running.spawn(run::run(Arc::clone(engine), dialect, claim));
    }
    Ok(())
}
