//! Sends the calls of a batch through the pipeline like any request, each until it has an answer or a refusal that is one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use insula_model::{BatchId, BatchWait, BudgetLevel, Cause, Error, ErrorKind, Operation, RequestId, Result};
use insula_providers::{ChatRequest, EmbeddingsRequest, ModerationsRequest, NoRoom};
use insula_store::{LineRow, TenantSeals};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{
    ErrorDialect,
    detail::seal_line,
    output::{Outcome, answered, unanswered},
    run::Running,
};
use crate::{
    Answer, CacheControl, Call, Engine, RateView,
    directory::BatchOwner,
    idempotency,
    runs::{Stop, Watch},
};

/// The pause before a call is made again whose provider failed; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// How long a batch waits for a provider that does not say how long.
const PROVIDER_WAIT: Duration = Duration::from_secs(5);
/// The shortest wait for what says how long.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// How long until a twin of a line, on a node that lost the batch, is looked at again.
const TWIN_WAIT: Duration = Duration::from_secs(1);
/// This part of a limit on pace a batch leaves to others.
pub(crate) const LEFT_TO_OTHERS: u32 = 4;

/// What all lines of a batch are sent with.
pub(super) struct Sender {
    engine: Arc<Engine>,
    dialect: ErrorDialect,
    owner: BatchOwner,
    tags: std::collections::BTreeMap<String, String>,
    batch: BatchId,
    pub operation: Operation,
    request_tag: [u8; 4],
    seals: Arc<TenantSeals>,
    watch: Watch,
    /// Until when no line is sent, and why.
    pause: Mutex<Option<(Instant, BatchWait)>>,
}

/// A call: a line, or several in one.
pub(super) struct Parcel {
    /// What tells it from the other calls of its batch, whoever makes it.
    pub name: String,
    pub body: Body,
}

/// What a call sends.
pub(super) enum Body {
    /// A line's body, which is checked when it is sent.
    Line(Bytes),
    /// Several lines' bodies in one.
    Joined(Box<EmbeddingsRequest>),
}

/// What a call came to.
pub(super) enum Came {
    /// To this answer.
    Answer(RequestId, Bytes),
    /// To this refusal, which is final for the call as it is.
    Refusal(RequestId, Error),
}

/// What follows from an error.
enum Next {
    /// It is what the call came to.
    Final,
    /// Nothing: somebody goes on with it later.
    Later,
    /// It is sent again after this long.
    After(Duration),
    /// The same, as one of the few tries that a call has.
    Try,
    /// The key of this try is used up: again under the next.
    NewKey,
}

impl Sender {
    pub fn new(batch: &Running, watch: Watch) -> Self {
        Self {
            engine: Arc::clone(&batch.engine),
            dialect: batch.dialect,
            owner: batch.owner.clone(),
            tags: batch.detail.tags.clone(),
            batch: batch.row.id,
            operation: batch.row.operation,
            request_tag: batch.request_tag,
            seals: Arc::clone(&batch.seals),
            watch,
            pause: Mutex::new(None),
        }
    }

    /// A new one.
    pub fn request_id(&self) -> RequestId {
        self.engine.request_id(self.request_tag)
    }

    /// What lines wait for at the moment.
    pub fn waits(&self) -> Option<BatchWait> {
        self.pause.lock().filter(|(until, _)| *until > Instant::now()).map(|(_, what)| what)
    }

    /// No line is sent for so long.
    fn hold(&self, what: BatchWait, wait: Duration) {
        let until = Instant::now() + wait.max(WAIT_MIN);
        let mut pause = self.pause.lock();
        if pause.is_none_or(|(known, _)| known < until) {
            *pause = Some((until, what));
        }
    }

    /// Returns once lines may be sent; false where none is any more.
    async fn may_send(&self) -> bool {
        loop {
            if self.watch.stop().is_some() {
                return false;
            }
            let until = self.pause.lock().map(|(until, _)| until).filter(|until| *until > Instant::now());
            let Some(until) = until else { return true };
            self.rest(until - Instant::now()).await;
        }
    }

    /// Waits so long, or until the batch is to stop.
    async fn rest(&self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            () = self.watch.wait() => {}
        }
    }

    /// Leaves to the tenant's other callers what they may want of its pace in the next moment.
    fn leave_room(&self, rates: &[RateView]) {
        let wait = wait_for_room(rates);
        if !wait.is_zero() {
            self.hold(BatchWait::Pace, wait);
        }
    }

    /// Makes a call until nothing better comes of it; `None` where the batch stopped before.
    pub async fn until_done(&self, parcel: &Parcel) -> Option<Came> {
        let (mut key, mut tries) = (0, 0);
        loop {
            if !self.may_send().await {
                return None;
            }
            let request = self.request_id();
            let error = match self.send(request, parcel, key).await {
                Ok(Answer::Json { body, rates, .. }) => {
                    self.leave_room(&rates);
                    return Some(Came::Answer(request, body));
                }
                Ok(Answer::Cached { transcript, rates, .. }) => {
                    self.leave_room(&rates);
                    return Some(Came::Answer(request, transcript.body.clone()));
                }
                Ok(Answer::Replay(kept)) => return Some(Came::Answer(request, kept.body.clone())),
                Ok(Answer::Stream { .. }) => Error::internal("a line of a batch was answered with a stream"),
                Err(error) => error,
            };
            // Before it is judged: a budget that is too small for many lines does not stop a batch while it has room for one.
            if parcel.is_joined() && may_hold_for_some(&error) {
                return Some(Came::Refusal(request, error));
            }
            match self.judge(&error) {
                Next::Later => return None,
                Next::NewKey => key += 1,
                Next::After(wait) => self.rest(wait).await,
                Next::Try if tries + 1 < self.engine.settings.batches.line_attempts_max => {
                    self.rest(RETRY_FIRST * 2_u32.saturating_pow(tries)).await;
                    tries += 1;
                }
                Next::Try | Next::Final => return Some(Came::Refusal(request, error)),
            }
        }
    }

    /// One call. A caller's own key is visible ASCII, so none of them can ever be this one.
    async fn send(&self, request: RequestId, parcel: &Parcel, key: u32) -> Result<Answer> {
        let engine = &self.engine;
        let call = Call {
            // Asked for anew, because limits change while a batch runs.
            credential: engine.directory.for_batch(&self.owner)?,
            request,
            started_at: engine.clock.now(),
            started: engine.clock.elapsed(),
            idempotency_key: Some(format!("\0{}/{}/{key}", self.batch, parcel.name)),
            cache: CacheControl::default(),
            tags: self.tags.clone(),
            end_user: None,
            complexity: None,
            cause: Cause::Base,
            is_background: true,
            status_of: self.dialect.status_of,
        };
        let body = match &parcel.body {
            Body::Line(body) => body.clone(),
            Body::Joined(joined) => return engine.embeddings(call, EmbeddingsRequest::clone(joined)).await,
        };
        match self.operation {
            Operation::Chat => {
                let chat = ChatRequest::parse(body)?;
                if chat.stream {
                    return Err(Error::invalid("a line of a batch has no stream; leave `stream` out").at("stream"));
                }
                engine.chat(call, chat).await
            }
            Operation::Embeddings => engine.embeddings(call, EmbeddingsRequest::parse(body)?).await,
            Operation::Moderations => engine.moderations(call, ModerationsRequest::parse(body)?).await,
        }
    }

    /// The smallest limit on tokens a minute of the tenant and the key.
    pub fn tokens_per_minute(&self) -> Option<u32> {
        let credential = self.engine.directory.for_batch(&self.owner).ok()?;
        let key = credential.key.as_ref().and_then(|key| key.limits.tokens_per_minute);
        [credential.tenant.limits.tokens_per_minute, key].into_iter().flatten().min()
    }

    /// What is kept of a line that came to this; `id` is its own in the output.
    pub fn row(&self, number: u64, id: RequestId, custom_id: &str, outcome: &Outcome) -> LineRow {
        let plain = answered(id, custom_id, outcome)
            .unwrap_or_else(|| unanswered(id, custom_id, "provider_failed", "the provider's answer is no JSON"));
        let sealed_result = seal_line(&self.engine, &self.seals, self.batch, number, &plain);
        LineRow { line: number, failed: outcome.status >= 400, sealed_result }
    }

    /// What a call that was refused came to.
    pub fn refused(&self, request: RequestId, error: &Error) -> Outcome {
        Outcome { request, status: (self.dialect.status_of)(error), body: (self.dialect.body_of)(error, request).into() }
    }

    /// What follows from an error, and for the batch as a whole.
    fn judge(&self, error: &Error) -> Next {
        match error.kind() {
            ErrorKind::Conflict if idempotency::is_used_up(error) => Next::NewKey,
            ErrorKind::Conflict => Next::After(TWIN_WAIT),
            ErrorKind::RateLimited { retry_after } => {
                self.hold(BatchWait::Pace, *retry_after);
                Next::After(Duration::ZERO)
            }
            ErrorKind::ProviderRateLimited { retry_after } => {
                self.hold(BatchWait::Pace, retry_after.unwrap_or(PROVIDER_WAIT));
                Next::After(Duration::ZERO)
            }
            // It was sent and is billed: not again without end.
            ErrorKind::Unavailable { .. } if NoRoom::is_behind(error) => Next::Try,
            ErrorKind::Unavailable { retry_after } => {
                self.hold(BatchWait::Unavailable, *retry_after);
                Next::After(Duration::ZERO)
            }
            // An end user whom this line alone names holds up no other line.
            ErrorKind::BudgetExceeded(refusal) if refusal.level == BudgetLevel::EndUser && self.owner.end_user.is_none() => {
                Next::Final
            }
            ErrorKind::BudgetExceeded(_) => {
                self.watch.halt(Stop::Budget);
                Next::Later
            }
            ErrorKind::Unauthenticated | ErrorKind::Suspended | ErrorKind::NotFound => {
                self.watch.halt(Stop::Withdrawn);
                Next::Later
            }
            ErrorKind::ProviderFailed | ErrorKind::ProviderTimeout => Next::Try,
            _ => Next::Final,
        }
    }
}

/// How long what nobody waits for goes on waiting, so that the tenant's other callers find a part of its pace free.
pub(crate) fn wait_for_room(rates: &[RateView]) -> Duration {
    let wait = |view: &RateView| {
        let short = (view.limit / LEFT_TO_OTHERS).saturating_sub(view.remaining);
        Duration::from_secs(60) * short / view.limit.max(1)
    };
    rates.iter().map(wait).max().unwrap_or_default()
}

impl Parcel {
    fn is_joined(&self) -> bool {
        matches!(self.body, Body::Joined(_))
    }
}

/// Whether a refusal of several lines in one call may hold for some of them, or for no single one: it is about what they say, or about how
/// much they are together.
pub(super) fn may_hold_for_some(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::ProviderRejected(status) => *status != 404,
        // The answers to fewer take less.
        ErrorKind::Unavailable { .. } => NoRoom::is_behind(error),
        ErrorKind::Invalid
        | ErrorKind::TooLarge
        | ErrorKind::AnswerTooLarge
        | ErrorKind::Unbounded
        | ErrorKind::NoRoute
        | ErrorKind::BudgetExceeded(_) => true,
        _ => false,
    }
}
