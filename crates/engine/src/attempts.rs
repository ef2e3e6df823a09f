//! The attempts at one request, one after the other: at the candidates in their order, and once all of them were tried, again at
//! the one that is ready soonest.
//!
//! Another attempt follows only where nothing of an answer has reached the caller, the failure is the provider's and may pass,
//! and there is time for it. It reserves for itself, takes a turn of its own, and has a row of its own in the ledger. Where it
//! is refused (a budget has no room for it, say) the caller is told of the failure before it.

use std::{pin::pin, sync::Arc, time::Duration};

use insula_model::{Cause, Error, ErrorKind, Random, Result};
use insula_providers::UpstreamError;
use tokio::sync::oneshot;

use crate::{
    Call, Engine, Transcript,
    admission::{self, Noted},
    credentials,
    flight::{Flight, Left},
    pipeline::{self, Admitted},
    route::{Candidate, Watch},
    send::client_gone,
    trace::Trace,
    work::Work,
};

/// What it takes to attempt a request, and what came of it so far.
pub(crate) struct Attempts {
    engine: Arc<Engine>,
    call: Arc<Call>,
    work: Arc<Work>,
    chances: Vec<Chance>,
    /// Which of them is next, or under way.
    at: usize,
    made: u32,
    made_max: u32,
    /// What the caller is told, unless a later attempt does better.
    failure: Option<Error>,
    /// When the headers of a stream go out, whatever has come by then.
    headers_at: Option<Duration>,
}

struct Chance {
    candidate: Candidate,
    tries: u32,
    /// When it may be tried again, on the engine clock's stopwatch.
    not_before: Duration,
    /// It will refuse this request whenever it is asked.
    is_out: bool,
}

/// What becomes of a request.
pub(crate) enum Next {
    /// An attempt that may be sent, and what it takes to make another one.
    Flight(Box<Flight>, Box<Attempts>),
    /// The same `Idempotency-Key` was answered meanwhile, by another node.
    Replay(Arc<Transcript>),
}

/// Where a request may be sent again after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Anywhere,
    /// Not to the same: it refuses the account, or answers more than is taken from there.
    Elsewhere,
    Nowhere,
}

impl Again {
    fn after(error: &Error) -> Self {
        let status = UpstreamError::of(error).map(|said| said.status);
        match (error.kind(), status) {
            (ErrorKind::ProviderRateLimited { .. } | ErrorKind::ProviderTimeout, _) => Again::Anywhere,
            // 429 as a failure is an account without means.
            (ErrorKind::ProviderFailed, Some(401..=403 | 429)) => Again::Elsewhere,
            (ErrorKind::AnswerTooLarge, _) => Again::Elsewhere,
            (ErrorKind::ProviderFailed, Some(400..=499)) => Again::Nowhere,
            (ErrorKind::ProviderFailed, _) => Again::Anywhere,
            _ => Again::Nowhere,
        }
    }
}

impl Attempts {
    /// None was made yet.
    pub fn new(engine: Arc<Engine>, call: Arc<Call>, work: Arc<Work>, candidates: Vec<Candidate>) -> Box<Self> {
        let platform_max = engine.settings.routing.attempts_max;
        let made_max = call.credential.tenant.routing.attempts_max.map_or(platform_max, |own| own.min(platform_max));
        let chance = |candidate| Chance { candidate, tries: 0, not_before: Duration::ZERO, is_out: false };
        let chances = candidates.into_iter().map(chance).collect();
        Box::new(Self { engine, call, work, chances, at: 0, made: 0, made_max, failure: None, headers_at: None })
    }

    /// Whether another attempt follows one that failed with this error.
    pub fn may_follow(&mut self, error: &Error) -> bool {
        let (now, settings) = (self.engine.clock.elapsed(), &self.engine.settings.routing);
        let wait = self.wait_after(error);
        let Some(chance) = self.chances.get_mut(self.at) else { return false };
        match Again::after(error) {
            Again::Nowhere => return false,
            Again::Elsewhere => chance.is_out = true,
            Again::Anywhere => chance.not_before = now + wait,
        }
        let Some(next) = self.soonest().filter(|_| self.made < self.made_max) else { return false };
        let begins = self.chances[next].not_before.max(now);
        self.at = next;
        // While a status can still tell of the failure, no wait is begun that would end in an event instead.
        let tells_late = self.headers_at.is_some_and(|headers_at| now < headers_at && headers_at <= begins);
        let is_in_time = begins.saturating_sub(self.call.started) <= settings.retry_within;
        !tells_late && is_in_time && begins - now <= settings.retry_wait_max
    }

    /// The headers of a stream go out at this time, whatever has come by then.
    pub fn tell_headers_at(&mut self, headers_at: Duration) {
        self.headers_at = Some(headers_at);
    }

    /// No other attempt follows the one that is under way.
    pub fn stop(&mut self) {
        self.made_max = self.made;
    }

    /// An attempt failed with this, and another follows.
    pub fn failed(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// The candidate that is ready soonest: one that was not tried, in their order, before one that was.
    fn soonest(&self) -> Option<usize> {
        let entry = credentials::tenant_now(&self.engine, &self.call);
        let is_open = |chance: &Chance| self.engine.health.is_open(&entry.lane(&chance.candidate.route.card), entry.record.id);
        let ready = self.chances.iter().enumerate().filter(|(_, chance)| !chance.is_out && !is_open(chance));
        ready.min_by_key(|(place, chance)| (chance.tries > 0, chance.not_before, *place)).map(|(place, _)| place)
    }

    /// How long the candidate that failed is left alone: as long as it asks for, or a little longer each time.
    fn wait_after(&self, error: &Error) -> Duration {
        let settings = &self.engine.settings.routing;
        if let ErrorKind::ProviderRateLimited { retry_after: Some(wait) } = error.kind() {
            return *wait;
        }
        let tries = self.chances.get(self.at).map_or(0, |chance| chance.tries);
        let doubled = settings.retry_wait_first.saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled.min(settings.retry_wait_max).mul_f64(jitter(&*self.engine.random))
    }

    /// Makes the next attempt, ready to be sent. `gone` resolves when nobody waits for it any more.
    ///
    /// # Errors
    /// The refusal of a stage; after a failure, that failure.
    pub async fn next(mut self: Box<Self>, left: Left, gone: impl Future<Output = ()>) -> Result<Next> {
        let Left { mut owed, mut trace, ended } = left;
        let journal = self.engine.store.journal();
        // Until its end is kept for all to see, the attempt before would look like a twin on another node.
        if let Some(ended) = ended.filter(|_| owed.mark().is_some() && journal.is_shared()) {
            journal.synced(ended).await;
        }
        let mut gone = pin!(gone);
        loop {
            let admitted = tokio::select! {
                admitted = self.admit(&mut trace) => admitted,
                // Nobody waits for it: nothing is sent. Who sent an `Idempotency-Key` may come back for the answer.
                () = &mut gone, if owed.mark().is_none() => Err(client_gone()),
            };
            let admitted = match admitted {
                Ok(admitted) => admitted,
                Err(refusal) => {
                    let error = self.failure.take().unwrap_or(refusal);
                    trace.refuse(&self.engine, &self.call, &error);
                    return Err(error);
                }
            };
            let flight = Flight::take_off(self.engine.clone(), &self.call, self.work.clone(), trace, owed, admitted)?;
            // Noted before a byte is sent, and only sent where no other node has a twin under way.
            match admission::admit(&self.engine, &self.call, flight).await? {
                Noted::Admitted(flight) => {
                    self.made += 1;
                    self.chances[self.at].tries += 1;
                    return Ok(Next::Flight(flight, self));
                }
                Noted::Replay(transcript) => return Ok(Next::Replay(transcript)),
                Noted::Again(again) => (owed, trace) = *again,
            }
        }
    }

    /// The same in a task of its own, for a stream that others poll.
    pub fn go_on(self: Box<Self>, left: Left) -> Awaited {
        let (mut tell, next) = oneshot::channel();
        tokio::spawn(async move {
            let engine = self.engine.clone();
            let next = self.next(left, tell.closed()).await;
            if let Ok(Next::Flight(flight, _)) = &next {
                // The stream's headers may be out already: no byte reaches the caller before this record is synced.
                engine.store.journal().synced(flight.begun).await;
            }
            if let Err(Ok(Next::Flight(mut flight, _))) = tell.send(next) {
                flight.never_sent(&client_gone());
            }
        });
        Awaited(next)
    }

    /// Waits until the next candidate is ready, then holds all that an attempt at it needs.
    async fn admit(&mut self, trace: &mut Trace) -> Result<Admitted> {
        let wait = self.chances[self.at].not_before.saturating_sub(self.engine.clock.elapsed());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let watch = self.watch()?;
        let chance = &self.chances[self.at];
        let cause = match (self.made, chance.tries) {
            (0, _) => self.call.cause,
            (_, 0) => Cause::Fallback,
            _ => Cause::Retry,
        };
        pipeline::admit(&self.engine, &self.call, &self.work, &chance.candidate, cause, watch, trace).await
    }

    /// Asks the circuit of the next candidate, and of the others where it has opened meanwhile.
    fn watch(&mut self) -> Result<Watch> {
        let entry = credentials::tenant_now(&self.engine, &self.call);
        loop {
            let lane = entry.lane(&self.chances[self.at].candidate.route.card);
            if let Some(watch) = self.engine.health.admit(lane, entry.record.id) {
                return Ok(watch);
            }
            self.at = self.soonest().ok_or_else(|| {
                let message = "every provider of this model keeps failing, and is tried again in a moment (circuit_open)";
                Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, message)
            })?;
        }
    }
}

/// The next attempt, while it is made. Given up when dropped.
pub(crate) struct Awaited(pub oneshot::Receiver<Result<Next>>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.close();
        if let Ok(Ok(Next::Flight(mut flight, _))) = self.0.try_recv() {
            flight.never_sent(&client_gone());
        }
    }
}

/// From a half to a whole, so that those who failed together do not come back together.
fn jitter(random: &dyn Random) -> f64 {
    let mut byte = [0; 1];
    random.fill(&mut byte);
    0.5 + f64::from(byte[0]) / 512.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let failed = |status| Error::new(ErrorKind::ProviderFailed, "").caused_by(UpstreamError { status, code: None });
        for (error, again) in [
            (failed(500), Again::Anywhere),
            (failed(529), Again::Anywhere),
            (failed(401), Again::Elsewhere),
            (failed(429), Again::Elsewhere),
            (failed(418), Again::Nowhere),
            (Error::new(ErrorKind::ProviderFailed, "it broke"), Again::Anywhere),
            (Error::new(ErrorKind::ProviderTimeout, ""), Again::Anywhere),
            (Error::new(ErrorKind::AnswerTooLarge, ""), Again::Elsewhere),
            (Error::new(ErrorKind::ProviderRateLimited { retry_after: None }, ""), Again::Anywhere),
            (Error::new(ErrorKind::ProviderRejected(400), ""), Again::Nowhere),
            (Error::new(ErrorKind::Unauthenticated, ""), Again::Nowhere),
            (client_gone(), Again::Nowhere),
        ] {
            assert_eq!(Again::after(&error), again, "{error:?}");
        }
    }
}
