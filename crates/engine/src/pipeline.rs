//! The path of a request. Read this first.
//!
//! One function, one line a stage, each stage in a file of its own. Authentication comes before, in the server: it turns
//! a credential into the scope that everything here is opened with.

use std::{sync::Arc, time::Duration};

use insula_model::{Error, Limits, RequestId, Result, Subject, Timestamp};
use tokio::sync::oneshot;

use crate::{
    Engine, LiveStream, RateView, Transcript,
    directory::TenantCredential,
    flight::Flight,
    idempotency::{self, Turn},
    limits, reserve, send,
    trace::Trace,
    turn,
    work::Work,
};

/// Who calls, and with what around the body.
pub struct Call {
    /// The verified credential.
    pub credential: TenantCredential,
    /// The id that the caller is told.
    pub request: RequestId,
    /// When the call arrived.
    pub started_at: Timestamp,
    /// The same on the engine clock's stopwatch.
    pub started: Duration,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The status that the caller will see for an error; the mapping is the server's.
    pub status_of: fn(&Error) -> u16,
}

impl Call {
    /// Every account that this call belongs to.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let tenant = self.credential.scope.tenant();
        let key = self.credential.key.as_ref().map(|key| Subject::Key(tenant, key.record.id));
        [Some(Subject::Platform), Some(Subject::Tenant(tenant)), key].into_iter().flatten().collect()
    }

    /// The tenant and the key with the limits that each has.
    pub(crate) fn limited_subjects(&self) -> impl Iterator<Item = (Subject, Limits)> {
        let tenant = self.credential.scope.tenant();
        let key = self.credential.key.as_ref().map(|key| (Subject::Key(tenant, key.record.id), key.limits));
        std::iter::once((Subject::Tenant(tenant), self.credential.tenant.limits)).chain(key)
    }
}

/// What the caller gets.
pub enum Answer {
    /// A whole answer as JSON.
    Json {
        /// The provider's body.
        body: bytes::Bytes,
        /// Pace limits, tightest first.
        rates: Vec<RateView>,
    },
    /// A stream of server-sent events.
    Stream {
        /// The events; settles itself when it ends or is dropped.
        stream: LiveStream,
        /// Pace limits, tightest first.
        rates: Vec<RateView>,
    },
    /// The answer that the same `Idempotency-Key` got before.
    Replay(Arc<Transcript>),
}

/// Runs a call through every stage. `gone` resolves when the caller has left.
pub(crate) async fn run(engine: Arc<Engine>, call: Call, work: Work, gone: oneshot::Receiver<()>) -> Result<Answer> {
    let work = Arc::new(work);
    // First of all: a replay costs nothing, so it passes no limit and no budget.
    let claim = match idempotency::claim(&engine, &call, &work).await? {
        Turn::First(claim) => claim,
        Turn::Replay(transcript) => return Ok(Answer::Replay(transcript)),
    };
    let mut trace = Trace::open(&engine, &call, &work).await?;
    let admitted = admit(&engine, &call, &work, &mut trace).await;
    let (flight, rates) = match admitted {
        Ok((admitted, rates)) => (Flight::take_off(engine, &call, work, trace, claim, admitted)?, rates),
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    send::send(flight, rates, gone).await
}

/// What a call holds once every stage before the send has let it through.
pub(crate) struct Admitted {
    pub route: insula_providers::Route,
    pub hold: crate::flight::Held,
    pub seat: insula_store::Seat,
}

async fn admit(engine: &Arc<Engine>, call: &Call, work: &Arc<Work>, trace: &mut Trace) -> Result<(Admitted, Vec<RateView>)> {
    // Cheap, before anything costs.
    let rates = trace.stage(engine, "limits", limits::charge(engine, call, work)).await?;
    // Which provider serves the model, at which price: what is reserved depends on it.
    let route = trace
        .stage(engine, "route", async { engine.providers.route(work.model(), work.operation(), engine.clock.now()) })
        .await?;
    // The most that it can cost is held before it is sent; held by guard, so that no later refusal leaks it.
    let hold = trace.stage(engine, "budget", reserve::hold(engine, call, work, &route)).await?;
    let hold = crate::flight::Held::new(engine.clone(), hold);
    // A seat last: it is not kept waiting by money.
    let seat = trace.stage(engine, "turn", turn::take(engine, call)).await?;
    Ok((Admitted { route, hold, seat }, rates))
}
