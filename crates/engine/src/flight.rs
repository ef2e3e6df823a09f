//! An attempt under way with everything that must end together: its money, its seat, its trace, its twin's wait.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use insula_model::{AttemptId, AttemptOutcome, Cause, Error, ErrorKind, ReleaseMode, Result, TokenCounts};
use insula_providers::{Allowance, Route, UpstreamError, normalised};
use insula_store::{Admission, Attribution, Begin, End, Seat, Seq};

use crate::{
    CacheView, Call, Engine,
    accounts::{Amounts, Hold},
    cache::Ended,
    directory::TenantCredential,
    end_users,
    idempotency::{Claim, Transcript},
    owed::Owed,
    pipeline::Admitted,
    queue::{Latency, Signal, Slot, Used},
    trace::{AttemptRecord, Trace},
    work::Work,
};

/// A hold that is given back unless it is taken out.
pub(crate) struct Held {
    engine: Arc<Engine>,
    hold: Option<Hold>,
}

impl Held {
    pub fn new(engine: Arc<Engine>, hold: Hold) -> Self {
        Self { engine, hold: Some(hold) }
    }

    /// What is held.
    ///
    /// # Errors
    /// Our own fault: it was taken out.
    pub fn get(&self) -> Result<&Hold> {
        self.hold.as_ref().ok_or_else(|| Error::internal("a hold was taken out twice"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.engine.accounts.release(&hold);
        }
    }
}

/// Something is under way that a stop waits for.
struct Aloft(Arc<Engine>);

impl Aloft {
    fn of(engine: &Arc<Engine>) -> Self {
        engine.flights.open.fetch_add(1, Ordering::SeqCst);
        Self(engine.clone())
    }
}

impl Clone for Aloft {
    fn clone(&self) -> Self {
        Self::of(&self.0)
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        if self.0.flights.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.flights.landed.notify_waiters();
        }
    }
}

/// How an attempt ended, with what the provider said it used.
pub(crate) struct Landing {
    pub outcome: AttemptOutcome,
    pub usage: Option<TokenCounts>,
    /// Bytes of output that were seen, where usage was not reported; `None` when the whole hold may have been used.
    pub output_bytes: Option<u64>,
    /// How quickly it was answered, where it was.
    pub latency: Option<Latency>,
    pub response_model: Option<String>,
    pub fingerprint: Option<String>,
}

impl Landing {
    /// An end of which nothing is known but how it came about.
    pub fn blind(outcome: AttemptOutcome) -> Self {
        Self { outcome, usage: None, output_bytes: None, latency: None, response_model: None, fingerprint: None }
    }
}

/// An open attempt.
///
/// It ends in [`Flight::land`] or [`Flight::never_sent`], exactly once. Dropped without either (a panic in between) it is
/// settled as an estimate at the full hold, as a crash would be.
pub(crate) struct Flight {
    pub engine: Arc<Engine>,
    pub work: Arc<Work>,
    pub route: Route,
    pub attempt: AttemptId,
    pub begun: Seq,
    pub credential: TenantCredential,
    status_of: fn(&Error) -> u16,
    open: Option<Open>,
    aloft: Aloft,
}

struct Open {
    hold: Hold,
    trace: Trace,
    owed: Owed,
    _seat: Seat,
    slot: Slot,
}

impl Flight {
    /// Journals the attempt's BEGIN: after this it is sent, and whatever happens it has a row.
    ///
    /// # Errors
    /// When the journal takes no new attempts; everything held is given back.
    pub fn take_off(
        engine: Arc<Engine>,
        call: &Call,
        work: Arc<Work>,
        trace: Trace,
        owed: Owed,
        admitted: Admitted,
    ) -> Result<Self> {
        let Admitted { route, mut hold, seat, slot } = admitted;
        let reserved = hold.get()?;
        let attempt = engine.ids.attempt();
        let begun = engine.store.journal().begin(&Begin {
            attempt,
            request: call.request,
            tenant: call.credential.scope.tenant(),
            key: call.credential.key.as_ref().map(|key| key.record.id),
            reserved_at: reserved.at(),
            operation: work.operation(),
            cause: Cause::Base,
            provider: route.card.provider.clone(),
            model: route.card.name.clone(),
            price_row: route.price_row.id.clone(),
            reserved: reserved.amounts().money,
            input_tokens_max: reserved.input_tokens_max,
            output_tokens_max: reserved.output_tokens_max,
            idempotency: owed.mark(),
            attribution: Attribution {
                plan: call.credential.tenant.record.plan.clone().map(String::from),
                end_user: call.end_user.as_ref().map(|user| user.id),
                tags: call.tags.clone(),
                queued_us: slot.queued_us(),
            },
        });
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                trace.refuse(&engine, call, &error);
                return Err(error);
            }
        };
        if let Some(user) = &call.end_user {
            end_users::note(&engine, call.credential.scope, user);
        }
        let aloft = Aloft::of(&engine);
        let open = hold.hold.take().map(|hold| Open { hold, trace, owed, _seat: seat, slot });
        drop(hold);
        Ok(Self {
            engine,
            work,
            route,
            attempt,
            begun,
            credential: call.credential.clone(),
            status_of: call.status_of,
            open,
            aloft,
        })
    }

    /// The body for the provider, with the output maximum that was reserved where the caller stated none.
    pub fn upstream_body(&self) -> Bytes {
        let ours = self.open.as_ref().filter(|open| open.hold.sets_output_max);
        let per_choice = ours.map(|open| open.hold.output_tokens_max / self.work.choices().max(1));
        let body = self.work.upstream_body(&self.route.card, per_choice);
        // Whose requests go predictably has them all in one form.
        if self.credential.tenant.limits.mode == Some(ReleaseMode::Predictable) { normalised(body) } else { body }
    }

    /// Heeds what the provider said is left of its allowance.
    pub fn heed(&self, allowance: &Allowance) {
        if let Some(open) = self.open.as_ref().filter(|_| *allowance != Allowance::default()) {
            open.slot.heed(allowance);
        }
    }

    /// Whether the bytes of output that were seen bound its tokens: not where a model thinks unseen and was cut short.
    pub fn shows_all(&self, outcome: AttemptOutcome) -> bool {
        outcome == AttemptOutcome::Completed || !self.route.card.reasons_unseen
    }

    /// Whether what let this call in was taken back, or may have been for too long.
    pub fn is_withdrawn(&self) -> bool {
        self.credential.is_withdrawn() || self.engine.directory.is_lost()
    }

    /// The trace, to note stages and content.
    pub fn trace(&mut self) -> Option<&mut Trace> {
        self.open.as_mut().map(|open| &mut open.trace)
    }

    /// Whether somebody wants the answer even if its caller leaves: who sent an `Idempotency-Key` may come back for it, and others
    /// may wait who asked the same.
    pub fn is_awaited(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.owed.is_awaited())
    }

    /// How many bytes of the answer are to be kept; `None` where nobody wants them.
    pub fn transcript_bytes_max(&self) -> Option<usize> {
        self.open.as_ref().and_then(|open| open.owed.transcript_bytes_max(&self.engine))
    }

    /// What the caller is told of the answer cache.
    pub fn cache_view(&self) -> Option<CacheView> {
        self.open.as_ref().and_then(|open| open.owed.view())
    }

    /// The attempt is over: journals END and trace in one write, settles the budgets, frees the seat, and hands a
    /// finished answer to whoever waits under the same `Idempotency-Key`.
    pub fn land(&mut self, landing: Landing, result: Result<Option<Transcript>, &Error>) {
        let Some(Open { hold, mut trace, owed, _seat, slot }) = self.open.take() else { return };
        let (tokens, estimated) = match landing.usage {
            Some(tokens) if tokens.total() > 0 => (tokens, false),
            _ if landing.outcome == AttemptOutcome::Rejected => (TokenCounts::default(), false),
            _ => (estimate(&hold, landing.output_bytes), true),
        };
        let end = self.end(&hold, landing.outcome, tokens, estimated);
        let signal = signal(&landing, result.as_ref().err().copied());
        if let Err(ErrorKind::ProviderRateLimited { retry_after: Some(wait) }) = result.as_ref().map_err(|error| error.kind()) {
            slot.hold(*wait);
        }
        trace.attempts.push(self.record(&hold, &end, &landing));
        let (status, finished) = match result {
            Ok(finished) => (200, finished),
            Err(error) => {
                trace.answer(error.message().as_bytes());
                ((self.status_of)(error), None)
            }
        };
        let finished = finished.map(Arc::new);
        let entry = owed.claim.entry(&self.engine, &trace, finished.as_deref());
        let record = trace.close(&self.engine, status, true, entry);
        let used = Amounts { money: end.cost, tokens: end.tokens.total() };
        // Usage beyond what was held is billed in full, but is no measure for turns: a provider may say nonsense.
        let held = hold.amounts().tokens;
        let taken = Used { tokens: used.tokens.min(held), output_tokens: end.tokens.output_total().min(held), signal };
        let moves = self.engine.accounts.lease_moves(&hold, used);
        let ended = self.engine.store.journal().end(&end, Some(&record), &moves);
        self.settle(hold, used, ended);
        slot.settle(taken);
        let finished = finished.as_ref().map(|transcript| Ended {
            credential: &self.credential,
            work: &self.work,
            transcript,
            end: &end,
            model: &self.route.card.name,
            record: self.begun,
        });
        owed.resolve(&self.engine, finished, ended);
    }

    /// No byte reached the provider: everything is given back and the ledger gets no row.
    pub fn never_sent(&mut self, error: &Error) {
        let Some(Open { hold, trace, .. }) = self.open.take() else { return };
        let record = trace.close(&self.engine, (self.status_of)(error), false, None);
        let moves = self.engine.accounts.lease_moves(&hold, Amounts::default());
        let ended = self.engine.store.journal().release(self.attempt, &moves);
        self.engine.store.journal().trace(&record);
        self.settle(hold, Amounts::default(), ended);
    }

    /// Replaces the hold by what was used: at once where this node's memory decides alone; where a window is shared, once the
    /// end is kept for all to see, because until then others would count the whole hold against it if this node died.
    fn settle(&self, hold: Hold, used: Amounts, ended: Seq) {
        let engine = self.engine.clone();
        if !hold.is_leased() {
            engine.accounts.settle(&hold, used);
            return;
        }
        // A node that stops waits for this too: what it leases goes back whole.
        let aloft = self.aloft.clone();
        tokio::spawn(async move {
            engine.store.journal().synced(ended).await;
            engine.accounts.settle(&hold, used);
            drop(aloft);
        });
    }

    /// Returns once the attempt may be sent.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Unavailable`] where it could not be noted for all to see; it is then over.
    pub async fn admitted(&mut self) -> Result<Admission> {
        let admission = self.engine.store.journal().admitted(self.begun).await;
        let held = self.open.as_ref().map_or(Ok(()), |open| self.engine.accounts.still_held(&open.hold));
        let admitted = admission.and_then(|admission| held.map(|()| admission));
        if let Err(error) = &admitted {
            self.never_sent(error);
        }
        admitted
    }

    /// Gives everything back without having sent anything; what is left is the trace, and what others wait for.
    pub fn stand_back(&mut self) -> Option<(Owed, Trace)> {
        let Open { hold, trace, owed, .. } = self.open.take()?;
        let moves = self.engine.accounts.lease_moves(&hold, Amounts::default());
        let ended = self.engine.store.journal().release(self.attempt, &moves);
        self.settle(hold, Amounts::default(), ended);
        Some((owed, trace))
    }

    /// The right to the `Idempotency-Key`, while the attempt is open.
    pub fn claim(&self) -> Option<&Claim> {
        self.open.as_ref().map(|open| &open.owed.claim)
    }

    fn end(&self, hold: &Hold, outcome: AttemptOutcome, tokens: TokenCounts, estimated: bool) -> End {
        // A cost too large to store can only be nonsense usage; a hold is never that large.
        let (tokens, cost, estimated) = match self.route.price_row.price.cost(&tokens) {
            Ok(cost) => (tokens, cost, estimated),
            Err(_) => (estimate(hold, None), hold.amounts().money, true),
        };
        if cost > hold.amounts().money {
            tracing::warn!(attempt = %self.attempt, %cost, held = %hold.amounts().money, "usage above its reservation, settled in full");
        }
        End { attempt: self.attempt, settled_at: self.engine.clock.now(), outcome, tokens, cost, estimated }
    }

    fn record(&self, hold: &Hold, end: &End, landing: &Landing) -> AttemptRecord {
        AttemptRecord {
            id: self.attempt.to_string(),
            cause: Cow::Borrowed(Cause::Base.name()),
            provider: self.route.card.provider.clone(),
            model: self.route.card.name.clone(),
            price_row: self.route.price_row.id.clone(),
            outcome: Cow::Borrowed(end.outcome.name()),
            tokens: end.tokens,
            cost: end.cost,
            reserved: hold.amounts().money,
            output_tokens_max: hold.output_tokens_max,
            estimated: end.estimated,
            response_model: landing.response_model.clone(),
            fingerprint: landing.fingerprint.clone(),
        }
    }
}

/// What an attempt's end says of how much its provider bears; nothing where the caller ended it, or its request was at fault.
fn signal(landing: &Landing, error: Option<&Error>) -> Option<Signal> {
    let Some(error) = error else { return landing.latency.map(|latency| Signal::Success { latency }) };
    let status = UpstreamError::of(error).map(|said| said.status);
    match error.kind() {
        ErrorKind::ProviderRateLimited { .. } | ErrorKind::ProviderTimeout => Some(Signal::Overloaded),
        // 529 is what some vendors say for "overloaded".
        ErrorKind::ProviderFailed if matches!(status, Some(503 | 529)) => Some(Signal::Overloaded),
        ErrorKind::ProviderFailed => Some(Signal::Failed),
        _ => None,
    }
}

/// What is billed where the provider did not say: never less than it can have been, never more than was held.
/// The input at its bound; the output by the bytes that were seen (a token has at least one), or at its bound.
fn estimate(hold: &Hold, output_bytes: Option<u64>) -> TokenCounts {
    let output = output_bytes.map_or(hold.output_tokens_max, |bytes| bytes.min(hold.output_tokens_max));
    TokenCounts { input: hold.input_tokens_max, output, ..TokenCounts::default() }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.open.is_some() {
            tracing::error!(attempt = %self.attempt, "an attempt was abandoned; it is settled as an estimate");
            self.land(Landing::blind(AttemptOutcome::Broken), Err(&Error::internal("abandoned")));
        }
    }
}
