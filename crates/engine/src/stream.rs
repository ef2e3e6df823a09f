//! A stream on its way to the caller. It settles itself: at its end, at its failure, or when it is dropped.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use insula_model::{AttemptOutcome, Error, ErrorKind, Result};
use insula_providers::{Batch, ChatStream, SendFailure, Sent};
use tokio::{sync::oneshot, time::Sleep};

use crate::{
    Engine, Transcript,
    flight::{Flight, Landing},
    pipeline::withdrawn,
    queue::Latency,
    send::{self, client_gone},
};

/// What comes out of a stream.
pub enum Piece {
    /// Whole events, ready to be written.
    Events(Bytes),
    /// Nothing to say yet; time for a comment that keeps the connection open.
    Silence,
}

/// How often a waiting stream looks up: to see a withdrawn credential, and to count its silence.
const TICK: Duration = Duration::from_secs(1);

/// A stream of whole events. Dropped early, it drains the provider's answer within a bound, or settles an estimate.
pub struct LiveStream(Option<Box<Live>>);

struct Live {
    flight: Flight,
    source: Source,
    /// Events that arrived before the response headers went out.
    waiting: Option<Bytes>,
    /// Kept where others want it too: for a replay, or for the answer cache.
    transcript: Option<BytesMut>,
    begun: Duration,
    /// How long the first content took, once it is there.
    first_content: Option<Duration>,
    ticker: Pin<Box<Sleep>>,
    heard: Duration,
    is_over: bool,
}

type Opening = Pin<Box<dyn Future<Output = Result<Sent, SendFailure>> + Send>>;

enum Source {
    Opening(Opening),
    Open(Box<ChatStream>),
    Over,
}

impl LiveStream {
    /// Sends the attempt and waits, within a bound, for its first content: until then a failure is an ordinary error.
    pub(crate) async fn open(flight: Flight, gone: oneshot::Receiver<()>) -> Result<Self> {
        let engine = flight.engine.clone();
        let provider = flight.route.provider.clone();
        let (attempt, body) = (flight.attempt, flight.upstream_body());
        let include_usage = flight.work.includes_usage();
        let opening: Opening = Box::pin(async move { provider.chat(attempt, body, true, include_usage).await });
        let transcript = flight.transcript_bytes_max().map(|_| BytesMut::new());
        let (begun, record) = (engine.clock.elapsed(), flight.begun);
        let mut live = Self(Some(Box::new(Live {
            flight,
            source: Source::Opening(opening),
            waiting: None,
            transcript,
            begun,
            first_content: None,
            ticker: Box::pin(tokio::time::sleep(TICK)),
            heard: begun,
            is_over: false,
        })));
        let opened = tokio::select! {
            opened = tokio::time::timeout(engine.settings.header_wait_max, live.first_content()) => opened.unwrap_or(Ok(())),
            // Dropping `live` hands it to the drain.
            _ = gone => return Err(client_gone()),
        };
        // No byte reaches the caller before the attempt's record would survive a power cut.
        engine.store.journal().synced(record).await;
        opened.map(|()| live)
    }

    async fn first_content(&mut self) -> Result<()> {
        let Some(live) = self.0.as_mut() else { return Ok(()) };
        loop {
            match std::future::poll_fn(|cx| live.poll_batch(cx)).await {
                Some(Ok(batch)) => {
                    let has_content = batch.content;
                    live.keep_waiting(batch.bytes);
                    if has_content || live.is_over {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    }

    /// The next piece; `None` at the end. After an error the stream is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        let Some(live) = self.0.as_mut() else { return Poll::Ready(None) };
        if let Some(bytes) = live.waiting.take() {
            return Poll::Ready(Some(Ok(Piece::Events(bytes))));
        }
        if live.flight.is_withdrawn() {
            return Poll::Ready(live.end_withdrawn().map(Err));
        }
        match live.poll_batch(cx) {
            Poll::Ready(batch) => Poll::Ready(batch.map(|batch| batch.map(|batch| Piece::Events(batch.bytes)))),
            Poll::Pending => live.poll_ticker(cx).map(|withdrawn| match withdrawn {
                Some(error) => Some(Err(error)),
                None => Some(Ok(Piece::Silence)),
            }),
        }
    }
}

impl Live {
    /// The next batch of events from the provider; lands the flight when it was the last, or failed.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            match &mut self.source {
                Source::Over => return Poll::Ready(None),
                Source::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(Sent::Stream(stream)) => {
                        self.flight.heed(stream.allowance());
                        self.source = Source::Open(Box::new(stream));
                    }
                    Ok(Sent::Json(_)) => {
                        let error =
                            Error::new(ErrorKind::ProviderFailed, "the provider answered whole where a stream was asked for");
                        return Poll::Ready(Some(Err(self.fail(SendFailure::Broken { error }))));
                    }
                    Err(failure) => return Poll::Ready(Some(Err(self.fail(failure)))),
                },
                Source::Open(stream) => {
                    let batch = ready!(stream.poll_batch(cx));
                    let is_finished = stream.finished();
                    return Poll::Ready(self.take_batch(batch, is_finished));
                }
            }
        }
    }

    fn take_batch(&mut self, batch: Option<Result<Batch>>, is_finished: bool) -> Option<Result<Batch>> {
        match batch {
            Some(Ok(batch)) => {
                self.heard = self.flight.engine.clock.elapsed();
                if batch.content {
                    self.first_content.get_or_insert(self.heard.saturating_sub(self.begun));
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
            Some(Err(error)) => {
                self.land(AttemptOutcome::Broken, Some(&error));
                Some(Err(error))
            }
            None => {
                self.land(AttemptOutcome::Completed, None);
                None
            }
        }
    }

    /// Adds to the transcript, and a little over its bound at most: what is larger is not given again.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(kept_max) = self.flight.transcript_bytes_max() else { return };
        if let Some(transcript) = self.transcript.as_mut().filter(|transcript| transcript.len() <= kept_max) {
            transcript.extend_from_slice(bytes);
        }
    }

    fn keep_waiting(&mut self, bytes: Bytes) {
        self.waiting = Some(match self.waiting.take() {
            None => bytes,
            Some(earlier) => {
                let mut joined = BytesMut::from(&earlier[..]);
                joined.extend_from_slice(&bytes);
                joined.freeze()
            }
        });
    }

    /// Ready when the stream was silent long enough for a comment, or its credential was withdrawn.
    fn poll_ticker(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
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

    fn end_withdrawn(&mut self) -> Option<Error> {
        if self.is_over {
            return None;
        }
        let error = withdrawn();
        self.land(AttemptOutcome::ClientGone, Some(&error));
        Some(error)
    }

    fn fail(&mut self, failure: SendFailure) -> Error {
        self.is_over = true;
        self.source = Source::Over;
        send::failed(&mut self.flight, self.begun, failure)
    }

    /// Settles the attempt by what the stream has shown.
    fn land(&mut self, outcome: AttemptOutcome, error: Option<&Error>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let landing = match std::mem::replace(&mut self.source, Source::Over) {
            Source::Open(stream) => Landing {
                outcome,
                // Usage in the middle of a stream is not its end's.
                usage: stream.usage().filter(|_| outcome == AttemptOutcome::Completed || stream.finished()),
                // What was seen bounds the output, but for a model that thinks unseen and was not heard to its end.
                output_bytes: self.flight.shows_all(outcome).then(|| stream.output_bytes()),
                latency: self.first_content.map(Latency::FirstContent),
                response_model: stream.model().map(str::to_owned),
                fingerprint: stream.fingerprint().map(str::to_owned),
            },
            Source::Opening(_) | Source::Over => Landing::blind(outcome),
        };
        send::note(&mut self.flight, self.begun, error);
        match error {
            Some(error) => self.flight.land(landing, Err(error)),
            None => {
                let body = self.transcript.take().map(BytesMut::freeze);
                self.flight.land(landing, Ok(body.map(|body| Transcript { is_stream: true, body })));
            }
        }
    }

    /// Reads on for a while after the caller left, for the true usage; then settles whatever is known.
    async fn drain(mut self: Box<Self>) {
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

impl Drop for LiveStream {
    fn drop(&mut self) {
        let Some(live) = self.0.take().filter(|live| !live.is_over) else { return };
        // Without a runtime (the process is stopping) the flight's own drop settles it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(live.drain());
        }
    }
}

/// One of the few drains that a tenant may have at once.
struct DrainPlace {
    engine: Arc<Engine>,
    tenant: insula_model::TenantId,
}

impl DrainPlace {
    fn take(engine: &Arc<Engine>, tenant: insula_model::TenantId, is_needed: bool) -> Option<Self> {
        let mut drains = engine.drains.lock();
        let open = drains.entry(tenant).or_default();
        if *open >= engine.settings.drains_per_tenant_max && !is_needed {
            return None;
        }
        *open += 1;
        Some(Self { engine: engine.clone(), tenant })
    }
}

impl Drop for DrainPlace {
    fn drop(&mut self) {
        let mut drains = self.engine.drains.lock();
        if let Some(open) = drains.get_mut(&self.tenant) {
            *open -= 1;
            if *open == 0 {
                drains.remove(&self.tenant);
            }
        }
    }
}
