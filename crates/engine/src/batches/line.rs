//! One line of a batch: sent through the pipeline like any request, until it has an answer or a refusal that is one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use insula_model::{BatchId, BatchWait, BudgetLevel, Error, ErrorKind, Operation, RequestId, Result};
use insula_providers::{ChatRequest, EmbeddingsRequest};
use insula_store::{LineRow, TenantSeals};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::{
    ErrorDialect,
    detail::seal_line,
    lines::{Line, parse},
    run::Running,
};
use crate::{
    Answer, CacheControl, Call, Engine, RateView,
    directory::BatchOwner,
    idempotency,
    runs::{Stop, Watch},
};

/// The pause before a line is sent again whose provider failed; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// How long a batch waits for a provider that does not say how long.
const PROVIDER_WAIT: Duration = Duration::from_secs(5);
/// The shortest wait for what says how long.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// How long until a twin of a line, on a node that lost the batch, is looked at again.
const TWIN_WAIT: Duration = Duration::from_secs(1);
/// This part of a limit on pace a batch leaves to others.
const LEFT_TO_OTHERS: u32 = 4;

/// What all lines of a batch are sent with.
pub(super) struct Sender {
    engine: Arc<Engine>,
    dialect: ErrorDialect,
    owner: BatchOwner,
    tags: std::collections::BTreeMap<String, String>,
    batch: BatchId,
    operation: Operation,
    request_tag: [u8; 4],
    seals: Arc<TenantSeals>,
    watch: Watch,
    /// Until when no line is sent, and why.
    pause: Mutex<Option<(Instant, BatchWait)>>,
}

/// What a line came to.
struct Outcome {
    request: RequestId,
    status: u16,
    body: Bytes,
}

/// What follows from an error.
enum Next {
    /// It is what the line came to.
    Final,
    /// Nothing: somebody goes on with it later.
    Later,
    /// It is sent again after this long.
    After(Duration),
    /// The same, as one of the few tries that a line has.
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

    fn request_id(&self) -> RequestId {
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
        let wait = |view: &RateView| {
            let short = (view.limit / LEFT_TO_OTHERS).saturating_sub(view.remaining);
            Duration::from_secs(60) * short / view.limit.max(1)
        };
        let wait = rates.iter().map(wait).max().unwrap_or_default();
        if !wait.is_zero() {
            self.hold(BatchWait::Pace, wait);
        }
    }

    /// One call. A caller's own key is visible ASCII, so none of them can ever be this one.
    async fn send(&self, request: RequestId, line: u64, key: u32, body: Bytes) -> Result<Answer> {
        let engine = &self.engine;
        let call = Call {
            // Asked for anew, because limits change while a batch runs.
            credential: engine.directory.for_batch(&self.owner)?,
            request,
            started_at: engine.clock.now(),
            started: engine.clock.elapsed(),
            idempotency_key: Some(format!("\0{}/{line}/{key}", self.batch)),
            cache: CacheControl::default(),
            tags: self.tags.clone(),
            end_user: None,
            complexity: None,
            is_background: true,
            status_of: self.dialect.status_of,
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
        }
    }

    fn refused(&self, request: RequestId, error: &Error) -> Outcome {
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

/// Sends a line until it is done; `None` where the batch stopped before.
pub(super) async fn perform(sender: Arc<Sender>, line: Line) -> Option<LineRow> {
    let (number, batch) = (line.number, sender.batch);
    // It was right when the batch began.
    let parsed = parse(&line, sender.operation).ok().and_then(|request| {
        let body = Bytes::copy_from_slice(request.body?.get().as_bytes());
        Some((request.custom_id.into_owned(), body))
    });
    let (custom_id, outcome) = match parsed {
        Some((custom_id, body)) => (custom_id, until_done(&sender, number, body).await?),
        None => {
            let request = sender.request_id();
            (String::new(), sender.refused(request, &Error::internal("a line of a batch was right and is not any more")))
        }
    };
    let failed = outcome.status >= 400;
    let plain = answered(&custom_id, &outcome)
        .unwrap_or_else(|| unanswered(outcome.request, &custom_id, "provider_failed", "the provider's answer is no JSON"));
    let sealed_result = seal_line(&sender.engine, &sender.seals, batch, number, &plain);
    Some(LineRow { line: number, failed, sealed_result })
}

async fn until_done(sender: &Sender, number: u64, body: Bytes) -> Option<Outcome> {
    let (mut key, mut tries) = (0, 0);
    loop {
        if !sender.may_send().await {
            return None;
        }
        let request = sender.request_id();
        let error = match sender.send(request, number, key, body.clone()).await {
            Ok(Answer::Json { body, rates, .. }) => {
                sender.leave_room(&rates);
                return Some(Outcome { request, status: 200, body });
            }
            Ok(Answer::Cached { transcript, rates, .. }) => {
                sender.leave_room(&rates);
                return Some(Outcome { request, status: 200, body: transcript.body.clone() });
            }
            Ok(Answer::Replay(kept)) => return Some(Outcome { request, status: 200, body: kept.body.clone() }),
            Ok(Answer::Stream { .. }) => Error::internal("a line of a batch was answered with a stream"),
            Err(error) => error,
        };
        match sender.judge(&error) {
            Next::Later => return None,
            Next::NewKey => key += 1,
            Next::After(wait) => sender.rest(wait).await,
            Next::Try if tries + 1 < sender.engine.settings.batches.line_attempts_max => {
                sender.rest(RETRY_FIRST * 2_u32.saturating_pow(tries)).await;
                tries += 1;
            }
            Next::Try | Next::Final => return Some(sender.refused(request, &error)),
        }
    }
}

/// A line of the output, in OpenAI's shape.
#[derive(Serialize)]
struct Output<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<OutputError<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: String,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct OutputError<'a> {
    code: &'a str,
    message: &'a str,
}

/// What the output says of a line that was answered, in one line; `None` where the answer is no JSON.
fn answered(custom_id: &str, outcome: &Outcome) -> Option<Vec<u8>> {
    let body: &RawValue = serde_json::from_slice(&outcome.body).ok()?;
    let response = Response { status_code: outcome.status, request_id: outcome.request.to_string(), body };
    let mut line = written(outcome.request, custom_id, Some(response), None);
    // In JSON a line can only end between two tokens.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    Some(line)
}

/// What the output says of a line that has no answer.
pub(super) fn unanswered(request: RequestId, custom_id: &str, code: &str, message: &str) -> Vec<u8> {
    written(request, custom_id, None, Some(OutputError { code, message }))
}

fn written(request: RequestId, custom_id: &str, response: Option<Response<'_>>, error: Option<OutputError<'_>>) -> Vec<u8> {
    let output = Output { id: format!("batch_req_{}", request.bare()), custom_id, response, error };
    // Texts, numbers and JSON always serialise.
    serde_json::to_vec(&output).unwrap_or_default()
}
