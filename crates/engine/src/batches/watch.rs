//! What stops a batch while this node runs it: the node itself stops, or another has taken it.

use std::{sync::Arc, time::Duration};

use insula_store::BatchRun;
use tokio::{sync::watch, task::JoinHandle};

use super::runner::CLAIMED_FOR;
use crate::Engine;

/// How often the claim is prolonged: several times before it could run out.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Why no further line is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Another node has it by now.
    Lost,
    /// This node stops.
    Node,
    /// Its time ran out.
    Expired,
    /// Its tenant cancelled it.
    Cancelled,
    /// A budget is used up.
    Budget,
    /// Nothing can be sent in its caller's name any more, or for the moment.
    Withdrawn,
}

/// Keeps a claim alive until it is ended, and says why a batch is to stop.
pub(super) struct Watch {
    stop: watch::Sender<Option<Stop>>,
    ended: watch::Sender<bool>,
    task: JoinHandle<BatchRun>,
    claim: BatchRun,
}

impl Watch {
    /// Begins to keep a claim alive.
    pub fn begin(engine: Arc<Engine>, claim: BatchRun) -> Self {
        let (stop, ended) = (watch::Sender::new(None), watch::Sender::new(false));
        let task = tokio::spawn(keep(engine, claim, stop.clone(), ended.subscribe()));
        Self { stop, ended, task, claim }
    }

    /// Why it is to stop, where it is.
    pub fn stop(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    /// Lets it stop; the first reason counts.
    pub fn halt(&self, why: Stop) {
        halt(&self.stop, why);
    }

    /// For those who wait and are not to wait longer than that.
    pub fn stops(&self) -> Stops {
        Stops(self.stop.clone())
    }

    /// The claim as it stands now. It is not prolonged any more.
    pub async fn end(self) -> BatchRun {
        self.ended.send_replace(true);
        self.task.await.unwrap_or(self.claim)
    }
}

/// Hears whether a batch is to stop, and may say so.
#[derive(Clone)]
pub(super) struct Stops(watch::Sender<Option<Stop>>);

impl Stops {
    /// Whether it is to stop.
    pub fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Lets it stop; the first reason counts.
    pub fn halt(&self, why: Stop) {
        halt(&self.0, why);
    }

    /// Resolves when it is to stop.
    pub async fn wait(&self) {
        // This end of the channel is one that sends: it does not close.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

fn halt(stop: &watch::Sender<Option<Stop>>, why: Stop) {
    stop.send_if_modified(|known| known.is_none().then(|| *known = Some(why)).is_some());
}

async fn keep(
    engine: Arc<Engine>,
    mut claim: BatchRun,
    stop: watch::Sender<Option<Stop>>,
    mut ended: watch::Receiver<bool>,
) -> BatchRun {
    let mut stopping = engine.batches.stopping();
    let mut is_stopping = false;
    loop {
        tokio::select! {
            () = until_set(&mut ended) => return claim,
            () = until_set(&mut stopping), if !is_stopping => {
                is_stopping = true;
                halt(&stop, Stop::Node);
            }
            () = tokio::time::sleep(RENEW_EVERY) => {
                let until = engine.clock.now().plus(CLAIMED_FOR);
                match engine.store.upkeep().renew_batch(&claim, until).await {
                    Ok(true) => claim.claimed_until = until,
                    Ok(false) => halt(&stop, Stop::Lost),
                    // Away for the moment: should it last, another node takes the batch up, and what both do is kept once.
                    Err(error) => tracing::debug!(batch = %claim.batch, %error, "a claim cannot be prolonged"),
                }
            }
        }
    }
}

async fn until_set(flag: &mut watch::Receiver<bool>) {
    // A sender that is gone says nothing different any more.
    let _ = flag.wait_for(|is_set| *is_set).await;
}
