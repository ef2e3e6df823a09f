//! The path of a request. Read this first.
//!
//! One function, one line a stage, each stage in a file of its own. Authentication comes before, in the server: it turns
//! a credential into the scope that everything here is opened with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use insula_model::{Cause, Complexity, CredentialOwner, Error, ErrorKind, RequestId, Result, Subject, Timestamp};
use insula_providers::Route;
use insula_store::{Attribution, Seat};
use tokio::sync::oneshot;

use crate::{
    CacheControl, CacheView, Engine, LiveStream, RateView, Transcript,
    attempts::{Attempts, Next},
    cache::{self, Found},
    credentials::{self, OwnAccount},
    directory::{Limited, TenantCredential},
    end_users::EndUser,
    flight::{Held, Left},
    idempotency::{self, Turn},
    isolation, limits,
    owed::Owed,
    queue::{self, Slot},
    reserve, responses, retrieval,
    route::{Candidate, Expected, Watch},
    send,
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
    /// What the caller wants of the answer cache.
    pub cache: CacheControl,
    /// The labels that the caller gave beside the body; the engine adds those of body, key and tenant.
    pub tags: BTreeMap<String, String>,
    /// Whom it is made for; the engine finds out.
    pub end_user: Option<EndUser>,
    /// How demanding the caller says that it is.
    pub complexity: Option<Complexity>,
    /// Why it is made: because a caller asks, or because a text has to be embedded so that it is found.
    pub cause: Cause,
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

    /// What the bill of an attempt for it tells besides what it used.
    pub(crate) fn attribution(&self, queued_us: u64, credential: CredentialOwner) -> Attribution {
        let plan = self.credential.tenant.record.plan.clone().map(String::from);
        let end_user = self.end_user.as_ref().map(|user| user.id);
        Attribution { plan, end_user, tags: self.tags.clone(), queued_us, credential }
    }

    /// Whether the credential that let this call in still stands.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] once its key was revoked, or its tenant suspended or erased.
    pub(crate) fn still_admitted(&self) -> Result<()> {
        if self.credential.is_withdrawn() { Err(withdrawn()) } else { Ok(()) }
    }

    /// The tenant and the key with the limits that each has.
    pub(crate) fn limited_subjects(&self) -> impl Iterator<Item = Limited> {
        self.credential.limited_subjects()
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
        /// What the cache did; absent where the tenant has none.
        cache: Option<CacheView>,
    },
    /// A stream of server-sent events.
    Stream {
        /// The events; settles itself when it ends or is dropped.
        stream: LiveStream,
        /// Pace limits, tightest first.
        rates: Vec<RateView>,
        /// What the cache did; absent where the tenant has none.
        cache: Option<CacheView>,
    },
    /// The answer that the very same request got before.
    Cached {
        /// What the caller of that one got.
        transcript: Arc<Transcript>,
        /// Pace limits, tightest first.
        rates: Vec<RateView>,
        /// Since it was made.
        age: Duration,
    },
    /// The answer that the same `Idempotency-Key` got before.
    Replay(Arc<Transcript>),
}

/// Runs a call through every stage. `gone` resolves when the caller has left.
pub(crate) async fn run(engine: Arc<Engine>, call: Call, work: Work, gone: oneshot::Receiver<()>) -> Result<Answer> {
    let (call, work, mut presence) = (Arc::new(call), Arc::new(work), Presence::until(gone));
    let mut trace = Trace::open(&engine, &call, &work).await?;
    // Cheap, before anything costs: not even a replay is free of pace.
    let limited = trace.stage(&engine, "limits", limits::charge(&engine, &call, &work)).await;
    // A replay takes no money, so it comes before the budget.
    let claimed = match limited {
        Ok(rates) => idempotency::claim(&engine, &call, &work).await.map(|turn| (turn, rates)),
        Err(error) => Err(error),
    };
    let (claim, rates) = match claimed {
        Ok((Turn::Replay(transcript), _)) => return call.still_admitted().map(|()| Answer::Replay(transcript)),
        Ok((Turn::First(claim), rates)) => (claim, rates),
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    // Before route and money: what is held must cover all that was said before.
    let work = match responses::resume(&engine, &call, work, &mut trace).await {
        Ok(work) => work,
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    // Documents before the cache: an answer is given again only where they say what they said.
    let comes_back = claim.mark().is_some();
    let searched = presence.unless_lost(retrieval::resolve(&engine, &call, work, &mut trace), comes_back).await;
    let work = match searched {
        Ok(work) => work,
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    // An answer that is there already costs nothing, so it comes before the route and its budget.
    let found = presence.unless_lost(cache::look(&engine, &call, &work, &claim, &mut trace), comes_back).await;
    // Who may serve it, in which order: what is reserved depends on it.
    let routed = match found {
        Ok(Found::Kept(kept)) => return cache::give(&engine, &call, trace, claim, kept, rates).await,
        Ok(Found::Nothing(fill)) => trace.route(&engine, &call, &work).map(|candidates| (Owed { claim, fill }, candidates)),
        Err(error) => Err(error),
    };
    let (owed, candidates) = match routed {
        Ok(routed) => routed,
        Err(error) => {
            trace.refuse(&engine, &call, &error);
            return Err(error);
        }
    };
    // The first attempt, and others after it where it fails before any of its answer has gone out.
    let attempts = Attempts::new(engine, call.clone(), work, candidates);
    match attempts.next(Left { owed, trace, ended: None }, presence.lost()).await? {
        Next::Flight(flight, attempts) => send::send(*flight, attempts, &call, rates, presence).await,
        Next::Replay(transcript) => call.still_admitted().map(|()| Answer::Replay(transcript)),
    }
}

/// Whether the caller is still there.
pub(crate) struct Presence(Option<oneshot::Receiver<()>>);

impl Presence {
    fn until(gone: oneshot::Receiver<()>) -> Self {
        Self(Some(gone))
    }

    /// Resolves once the caller has left, and at once ever after.
    pub async fn lost(&mut self) {
        if let Some(gone) = &mut self.0 {
            let _ = gone.await;
            self.0 = None;
        }
    }

    /// Does what comes before anything is sent, unless the caller leaves: then nobody waits for it, and nothing is sent. Who sent an
    /// `Idempotency-Key` may come back for the answer.
    async fn unless_lost<T>(&mut self, work: impl Future<Output = Result<T>>, comes_back: bool) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.lost(), if !comes_back => Err(send::client_gone()),
        }
    }
}

/// What an attempt holds once every stage before the send has let it through.
pub(crate) struct Admitted {
    pub route: Route,
    pub expected: Expected,
    pub cause: Cause,
    pub watch: Watch,
    pub hold: Held,
    pub seat: Seat,
    pub slot: Slot,
    /// How many tokens of its input keep its tenant apart.
    pub isolation_tokens: u64,
    /// The tenant's own account at the provider, where it has one.
    pub own: Option<OwnAccount>,
}

/// Takes an attempt at a candidate through the stages before the send.
pub(crate) async fn admit(
    engine: &Arc<Engine>,
    call: &Call,
    work: &Arc<Work>,
    candidate: &Candidate,
    cause: Cause,
    watch: Watch,
    trace: &mut Trace,
) -> Result<Admitted> {
    let Candidate { route, expected } = candidate.clone();
    // What keeps its prompt apart from others' at the provider; counting it may take its time, so nothing is held yet.
    let isolation_tokens = isolation::tokens(engine, call, work, &route).await;
    // By whose account it goes: each has a line of its own. The platform's never steps in for a tenant's.
    let own = credentials::account(engine, call, &route.provider).await?;
    // The most that it can cost is held before it is sent; held by guard, so that no later refusal leaks it.
    let hold = trace.stage(engine, "budget", reserve::hold(engine, call, work, &route)).await?;
    let hold = Held::new(engine.clone(), hold);
    // Before the queue: who has too much under way by its own limit is told at once.
    let seat = trace.stage(engine, "turn", turn::take(engine, call)).await?;
    // A fair turn last: nobody keeps a seat at a provider waiting for money.
    let slot = trace.queue(engine, queue::take(engine, call, work, &route, own.as_ref(), hold.get()?)).await?;
    // Waiting took its time: a credential that was withdrawn meanwhile sends nothing.
    call.still_admitted()?;
    engine.directory.check_current()?;
    credentials::check_unchanged(engine, call, &route.provider, own.as_ref())?;
    // Told with what is sent.
    isolation::note(engine, isolation_tokens, trace);
    Ok(Admitted { route, expected, cause, watch, hold, seat, slot, isolation_tokens, own })
}
