//! Plays an answer onto a connection, step by step.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use crate::world::Ticket;

/// What to put on the wire, and when.
#[derive(Debug)]
pub(crate) struct Script {
    /// The answer's `content-type`.
    pub(crate) content_type: &'static str,
    steps: Vec<Step>,
    /// Whether the last step ends a whole answer.
    complete: bool,
    /// For `content-length`; a stream has none.
    length: Option<u64>,
}

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write these bytes.
    Send(Bytes),
    /// Do nothing for a while.
    Wait(Duration),
    /// Do nothing for ever.
    Stall,
    /// Break the connection.
    Reset,
}

impl Script {
    /// A body of JSON, as whole as `complete` says.
    pub(crate) fn json(body: Bytes, complete: bool) -> Script {
        let length = Some(body.len() as u64);
        Script { content_type: "application/json", steps: vec![Step::Send(body)], complete, length }
    }

    /// A stream of events.
    pub(crate) fn events(steps: Vec<Step>, complete: bool) -> Script {
        Script { content_type: "text/event-stream; charset=utf-8", steps, complete, length: None }
    }
}

/// A response body that plays a [`Script`].
///
/// The record is finished when the last bytes are handed to the connection, which writes them in the same turn; a client
/// that has left by then has dropped this body, and the record stays unfinished.
#[derive(Debug)]
pub(crate) struct Player {
    steps: std::vec::IntoIter<Step>,
    waiting: Option<Pin<Box<Sleep>>>,
    complete: bool,
    length: Option<u64>,
    /// None for answers that are not logged.
    ticket: Option<Ticket>,
    /// Tells the connection's task to break it.
    reset: Arc<Notify>,
}

impl Player {
    /// Ready to play, on the connection that listens to `reset`.
    pub(crate) fn new(script: Script, ticket: Option<Ticket>, reset: Arc<Notify>) -> Player {
        let Script { steps, complete, length, .. } = script;
        Player { steps: steps.into_iter(), waiting: None, complete, length, ticket, reset }
    }

    fn finish_after_last_step(&mut self) {
        if self.complete
            && self.steps.as_slice().is_empty()
            && let Some(ticket) = &self.ticket
        {
            ticket.record.set_finished();
        }
    }
}

impl Body for Player {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            match self.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => {
                    self.finish_after_last_step();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Wait(pause)) => self.waiting = Some(Box::pin(sleep(pause))),
                // Hyper notices when the client leaves, and drops this body.
                Some(Step::Stall) => self.waiting = Some(Box::pin(sleep(Duration::MAX))),
                Some(Step::Reset) => {
                    // What was sent is flushed before the connection's task sees this.
                    self.reset.notify_one();
                    self.waiting = Some(Box::pin(sleep(Duration::MAX)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.steps.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
