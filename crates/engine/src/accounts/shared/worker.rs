//! When to negotiate and what to give back: one task for all lines.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use insula_model::Result;
use insula_store::Recall;
use tokio::{
    sync::{Mutex, Notify},
    time::Instant,
};

use super::broker::Broker;
use crate::accounts::{Accounts, law::Verdict};

/// How often those who wait are weighed again: what other nodes give back tells nobody.
const POLL_EVERY: Duration = Duration::from_millis(25);

/// How often leases of ended windows are looked for, and what could not be given back is tried again.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// How long a stopping node tries to give back what it leases; the rest is taken from it once it is gone.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What a node needs beside its book where it is one of several.
pub(in crate::accounts) struct Shared {
    pub broker: Arc<dyn Broker>,
    /// Rounds in a row that failed.
    pub(super) failures: AtomicU32,
    pub(super) closing: AtomicBool,
    wake: Notify,
    /// Whoever talks to the broker, one at a time.
    talking: Mutex<()>,
}

impl Shared {
    pub fn new(broker: Arc<dyn Broker>) -> Self {
        Self {
            broker,
            failures: AtomicU32::new(0),
            closing: AtomicBool::new(false),
            wake: Notify::new(),
            talking: Mutex::new(()),
        }
    }

    /// Somebody waits, or something is to be given back.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether leases may be spent now.
    ///
    /// # Errors
    /// When this node stops, or was out of touch for too long.
    pub fn may_spend(&self) -> Result<()> {
        if self.closing.load(SeqCst) {
            return Err(crate::Engine::unavailable("the server is stopping"));
        }
        self.broker.may_spend()
    }
}

impl Accounts {
    /// Negotiates, answers recalls and gives back, until [`Accounts::close`]. Ends at once where this node is alone.
    pub async fn run(self: Arc<Self>) {
        let Some(shared) = &self.shared else { return };
        let mut epochs = shared.broker.epochs();
        let mut tidied = Instant::now();
        while !shared.closing.load(SeqCst) {
            let is_awaited = !self.state.lock().turns.is_empty();
            let pause = if is_awaited { POLL_EVERY } else { TIDY_EVERY };
            tokio::select! {
                () = shared.wake.notified() => {}
                recall = shared.broker.recalled() => self.recalled(recall),
                changed = epochs.changed() => match changed {
                    Ok(()) => self.fenced(*epochs.borrow_and_update()),
                    // Storage is closed: nothing can be negotiated any more.
                    Err(_) => return,
                },
                () = tokio::time::sleep(pause) => {}
            }
            if tidied.elapsed() >= TIDY_EVERY {
                tidied = Instant::now();
                if let Some(leases) = self.state.lock().book.leases() {
                    leases.note_ended(self.clock.now());
                }
            }
            let _talking = shared.talking.lock().await;
            self.give_back(shared).await;
            self.negotiate(shared).await;
        }
    }

    /// Gives back everything that is not held; nothing is reserved afterwards. What attempts still hold is settled by their
    /// ends.
    pub async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        shared.closing.store(true, SeqCst);
        shared.wake();
        let _talking = shared.talking.lock().await;
        let (epoch, returned) = {
            let mut state = self.state.lock();
            state.turns.send_all_away(|| Verdict::Failed(crate::Engine::unavailable("the server is stopping")));
            let Some(leases) = state.book.leases() else { return };
            (leases.epoch(), leases.take_all(self.clock.now()))
        };
        let given = tokio::time::timeout(CLOSE_MAX, shared.broker.give_back(epoch, &returned)).await;
        if !matches!(given, Ok(Ok(()))) {
            tracing::warn!("what this node leases of budgets could not be given back; the other nodes take it in a moment");
        }
    }

    /// This node lost everything that it leased: its attempts were settled by others, as estimates.
    pub(super) fn fenced(&self, epoch: u64) {
        if let Some(leases) = self.state.lock().book.leases() {
            leases.reset(epoch);
        }
    }

    pub(super) fn recalled(&self, recall: Recall) {
        let mut state = self.state.lock();
        let Some(leases) = state.book.leases() else { return };
        match recall {
            Recall::These(windows) => windows.iter().for_each(|window| leases.recalled(window)),
            Recall::All => leases.all_recalled(),
        }
    }

    /// Gives back what has to be. What cannot be now is remembered by the broker, so this is called also without anything.
    pub(super) async fn give_back(&self, shared: &Shared) {
        let (epoch, returned) = {
            let mut state = self.state.lock();
            let Some(leases) = state.book.leases() else { return };
            leases.reset(shared.broker.epoch());
            (leases.epoch(), leases.take_loose(self.clock.now()))
        };
        if let Err(error) = shared.broker.give_back(epoch, &returned).await {
            tracing::debug!(%error, "leases could not be given back; they are in a moment");
        }
    }
}
