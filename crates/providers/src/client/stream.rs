//! An answer as it streams in, cut into events.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use insula_model::{Error, Result, TokenCounts};

use super::{
    alarm::Alarm,
    batch::{Batch, Outgoing},
    body::poll_read,
    error::{ended_early, too_long},
    patience::Patience,
};
use crate::{
    Allowance,
    sse::{EventTooLong, Splitter},
    translate::{Reading, is_plausible},
};

/// A batch is handed over when it has grown to this many bytes, even if more can be read.
const BATCH_BYTES_MAX: usize = 16 << 10;
/// A finished answer's connection is read to its end for so long, to be used again.
const TAIL_WAIT: Duration = Duration::from_secs(1);

/// An answer as it streams in. Dropping it early closes the connection, and the provider stops.
#[derive(Debug)]
pub struct ChatStream {
    /// Gone once it was read to its end, or failed.
    body: Option<Incoming>,
    splitter: Splitter,
    patience: Patience,
    allowance: Allowance,
    reading: Box<dyn Reading>,
    alarm: Box<Alarm>,
    out: Outgoing,
    /// What to say after the batch before it.
    failure: Option<Box<Error>>,
    is_cut_off: bool,
    has_yielded: bool,
}

impl ChatStream {
    pub(super) fn new(
        body: Incoming,
        patience: Patience,
        event_bytes_max: usize,
        allowance: Allowance,
        reading: Box<dyn Reading>,
        alarm: Alarm,
    ) -> Self {
        Self {
            body: Some(body),
            splitter: Splitter::new(event_bytes_max),
            patience,
            allowance,
            reading,
            alarm: Box::new(alarm),
            out: Outgoing::default(),
            failure: None,
            is_cut_off: false,
            has_yielded: false,
        }
    }

    /// All events that can be read right now, in one piece. `None` after the end. An error ends the stream; what came before
    /// it is handed over first.
    pub fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        while self.failure.is_none() && self.out.len() < BATCH_BYTES_MAX {
            let Some(body) = self.body.as_mut() else { break };
            match poll_read(body, &mut self.patience, cx) {
                Poll::Ready(Ok(Some(read))) => {
                    self.patience.heard();
                    self.has_yielded = false;
                    self.take(read);
                }
                Poll::Ready(Ok(None)) => self.end(),
                Poll::Ready(Err(error)) => self.cut_off(error),
                Poll::Pending if self.finished() => break,
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                // The connection's own task hands over one read at a time. It was woken by our taking the last one, and runs
                // before we do again: so what it can read right now joins this batch, and one write, instead of the next.
                Poll::Pending if !std::mem::replace(&mut self.has_yielded, true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        self.has_yielded = false;
        match self.out.take() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None => Poll::Ready(self.failure.take().map(|failure| Err(*failure))),
        }
    }

    /// The complete answer as it would have been given whole; only at its end, and in dialects that let it be asked for again.
    pub fn whole(&self) -> Option<Bytes> {
        self.reading.whole()
    }

    /// Waits for the next batch.
    pub async fn next(&mut self) -> Option<Result<Batch>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    fn take(&mut self, read: Bytes) {
        let (reading, out) = (&mut self.reading, &mut self.out);
        let taken = self.splitter.feed(read, |event| reading.take(&event, out));
        self.note(taken);
    }

    /// The body is read to its end.
    fn end(&mut self) {
        let (reading, out) = (&mut self.reading, &mut self.out);
        let taken = self.splitter.finish(|event| reading.take(&event, out)).and_then(|()| reading.end(out));
        self.note(taken);
        self.body = None;
        if !self.finished() && self.failure.is_none() {
            // Never a made-up ending: the client would take half an answer for the whole.
            self.cut_off(ended_early());
        }
    }

    fn note(&mut self, taken: Result<(), Fault>) {
        if self.out.content {
            self.patience.begun();
        }
        match taken {
            Ok(()) => {}
            Err(Fault::Error(error)) => self.fail(*error),
            Err(Fault::TooLong) => self.fail(too_long("an event", self.splitter.event_bytes_max() as u64)),
        }
    }

    fn cut_off(&mut self, error: Error) {
        self.is_cut_off = true;
        self.fail(error);
    }

    fn fail(&mut self, error: Error) {
        self.body = None;
        self.failure = Some(Box::new(error));
    }

    /// What the provider counted, once it said so; `None` where it said nothing, or nothing consistent.
    pub fn usage(&self) -> Option<TokenCounts> {
        let seen = self.reading.seen();
        seen.usage.filter(|usage| !seen.is_miscounted && is_plausible(usage, seen.output_bytes))
    }

    /// Whether the provider said that the stream is complete.
    pub fn finished(&self) -> bool {
        self.reading.seen().is_done
    }

    /// What the provider said at the beginning is left to send.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Bytes of output seen so far, in all choices.
    pub fn output_bytes(&self) -> u64 {
        self.reading.seen().output_bytes
    }

    /// Whether the connection ended it, and not the provider's word.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The model that answers.
    pub fn model(&self) -> Option<&str> {
        self.reading.seen().model.as_deref()
    }

    /// The provider's fingerprint of the system that answers.
    pub fn fingerprint(&self) -> Option<&str> {
        self.reading.seen().fingerprint.as_deref()
    }
}

impl Drop for ChatStream {
    /// By now all is known that was counted. A complete answer's connection can serve the next one, if the last bytes behind the answer are read.
    fn drop(&mut self) {
        if self.reading.seen().is_miscounted || self.reading.seen().usage.is_some() && self.usage().is_none() {
            self.alarm.miscounted();
        }
        if let (true, Some(body), Ok(runtime)) = (self.finished(), self.body.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(TAIL_WAIT, read_tail(body)));
        }
    }
}

async fn read_tail(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Why an event was not taken.
pub(crate) enum Fault {
    Error(Box<Error>),
    TooLong,
}

impl From<EventTooLong> for Fault {
    fn from(_: EventTooLong) -> Self {
        Fault::TooLong
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(Box::new(error))
    }
}
