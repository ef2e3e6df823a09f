//! The path of a request. Read this first.
//!
//! One function, one line a stage, each stage in a file of its own. Authentication comes before, in the server: it turns
//! a credential into the scope that everything here is opened with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, Limits, RequestId, Result, Subject, Timestamp};
use insula_providers::Route;
use insula_store::Seat;
use tokio::sync::oneshot;

use crate::{
    Engine, LiveStream, RateView, Transcript,
    admission::{self, Noted},
    directory::TenantCredential,
    end_users::EndUser,
    flight::{Flight, Held},
    idempotency::{self, Turn},
    limits,
    queue::{self, Slot},
    reserve, send,
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
    /// The labels that the caller gave beside the body; the engine adds those of body, key and tenant.
    pub tags: BTreeMap<String, String>,
    /// Whom it is made for; the engine finds out.
    pub end_user: Option<EndUser>,
    /// Whether nobody waits for it, so that it lets its tenant's other requests pass.
    pub is_background: bool,
    /// The status that the caller will see for an error; the mapping is the server's.
    pub status_of: fn(&Error) -> u16,
}

impl Call {
    /// Every account that this call belongs to.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let tenant = self.credential.scope.tenant();
        let key = self.credential.key.as_ref().map(|key| Subject::Key(tenant, key.record.id));
        let end_user = self.end_user.as_ref().map(|user| Subject::EndUser(tenant, user.id));
        [Some(Subject::Platform), Some(Subject::Tenant(tenant)), key, end_user].into_iter().flatten().collect()
    }

    /// Whether the credential that let this call in still stands.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] once its key was revoked, or its tenant suspended or erased.
    pub(crate) fn still_admitted(&self) -> Result<()> {
        if self.credential.is_withdrawn() { Err(withdrawn()) } else { Ok(()) }
    }

    /// The tenant and the key with the limits that each has.
    pub(crate) fn limited_subjects(&self) -> impl Iterator<Item = (Subject, Limits)> {
        let tenant = self.credential.scope.tenant();
        let key = self.credential.key.as_ref().map(|key| (Subject::Key(tenant, key.record.id), key.limits));
        std::iter::once((Subject::Tenant(tenant), self.credential.tenant.limits)).chain(key)
    }
}

/// The credential was taken back while its request was under way.
pub(crate) fn withdrawn() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the credential of this request was withdrawn")
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
pub(crate) async fn run(engine: Arc<Engine>, call: Call, work: Work, mut gone: oneshot::Receiver<()>) -> Result<Answer> {
    let work = Arc::new(work);
    let mut trace = Trace::open(&engine, &call, &work).await?;
    // Cheap, before anything costs: not even a replay is free of pace.
    let limited = trace.stage(&engine, "limits", limits::charge(&engine, &call, &work)).await;
    // A replay takes no money, so it comes before the budget.
    let claimed = match limited {
        Ok(rates) => idempotency::claim(&engine, &call, &work).await.map(|turn| (turn, rates)),
        Err(error) => Err(error),
    };
    let (mut claim, rates) = match claimed {
        Ok((Turn::Replay(transcript), _)) => return call.still_admitted().map(|()| Answer::Replay(transcript)),
        Ok((Turn::First(claim), rates)) => (claim, rates),
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    loop {
        let admitted = tokio::select! {
            admitted = admit(&engine, &call, &work, &mut trace) => admitted,
            // Nobody waits for it: nothing is sent. Who sent an `Idempotency-Key` may come back for the answer.
            _ = &mut gone, if claim.mark().is_none() => Err(send::client_gone()),
        };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                trace.refuse(&engine, &call, &error);
                return Err(error);
            }
        };
        let flight = Flight::take_off(engine.clone(), &call, work.clone(), trace, claim, admitted)?;
        // Noted before a byte is sent, and only sent where no other node has a twin under way.
        match admission::admit(&engine, &call, flight).await? {
            Noted::Admitted(flight) => return send::send(*flight, rates, gone).await,
            Noted::Replay(transcript) => return call.still_admitted().map(|()| Answer::Replay(transcript)),
            Noted::Again(again) => (claim, trace) = *again,
        }
    }
}

/// What a call holds once every stage before the send has let it through.
pub(crate) struct Admitted {
    pub route: Route,
    pub hold: Held,
    pub seat: Seat,
    pub slot: Slot,
}

async fn admit(engine: &Arc<Engine>, call: &Call, work: &Arc<Work>, trace: &mut Trace) -> Result<Admitted> {
    // Which provider serves the model, at which price: what is reserved depends on it.
    let route = trace.stage(engine, "route", async { work.route(engine, call.credential.tenant.models.as_deref()) }).await?;
    // The most that it can cost is held before it is sent; held by guard, so that no later refusal leaks it.
    let hold = trace.stage(engine, "budget", reserve::hold(engine, call, work, &route)).await?;
    let hold = Held::new(engine.clone(), hold);
    // Before the queue: who has too much under way by its own limit is told at once.
    let seat = trace.stage(engine, "turn", turn::take(engine, call)).await?;
    // A fair turn last: nobody keeps a seat at a provider waiting for money.
    let slot = trace.queue(engine, queue::take(engine, call, work, &route, hold.get()?)).await?;
    // Waiting took its time: a credential that was withdrawn meanwhile sends nothing.
    call.still_admitted()?;
    engine.directory.check_current()?;
    Ok(Admitted { route, hold, seat, slot })
}
