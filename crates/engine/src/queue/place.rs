//! Waiting for a turn, and holding what it gives.

use std::{borrow::Cow, sync::Arc, time::Duration};

use insula_model::{Result, TenantId};
use insula_providers::Allowance;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::{FULL_RETRY_AFTER, LaneKey, Queue, Used, Waited, ask::Grant, late};

/// A place in a line. Left early, it is given up.
pub(super) struct Place {
    queue: Arc<Queue>,
    pub key: LaneKey,
    pub tenant: TenantId,
    pub ticket: u64,
    /// Taken once leave was given.
    outcome: Option<oneshot::Receiver<Grant>>,
    waited: Waited,
}

impl Place {
    pub fn new(
        queue: Arc<Queue>,
        key: LaneKey,
        tenant: TenantId,
        ticket: u64,
        outcome: oneshot::Receiver<Grant>,
        waited: Waited,
    ) -> Self {
        Self { queue, key, tenant, ticket, outcome: Some(outcome), waited }
    }

    /// Waits for leave to go, at most `wait_max`.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::RateLimited`] when it did not come in time.
    pub async fn wait(mut self, wait_max: Duration) -> Result<Slot> {
        let granted = match self.outcome.as_mut() {
            Some(outcome) => timeout(wait_max, outcome).await.ok().and_then(Result::ok),
            None => None,
        };
        // Dropped without one, the place is given up.
        let Some(grant) = granted else { return Err(late(wait_max, FULL_RETRY_AFTER)) };
        self.outcome = None;
        let queued = self.queue.clock.elapsed().saturating_sub(self.waited.since);
        let (queue, key) = (self.queue.clone(), self.key.clone());
        Ok(Slot { queue, key, grant: Some(grant), queued: Some((queued, self.waited)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut outcome) = self.outcome.take() {
            self.queue.leave(self, || outcome.try_recv().ok());
        }
    }
}

/// Leave to send one request, and its seat; given back when this is dropped.
pub(crate) struct Slot {
    queue: Arc<Queue>,
    key: LaneKey,
    grant: Option<Grant>,
    queued: Option<(Duration, Waited)>,
}

impl Slot {
    pub(super) fn at_once(queue: Arc<Queue>, key: LaneKey, grant: Grant) -> Self {
        Self { queue, key, grant: Some(grant), queued: None }
    }

    /// How long it waited, microseconds.
    pub fn queued_us(&self) -> u64 {
        self.queued.map_or(0, |(queued, _)| u64::try_from(queued.as_micros()).unwrap_or(u64::MAX))
    }

    /// Where in its tenant's line it began to wait, and what for; `None` where it went at once.
    pub fn reason(&self) -> Option<Cow<'static, str>> {
        self.queued.map(|(_, waited)| format!("position {}: {}", waited.position, waited.kept.name()).into())
    }

    /// The provider wants nothing more for so long.
    pub fn hold(&self, wait: Duration) {
        self.queue.hold(&self.key, wait);
    }

    /// The provider said what is left of its allowance.
    pub fn heed(&self, allowance: &Allowance) {
        self.queue.heed(&self.key, allowance);
    }

    /// The answer has ended: gives the seat back, and says what it took.
    pub fn settle(mut self, used: Used) {
        self.give_back(Some(used));
    }

    fn give_back(&mut self, used: Option<Used>) {
        if let Some(grant) = self.grant.take() {
            self.queue.give_back(&self.key, &grant, used);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back(None);
    }
}

/// Lets the next one of a lane go at its time, again and again until nobody waits for a time any more. At an earlier time where
/// `bell` rings.
pub(super) fn ring(queue: Arc<Queue>, key: LaneKey, bell: Arc<Notify>) {
    // Without a runtime (the process is stopping) nobody waits either.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        while let Some(wait) = queue.look(&key) {
            let _ = timeout(wait, bell.notified()).await;
        }
    });
}
