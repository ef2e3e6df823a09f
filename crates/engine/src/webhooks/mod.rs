//! Telling products what happens: budgets that fill up, statements that can be read.
//!
//! - [`alerts`] looks at budgets that moved and writes an event for each share that is passed;
//! - [`statements`] does so once a month is over;
//! - [`delivery`] sends what is due, through the gate, signed ([`signature`]), and again where it must ([`schedule`]);
//! - [`payload`] is what is sent.
//!
//! An event is written together with a delivery for each webhook that wants it, in one transaction; each delivery is sent by
//! the node that claims it, at least once, always under the event's id. One task per node does all this.

mod alerts;
mod delivery;
mod payload;
mod schedule;
mod settings;
mod signature;
mod statements;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use insula_model::{BudgetId, Timestamp};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

pub use self::settings::WebhookSettings;
pub(crate) use self::{payload::test_payload, signature::SigningSecrets};
use crate::Engine;

/// How often budgets that moved and deliveries that are due are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether a month is over.
const STATEMENTS_EVERY: Duration = Duration::from_secs(60);

/// How often old events are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long what is under way may take once the node stops.
const STOP_MAX: Duration = Duration::from_secs(3);

/// What this node keeps in mind about telling.
pub(crate) struct Webhooks {
    pub(crate) secrets: SigningSecrets,
    /// Up to when a budget's mark needs no second look: it was told, by whichever node, or nobody wants to know.
    told: Mutex<HashMap<(BudgetId, u32), Timestamp>>,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: OnceLock<Mutex<Option<JoinHandle<()>>>>,
}

impl Webhooks {
    /// Secrets are derived from `secret`, which is the platform's for this purpose.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self {
            secrets: SigningSecrets::new(secret),
            told: Mutex::default(),
            wake: Arc::default(),
            stop: watch::Sender::new(false),
            task: OnceLock::new(),
        }
    }

    /// Something is due.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Engine {
    /// Starts to tell webhooks what happens, for as long as the engine lives. A process that only runs a command does not.
    pub fn start_telling(self: &Arc<Self>) {
        self.webhooks.task.get_or_init(|| {
            let (wake, stopped) = (Arc::clone(&self.webhooks.wake), self.webhooks.stop.subscribe());
            Mutex::new(Some(tokio::spawn(run(Arc::downgrade(self), wake, stopped))))
        });
    }

    /// Who wants to be told has changed: what nobody wanted to know may now be told.
    pub(crate) fn webhooks_changed(&self) {
        self.webhooks.told.lock().clear();
        self.accounts.watch_all();
        self.webhooks.wake();
    }

    /// Takes up nothing new and waits a moment for what is being sent. What is not reported by then is sent again.
    pub(crate) async fn stop_telling(&self) {
        self.webhooks.stop.send_replace(true);
        let task = self.webhooks.task.get().and_then(|task| task.lock().take());
        let Some(mut task) = task else { return };
        if tokio::time::timeout(STOP_MAX, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// When what is rare was last done.
#[derive(Default)]
struct Last {
    statements: Option<Instant>,
    pruned: Option<Instant>,
}

/// Whether it is time again; if so, it counts as done now.
fn is_time(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

async fn run(engine: Weak<Engine>, wake: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let (mut last, mut sending) = (Last::default(), JoinSet::new());
    while !*stopped.borrow_and_update() {
        // Held no longer than a look takes: the task must not keep alive what it serves.
        let Some(engine) = engine.upgrade() else { return };
        let more = engine.look(&mut last, &mut sending).await;
        drop(engine);
        tokio::select! {
            () = wake.notified() => {}
            // A place is free for what waits.
            Some(_) = sending.join_next() => {}
            _ = stopped.changed() => {}
            () = tokio::time::sleep(if more { Duration::ZERO } else { LOOK_EVERY }) => {}
        }
    }
    while sending.join_next().await.is_some() {}
}

impl Engine {
    /// One look at everything; true where more is waiting than was looked at.
    async fn look(self: &Arc<Self>, last: &mut Last, sending: &mut JoinSet<()>) -> bool {
        let more = self.look_at_budgets().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "budgets cannot be looked at for alerts; it is tried again");
            false
        });
        if is_time(&mut last.statements, STATEMENTS_EVERY)
            && let Err(error) = self.look_for_statements().await
        {
            tracing::warn!(%error, "statements cannot be announced; it is tried again");
        }
        if is_time(&mut last.pruned, PRUNE_EVERY)
            && let Err(error) = self.forget_old_events().await
        {
            tracing::warn!(%error, "old events of webhooks cannot be removed; it is tried again");
        }
        if let Err(error) = self.send_due(sending).await {
            tracing::warn!(%error, "deliveries to webhooks cannot be read; it is tried again");
        }
        more
    }
}
