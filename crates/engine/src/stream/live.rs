//! What a stream is made of: the attempt under way, or the next one being made.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use insula_model::{AttemptOutcome, Error, ErrorKind, Result};
use insula_providers::{Batch, ChatStream, SendFailure, Sent};
use insula_store::Seq;
use tokio::time::Sleep;

use super::{TICK, drain::DrainPlace};
use crate::{
    attempts::{Attempts, Awaited, Next},
    flight::{Flight, Landing, Left, output_bound},
    pipeline::withdrawn,
    queue::Latency,
    responses::Keeping,
    send::{self, client_gone},
};

/// From so many bytes on, events without content are passed on all the same; no other attempt can follow then.
const HELD_BACK_BYTES_MAX: usize = 64 << 10;

pub(super) struct Live {
    flight: Flight,
    /// Absent while the next attempt is made, and once none can follow.
    attempts: Option<Box<Attempts>>,
    source: Source,
    /// Events that wait for the response headers, or for the first content.
    waiting: Option<Bytes>,
    /// The last events, while the answer that they end is kept: who has seen its end can ask for it.
    keeping: Option<(Kept, Batch)>,
    /// Whether something was passed on: then no other attempt can follow.
    has_passed: bool,
    /// Kept where others want it too: for a replay, or for the answer cache.
    transcript: Option<BytesMut>,
    begun: Duration,
    /// How long the first content took, once it is there.
    first_content: Option<Duration>,
    ticker: Pin<Box<Sleep>>,
    heard: Duration,
    is_over: bool,
}

type Kept = Pin<Box<dyn Future<Output = ()> + Send>>;
type Opening = Pin<Box<dyn Future<Output = Result<Sent, SendFailure>> + Send>>;

enum Source {
    Opening(Opening),
    Open(Box<ChatStream>),
    /// One attempt has failed, and the next is not ready yet.
    Between(Awaited),
    Over,
}

impl Live {
    /// Sends the attempt.
    pub fn new(flight: Flight, mut attempts: Box<Attempts>) -> Self {
        let begun = flight.engine.clock.elapsed();
        attempts.tell_headers_at(begun + flight.engine.settings.header_wait_max);
        Self {
            source: Source::Opening(opening(&flight)),
            transcript: transcript(&flight),
            flight,
            attempts: Some(attempts),
            waiting: None,
            keeping: None,
            has_passed: false,
            begun,
            first_content: None,
            ticker: Box::pin(tokio::time::sleep(TICK)),
            heard: begun,
            is_over: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    pub fn is_withdrawn(&self) -> bool {
        self.flight.is_withdrawn()
    }

    /// The record that must be synced before a byte goes out.
    pub fn begun_record(&self) -> Seq {
        self.flight.begun
    }

    /// Whether what waits may go out: its answer stands, because no other attempt will take its place.
    pub fn may_pass(&self) -> bool {
        self.has_passed
            || self.is_over
            || self.first_content.is_some()
            || self.waiting.as_ref().is_some_and(|waiting| waiting.len() >= HELD_BACK_BYTES_MAX)
    }

    /// What waits, where it may go out.
    pub fn pass(&mut self) -> Option<Bytes> {
        let passed = if self.may_pass() { self.waiting.take() } else { None };
        self.has_passed |= passed.is_some();
        passed
    }

    pub fn keep_waiting(&mut self, bytes: Bytes) {
        self.waiting = Some(match self.waiting.take() {
            None => bytes,
            Some(earlier) => {
                let mut joined = BytesMut::from(&earlier[..]);
                joined.extend_from_slice(&bytes);
                joined.freeze()
            }
        });
    }

    /// The next batch of events from the provider; lands the flight when it was the last, or failed for good.
    pub fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        if let Some((kept, _)) = &mut self.keeping {
            ready!(kept.as_mut().poll(cx));
            self.land(AttemptOutcome::Completed, None);
            return Poll::Ready(self.keeping.take().map(|(_, batch)| Ok(batch)));
        }
        loop {
            let batch = match &mut self.source {
                Source::Over => return Poll::Ready(None),
                Source::Between(next) => {
                    let next = ready!(Pin::new(&mut next.0).poll(cx));
                    self.take_up(next.map_err(Error::internal).and_then(|next| next))
                }
                Source::Opening(opening) => {
                    let opened = ready!(opening.as_mut().poll(cx));
                    self.opened(opened)
                }
                Source::Open(stream) => {
                    let batch = ready!(stream.poll_batch(cx));
                    let (is_finished, whole) = (stream.finished(), stream.whole());
                    let keeping = whole.and_then(|whole| Some((Keeping::of(&self.flight)?, whole)));
                    match (self.take_batch(batch, is_finished && keeping.is_none()), keeping) {
                        (Some(Err(error)), _) => match self.broke(error) {
                            None => continue,
                            Some(error) => return Poll::Ready(Some(Err(error))),
                        },
                        (Some(Ok(batch)), Some((keeping, whole))) => {
                            self.keeping = Some((Box::pin(keeping.keep(whole)), batch));
                            return self.poll_batch(cx);
                        }
                        (taken, _) => return Poll::Ready(taken),
                    }
                }
            };
            if let Some(batch) = batch {
                return Poll::Ready(Some(batch));
            }
        }
    }

    /// The next attempt is ready to be sent, or there is none.
    fn take_up(&mut self, next: Result<Next>) -> Option<Result<Batch>> {
        match next {
            Ok(Next::Flight(flight, attempts)) => {
                self.begun = flight.engine.clock.elapsed();
                self.source = Source::Opening(opening(&flight));
                self.transcript = transcript(&flight);
                self.flight = *flight;
                self.attempts = Some(attempts);
                None
            }
            Ok(Next::Replay(transcript)) => {
                self.end();
                Some(Ok(Batch { bytes: transcript.body.clone(), content: true }))
            }
            Err(error) => {
                self.end();
                Some(Err(error))
            }
        }
    }

    fn opened(&mut self, opened: Result<Sent, SendFailure>) -> Option<Result<Batch>> {
        let failure = match opened {
            Ok(Sent::Stream(stream)) => {
                self.flight.heed(stream.allowance());
                self.source = Source::Open(Box::new(stream));
                return None;
            }
            Ok(Sent::Json(_)) => SendFailure::Broken {
                error: Error::new(ErrorKind::ProviderFailed, "the provider answered whole where a stream was asked for"),
            },
            Err(failure) => failure,
        };
        match self.attempts.as_mut().map(|attempts| send::failed(&mut self.flight, attempts, self.begun, failure)) {
            Some(Ok(left)) => {
                self.go_on(left);
                None
            }
            Some(Err(error)) => {
                self.end();
                Some(Err(error))
            }
            None => Some(Err(Error::internal("a stream opened without its attempts"))),
        }
    }

    /// Takes what was read; an error is what it ended with, and not landed yet.
    fn take_batch(&mut self, batch: Option<Result<Batch>>, is_finished: bool) -> Option<Result<Batch>> {
        match batch {
            Some(Ok(batch)) => {
                if !self.has_passed
                    && let Err(error) = self.check_version()
                {
                    return Some(Err(error));
                }
                self.heard = self.flight.engine.clock.elapsed();
                if batch.content && self.first_content.is_none() {
                    self.first_content = Some(self.heard.saturating_sub(self.begun));
                    // Not at its end: others wait for what a probe says.
                    self.flight.answered();
                }
                if let Some(trace) = self.flight.trace() {
                    trace.answer(&batch.bytes);
                }
                self.keep(&batch.bytes);
                // Settled before the last bytes go out: whoever has seen the end sees its usage.
                if is_finished {
                    self.land(AttemptOutcome::Completed, None);
                }
                Some(Ok(batch))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.land(AttemptOutcome::Completed, None);
                None
            }
        }
    }

    /// Refuses an answer of another version than was approved, before any of it goes out.
    fn check_version(&self) -> Result<()> {
        let Source::Open(stream) = &self.source else { return Ok(()) };
        if stream.model().is_none() && !stream.finished() {
            return Ok(());
        }
        self.flight.check_version(stream.model(), stream.fingerprint())
    }

    /// The answer broke off: lands it, or makes way for another attempt where none of it has gone out; then nothing is told.
    fn broke(&mut self, error: Error) -> Option<Error> {
        let goes_on = !self.may_pass() && self.attempts.as_mut().is_some_and(|attempts| attempts.may_follow(&error));
        if !goes_on {
            self.land(AttemptOutcome::Broken, Some(&error));
            return Some(error);
        }
        let landing = self.landing(AttemptOutcome::Broken);
        send::note(&mut self.flight, self.begun, Some(&error));
        match (self.flight.make_way(&landing, &error), self.attempts.as_mut()) {
            (Some(left), Some(attempts)) => {
                attempts.failed(error);
                self.go_on(left);
                None
            }
            _ => {
                self.end();
                Some(error)
            }
        }
    }

    /// Has the next attempt made; what there is of the answer before it is forgotten.
    fn go_on(&mut self, mut left: Left) {
        left.trace.forget_answer();
        self.waiting = None;
        self.source = match self.attempts.take() {
            Some(attempts) => Source::Between(attempts.go_on(left)),
            None => Source::Over,
        };
    }

    fn end(&mut self) {
        self.is_over = true;
        self.source = Source::Over;
    }

    /// Adds to the transcript, and a little over its bound at most: what is larger is not given again.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(kept_max) = self.flight.transcript_bytes_max() else { return };
        if let Some(transcript) = self.transcript.as_mut().filter(|transcript| transcript.len() <= kept_max) {
            transcript.extend_from_slice(bytes);
        }
    }

    /// Ready when the stream was silent long enough for a comment, or its credential was withdrawn.
    pub fn poll_ticker(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        loop {
            ready!(self.ticker.as_mut().poll(cx));
            let next = tokio::time::Instant::now() + TICK;
            self.ticker.as_mut().reset(next);
            if self.flight.is_withdrawn()
                && let Some(error) = self.end_withdrawn()
            {
                return Poll::Ready(Some(error));
            }
            let now = self.flight.engine.clock.elapsed();
            if now.saturating_sub(self.heard) >= self.flight.engine.settings.heartbeat {
                self.heard = now;
                return Poll::Ready(None);
            }
        }
    }

    pub fn end_withdrawn(&mut self) -> Option<Error> {
        if self.is_over {
            return None;
        }
        let error = withdrawn();
        self.land(AttemptOutcome::ClientGone, Some(&error));
        Some(error)
    }

    /// What the stream has shown of the attempt.
    fn landing(&mut self, outcome: AttemptOutcome) -> Landing {
        match std::mem::replace(&mut self.source, Source::Over) {
            Source::Open(stream) => Landing {
                outcome,
                // Usage in the middle of a stream is not its end's.
                usage: stream.usage().filter(|_| outcome == AttemptOutcome::Completed || stream.finished()),
                output_bytes: output_bound(&self.flight.route.card, outcome, &stream),
                latency: self.first_content.map(Latency::FirstContent),
                response_model: stream.model().map(str::to_owned),
                fingerprint: stream.fingerprint().map(str::to_owned),
            },
            Source::Opening(_) | Source::Between(_) | Source::Over => Landing::blind(outcome),
        }
    }

    /// Settles the attempt by what the stream has shown.
    fn land(&mut self, outcome: AttemptOutcome, error: Option<&Error>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let landing = self.landing(outcome);
        send::note(&mut self.flight, self.begun, error);
        match error {
            Some(error) => {
                self.waiting = self.waiting.take().filter(|_| self.first_content.is_some());
                self.flight.land(landing, Err(error));
            }
            None => {
                let body = self.transcript.take().map(BytesMut::freeze);
                let transcript = body.map(|body| self.flight.transcript(true, body));
                self.flight.land(landing, Ok(transcript));
            }
        }
    }

    /// Reads on for a while after the caller left, for the true usage; then settles whatever is known.
    pub async fn drain(mut self: Box<Self>) {
        // Nobody is there for another attempt.
        if let Some(attempts) = &mut self.attempts {
            attempts.stop();
        }
        if matches!(self.source, Source::Between(_)) {
            return self.end();
        }
        let engine = self.flight.engine.clone();
        let tenant = self.flight.trace().map(|trace| trace.tenant);
        let awaited = self.flight.is_awaited();
        let reasons_unseen = self.flight.route.card.reasons_unseen;
        if let Some(_place) = tenant.and_then(|tenant| DrainPlace::take(&engine, tenant, awaited || reasons_unseen)) {
            let to_the_end = async { while let Some(Ok(_)) = std::future::poll_fn(|cx| self.poll_batch(cx)).await {} };
            if awaited || reasons_unseen {
                // The provider's own bounds end it: the caller may come back for this answer, or only its end tells
                // what unseen reasoning costs.
                to_the_end.await;
            } else {
                let _ = tokio::time::timeout(engine.settings.drain_max, to_the_end).await;
            }
        }
        self.land(AttemptOutcome::ClientGone, Some(&client_gone()));
    }
}

fn transcript(flight: &Flight) -> Option<BytesMut> {
    flight.transcript_bytes_max().map(|_| BytesMut::new())
}

fn opening(flight: &Flight) -> Opening {
    Box::pin(flight.send())
}
