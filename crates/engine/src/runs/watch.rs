//! What stops work while this node does it: the node itself stops, or another has taken it.

use std::{sync::Arc, time::Duration};

use insula_store::Run;
use tokio::{sync::watch, task::JoinHandle};

use super::runner::CLAIMED_FOR;
use crate::Engine;

/// How often a claim is prolonged: several times before it could run out.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Why it goes no further for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
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

/// Hears whether work is to stop, and may say so.
#[derive(Clone)]
pub(crate) struct Watch(watch::Sender<Option<Stop>>);

impl Watch {
    /// Why it is to stop, where it is.
    pub fn stop(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Lets it stop; the first reason counts.
    pub fn halt(&self, why: Stop) {
        self.0.send_if_modified(|known| known.is_none().then(|| *known = Some(why)).is_some());
    }

    /// Resolves when it is to stop.
    pub async fn wait(&self) {
        // This end of the channel is one that sends: it does not close.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

/// Keeps a claim alive until it is ended.
pub(super) struct Claim {
    watch: Watch,
    ended: watch::Sender<bool>,
    task: JoinHandle<Run>,
    run: Run,
}

impl Claim {
    /// Begins to keep a claim alive, on a node that stops when `stopping` is set.
    pub fn keep(engine: Arc<Engine>, run: Run, stopping: watch::Receiver<bool>) -> Self {
        let (watch, ended) = (Watch(watch::Sender::new(None)), watch::Sender::new(false));
        let task = tokio::spawn(keep(engine, run, watch.clone(), ended.subscribe(), stopping));
        Self { watch, ended, task, run }
    }

    /// What says why the work is to stop.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The claim as it stands now. It is not prolonged any more.
    pub async fn end(self) -> Run {
        self.ended.send_replace(true);
        self.task.await.unwrap_or(self.run)
    }
}

async fn keep(
    engine: Arc<Engine>,
    mut run: Run,
    watch: Watch,
    mut ended: watch::Receiver<bool>,
    mut stopping: watch::Receiver<bool>,
) -> Run {
    let mut is_stopping = false;
    loop {
        tokio::select! {
            () = until_set(&mut ended) => return run,
            () = until_set(&mut stopping), if !is_stopping => {
                is_stopping = true;
                watch.halt(Stop::Node);
            }
            () = tokio::time::sleep(RENEW_EVERY) => {
                let until = engine.clock.now().plus(CLAIMED_FOR);
                match engine.store.upkeep().renew_run(&run, until).await {
                    Ok(true) => run.claimed_until = until,
                    Ok(false) => watch.halt(Stop::Lost),
                    // Away for the moment: should it last, another node takes the work up, and what both do is kept once.
                    Err(error) => tracing::debug!(kind = run.kind.name(), %error, "a claim cannot be prolonged"),
                }
            }
        }
    }
}

async fn until_set(flag: &mut watch::Receiver<bool>) {
    // A sender that is gone says nothing different any more.
    let _ = flag.wait_for(|is_set| *is_set).await;
}
