//! An attempt under way with everything that must end together: its money, its seat, its trace, its twin's wait.

mod ending;
mod held;
mod landing;

use std::sync::Arc;

use bytes::Bytes;
use insula_model::{AttemptId, AttemptOutcome, Cause, Error, ErrorKind, ReleaseMode, Result};
use insula_providers::{Allowance, Isolation, Outbound, Route, SendFailure, Sent, normalised};
use insula_store::{Admission, Begin, End, LeaseMove, Seat, Seq, TraceRecord};

use self::held::Aloft;
pub(crate) use self::{
    held::Held,
    landing::{Landing, output_bound},
};
use crate::{
    CacheView, Call, Engine, Mismatch,
    accounts::{Amounts, Hold},
    cache::Ended,
    credentials::{self, OwnAccount},
    directory::TenantCredential,
    end_users,
    idempotency::{Claim, Transcript},
    isolation,
    owed::Owed,
    pipeline::Admitted,
    queue::{Slot, Used},
    route::{Expected, Outcome, Watch},
    trace::Trace,
    work::Work,
};

/// An open attempt.
///
/// It ends in [`Flight::land`] or [`Flight::never_sent`], exactly once; where another attempt follows it, in
/// [`Flight::make_way`] or [`Flight::stand_back`]. Dropped without either (a panic in between) it is
/// settled as an estimate at the full hold, as a crash would be.
pub(crate) struct Flight {
    pub engine: Arc<Engine>,
    pub work: Arc<Work>,
    pub route: Route,
    pub attempt: AttemptId,
    pub begun: Seq,
    cause: Cause,
    expected: Expected,
    own: Option<OwnAccount>,
    pub credential: TenantCredential,
    status_of: fn(&Error) -> u16,
    isolation_tokens: u64,
    open: Option<Open>,
    aloft: Aloft,
}

struct Open {
    hold: Hold,
    trace: Trace,
    owed: Owed,
    _seat: Seat,
    slot: Slot,
    watch: Watch,
}

/// What goes on to the next attempt of a request.
pub(crate) struct Left {
    /// To whom the answer is owed.
    pub owed: Owed,
    pub trace: Trace,
    /// The record that ends the attempt before; absent before the first.
    pub ended: Option<Seq>,
}

/// An attempt whose end is about to be journaled.
struct Ending {
    end: End,
    used: Amounts,
    taken: Used,
    outcome: Outcome,
    moves: Vec<LeaseMove>,
    /// Whether the version that answered is none that the tenant or the catalogue excludes.
    is_approved: bool,
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
        let Admitted { route, expected, cause, watch, mut hold, seat, slot, isolation_tokens, own } = admitted;
        let reserved = hold.get()?;
        let attempt = engine.ids.attempt();
        let begun = engine.store.journal().begin(&Begin {
            attempt,
            request: call.request,
            tenant: call.credential.scope.tenant(),
            key: call.credential.key.as_ref().map(|key| key.record.id),
            reserved_at: reserved.at(),
            operation: work.operation(),
            cause,
            provider: route.card.provider.clone(),
            model: route.card.name.clone(),
            price_row: route.price_row.id.clone(),
            reserved: reserved.amounts().money,
            input_tokens_max: reserved.input_tokens_max,
            output_tokens_max: reserved.output_tokens_max,
            idempotency: owed.mark(),
            attribution: call.attribution(slot.queued_us(), credentials::owner(own.as_ref())),
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
        let open = hold.take().map(|hold| Open { hold, trace, owed, _seat: seat, slot, watch });
        Ok(Self {
            engine,
            work,
            route,
            attempt,
            begun,
            cause,
            expected,
            own,
            credential: call.credential.clone(),
            status_of: call.status_of,
            isolation_tokens,
            open,
            aloft,
        })
    }

    /// The body for the provider, with the output maximum that was reserved where the caller stated none.
    ///
    /// # Errors
    /// `Invalid`, naming what the provider's form cannot say.
    pub fn upstream_body(&self) -> Result<Bytes> {
        let ours = self.open.as_ref().filter(|open| open.hold.sets_output_max);
        let per_choice = ours.map(|open| open.hold.output_tokens_max / self.work.choices().max(1));
        let salt = self.engine.salts.of(self.credential.scope.tenant());
        let cache = isolation::of(&self.credential, &self.route.provider);
        let body = self.work.upstream_body(&self.route, per_choice, Isolation { salt: &salt, cache })?;
        // Whose requests go predictably has them all in one form.
        Ok(if self.credential.tenant.limits.mode == Some(ReleaseMode::Predictable) { normalised(body) } else { body })
    }

    /// Sends the attempt.
    pub fn send(&self) -> impl Future<Output = Result<Sent, SendFailure>> + Send + use<> {
        let (provider, attempt, operation) = (self.route.provider.clone(), self.attempt, self.work.operation());
        let asked = self.work.asked(attempt.to_string(), self.engine.clock.now());
        let (card, body) = (self.route.card.clone(), self.upstream_body());
        let key = self.own.as_ref().map(|own| own.key.clone());
        let room = self.engine.answer_rooms.of(self.credential.scope.tenant());
        async move {
            let body = body.map_err(SendFailure::NotSent)?;
            let outbound = Outbound { body, card, asked, key, room };
            provider.perform(operation, attempt, outbound).await
        }
    }

    /// Heeds what the provider said is left of its allowance.
    pub fn heed(&self, allowance: &Allowance) {
        if let Some(open) = self.open.as_ref().filter(|_| *allowance != Allowance::default()) {
            open.slot.heed(allowance);
        }
    }

    /// The first of its answer is here.
    pub fn answered(&mut self) {
        if let Some(open) = &mut self.open {
            open.watch.answered();
        }
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

    /// An answer as its caller got it, with what it was made of.
    pub fn transcript(&self, is_stream: bool, body: Bytes) -> Transcript {
        let documents = self.work.grounds().map(|grounds| grounds.documents()).unwrap_or_default();
        Transcript { is_stream, body, documents }
    }

    /// What the caller is told of the answer cache.
    pub fn cache_view(&self) -> Option<CacheView> {
        self.open.as_ref().and_then(|open| open.owed.view())
    }

    /// Refuses an answer of another version than the tenant has approved, where that is what it wants.
    ///
    /// # Errors
    /// [`ErrorKind::VersionMismatch`].
    pub fn check_version(&self, model: Option<&str>, fingerprint: Option<&str>) -> Result<()> {
        self.expected.check(&self.route.card, model, fingerprint)
    }

    /// The attempt is over: journals END and trace in one write, settles the budgets, frees the seat, and hands a
    /// finished answer to whoever waits under the same `Idempotency-Key`.
    pub fn land(&mut self, landing: Landing, result: Result<Option<Transcript>, &Error>) {
        let Some(mut open) = self.open.take() else { return };
        let ending = self.ending(&mut open, &landing, result.as_ref().err().copied());
        let Open { hold, mut trace, owed, _seat, slot, watch } = open;
        if let Some(grounds) = self.work.grounds() {
            trace.retrieval = Some(grounds.record());
        }
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
        let ended = self.close_accounts(hold, slot, watch, &ending, Some(&record));
        let finished = finished.as_ref().map(|transcript| Ended {
            credential: &self.credential,
            work: &self.work,
            transcript,
            end: &ending.end,
            model: &self.route.card.name,
            is_approved: ending.is_approved,
            record: self.begun,
        });
        owed.resolve(&self.engine, finished, ended);
    }

    /// The attempt is over and another follows: journals its END alone. The trace goes on, and so does what others wait for.
    pub fn make_way(&mut self, landing: &Landing, error: &Error) -> Option<Left> {
        let mut open = self.open.take()?;
        let ending = self.ending(&mut open, landing, Some(error));
        let Open { hold, trace, owed, _seat, slot, watch } = open;
        let ended = self.close_accounts(hold, slot, watch, &ending, None);
        Some(Left { owed, trace, ended: Some(ended) })
    }

    /// What an end comes to; notes it on the trace, and on the lane what the provider asked for.
    fn ending(&self, open: &mut Open, landing: &Landing, error: Option<&Error>) -> Ending {
        let hold = &open.hold;
        let (tokens, estimated) = landing.tokens(hold);
        let end = self.end(hold, landing.outcome, tokens, estimated);
        if let Some(ErrorKind::ProviderRateLimited { retry_after: Some(wait) }) = error.map(Error::kind) {
            open.slot.hold(*wait);
        }
        open.trace.attempts.push(self.record(hold, &end, landing));
        let mismatches = self.mismatches(landing);
        let is_approved = !mismatches.iter().any(|mismatch| mismatch.is_locked);
        open.trace.mismatched(mismatches);
        let used = Amounts { money: end.cost, tokens: end.tokens.total() };
        // Usage beyond what was held is billed in full, but is no measure for turns: a provider may say nonsense.
        let held = hold.amounts().tokens;
        let signal = landing.signal(error);
        let taken = Used { tokens: used.tokens.min(held), output_tokens: end.tokens.output_total().min(held), signal };
        let moves = self.engine.accounts.lease_moves(hold, used);
        Ending { end, used, taken, outcome: Outcome::of(error, self.work.is_stream()), moves, is_approved }
    }

    fn close_accounts(&self, hold: Hold, slot: Slot, watch: Watch, ending: &Ending, trace: Option<&TraceRecord>) -> Seq {
        let ended = self.engine.store.journal().end(&ending.end, trace, &ending.moves);
        self.settle(hold, ending.used, ended);
        slot.settle(ending.taken);
        watch.report(ending.outcome);
        ended
    }

    /// In what an answer was another version than the approved one, or than the answer before it.
    fn mismatches(&self, landing: &Landing) -> Vec<Mismatch> {
        let (model, fingerprint) = (landing.response_model.as_deref(), landing.fingerprint.as_deref());
        if model.is_none() && fingerprint.is_none() && landing.outcome != AttemptOutcome::Completed {
            return Vec::new();
        }
        let found = self.engine.versions.note(
            &self.route.card,
            self.own.as_ref().map(|own| own.id),
            &self.expected,
            model,
            fingerprint,
        );
        for Mismatch { provider, model, what, is_locked, .. } in &found {
            tracing::warn!(attempt = %self.attempt, provider, model, %what, is_locked, "an answer came from another version");
        }
        found
    }

    /// No byte reached the provider: everything is given back and the ledger gets no row.
    pub fn never_sent(&mut self, error: &Error) {
        let Some(Open { hold, mut trace, watch, .. }) = self.open.take() else { return };
        watch.report(Outcome::of(Some(error), self.work.is_stream()));
        let has_attempts = !trace.attempts.is_empty();
        if has_attempts {
            trace.answer(error.message().as_bytes());
        }
        let record = trace.close(&self.engine, (self.status_of)(error), has_attempts, None);
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

    /// Gives everything back without having sent anything; `error` says why, where the provider could not be reached.
    pub fn stand_back(&mut self, error: Option<&Error>) -> Option<Left> {
        let Open { hold, trace, owed, watch, .. } = self.open.take()?;
        if error.is_some() {
            watch.report(Outcome::of(error, self.work.is_stream()));
        }
        let moves = self.engine.accounts.lease_moves(&hold, Amounts::default());
        let ended = self.engine.store.journal().release(self.attempt, &moves);
        self.settle(hold, Amounts::default(), ended);
        Some(Left { owed, trace, ended: Some(ended) })
    }

    /// The right to the `Idempotency-Key`, while the attempt is open.
    pub fn claim(&self) -> Option<&Claim> {
        self.open.as_ref().map(|open| &open.owed.claim)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.open.is_some() {
            tracing::error!(attempt = %self.attempt, "an attempt was abandoned; it is settled as an estimate");
            self.land(Landing::blind(AttemptOutcome::Broken), Err(&Error::internal("abandoned")));
        }
    }
}
