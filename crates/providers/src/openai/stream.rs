//! A chat completion as it streams in: cut into events, validated, cleaned of what the client did not ask for.

use std::{
    future::poll_fn,
    ops::Range,
    str,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use insula_model::{Error, Result, TokenCounts};

use super::{
    batch::{Batch, Outgoing},
    envelope::{Envelope, member_at, text_of},
    error::{ended_early, from_answer, too_long, unreadable},
    patience::Patience,
    response::{is_plausible, poll_read},
    scrub::Scrub,
    usage::read_usage,
};
use crate::{
    Allowance,
    json::{is_given, range_in},
    sse::{Event, EventTooLong, Splitter},
};

/// A batch is handed over when it has grown to this many bytes, even if more can be read.
const BATCH_BYTES_MAX: usize = 16 << 10;
/// A finished answer's connection is read to its end for so long, to be used again.
const TAIL_WAIT: Duration = Duration::from_secs(1);

/// A chat completion as it streams in. Dropping it early closes the connection, and the provider stops.
#[derive(Debug)]
pub struct ChatStream {
    /// Gone once it was read to its end, or failed.
    body: Option<Incoming>,
    splitter: Splitter,
    patience: Patience,
    allowance: Allowance,
    reading: Box<Reading>,
    out: Outgoing,
    /// What to say after the batch before it.
    failure: Option<Box<Error>>,
    has_yielded: bool,
}

impl ChatStream {
    pub(super) fn new(
        body: Incoming,
        patience: Patience,
        event_bytes_max: usize,
        allowance: Allowance,
        reading: Reading,
    ) -> Self {
        Self {
            body: Some(body),
            splitter: Splitter::new(event_bytes_max),
            patience,
            allowance,
            reading: Box::new(reading),
            out: Outgoing::default(),
            failure: None,
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
                Poll::Ready(Err(error)) => self.fail(error),
                Poll::Pending if self.reading.is_done => break,
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

    /// Waits for the next batch.
    pub async fn next(&mut self) -> Option<Result<Batch>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    fn take(&mut self, read: Bytes) {
        let (reading, out) = (&mut self.reading, &mut self.out);
        let taken = self.splitter.feed(read, |event| reading.take(event, out));
        self.note(taken);
    }

    /// The body is read to its end.
    fn end(&mut self) {
        let (reading, out) = (&mut self.reading, &mut self.out);
        let taken = self.splitter.finish(|event| reading.take(event, out));
        self.note(taken);
        self.body = None;
        if !self.reading.is_done && self.failure.is_none() {
            // Never a made-up ending: the client would take half an answer for the whole.
            self.fail(ended_early());
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

    fn fail(&mut self, error: Error) {
        self.body = None;
        self.failure = Some(Box::new(error));
    }

    /// What the provider counted, once it said so; `None` where it said nothing, or nothing consistent.
    pub fn usage(&self) -> Option<TokenCounts> {
        self.reading.usage.filter(|usage| is_plausible(usage, self.reading.text_bytes))
    }

    /// Whether the provider said that the stream is complete.
    pub fn finished(&self) -> bool {
        self.reading.is_done
    }

    /// What the provider said at the beginning is left to send.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Bytes of output text seen so far, in all choices.
    pub fn output_bytes(&self) -> u64 {
        self.reading.text_bytes
    }

    /// The model that answers.
    pub fn model(&self) -> Option<&str> {
        self.reading.model.as_deref()
    }

    /// The provider's fingerprint of the system that answers.
    pub fn fingerprint(&self) -> Option<&str> {
        self.reading.fingerprint.as_deref()
    }
}

impl Drop for ChatStream {
    /// A complete answer's connection can serve the next one, if the last bytes behind the answer are read.
    fn drop(&mut self) {
        if let (true, Some(body), Ok(runtime)) = (self.reading.is_done, self.body.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(tokio::time::timeout(TAIL_WAIT, read_tail(body)));
        }
    }
}

async fn read_tail(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Why an event was not taken.
pub(super) enum Fault {
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

/// What the events have said so far.
#[derive(Debug)]
pub(super) struct Reading {
    /// Whether the client asked for usage; else it sees the stream as if nobody had.
    include_usage: bool,
    scrub: Arc<Scrub>,
    usage: Option<TokenCounts>,
    text_bytes: u64,
    model: Option<String>,
    fingerprint: Option<String>,
    is_done: bool,
}

impl Reading {
    pub fn new(include_usage: bool, scrub: Arc<Scrub>) -> Self {
        Self { include_usage, scrub, usage: None, text_bytes: 0, model: None, fingerprint: None, is_done: false }
    }

    /// Validates an event and passes on what the client shall see of it.
    fn take(&mut self, event: Event<'_>, out: &mut Outgoing) -> Result<(), Fault> {
        if self.is_done {
            return Ok(());
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.is_done = true;
            pass(&event, None, out);
            return Ok(());
        }
        let text = str::from_utf8(&event.data).map_err(unreadable)?;
        let chunk = Envelope::parse(text).map_err(unreadable)?;
        if let Some(error) = chunk.error() {
            return Err(from_answer(error, &self.scrub).into());
        }
        self.text_bytes += chunk.text_bytes;
        out.content |= chunk.text_bytes > 0;
        if self.model.is_none() {
            self.model = text_of(chunk.model);
        }
        if self.fingerprint.is_none() {
            self.fingerprint = text_of(chunk.fingerprint);
        }
        let mut cut = None;
        if let Some(usage) = chunk.usage {
            if is_given(usage) {
                self.usage = read_usage(usage);
            }
            if !self.include_usage {
                if is_given(usage) && chunk.choices == Some(0) {
                    return Ok(());
                }
                cut = member_at(text, range_in(text, usage.get()));
            }
        }
        pass(&event, cut, out);
        Ok(())
    }
}

/// Passes an event on, without the part of its data to `cut`.
fn pass(event: &Event<'_>, cut: Option<Range<usize>>, out: &mut Outgoing) {
    match cut {
        None if event.is_plain => out.forward(event.buffer, event.range.clone()),
        None => out.write([&event.data, b""]),
        Some(cut) => out.write([&event.data[..cut.start], &event.data[cut.end..]]),
    }
}
