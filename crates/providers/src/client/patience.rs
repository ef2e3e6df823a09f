//! How long an answer is waited for: one timer for all bounds, moved only when it fires.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use insula_model::{Error, ErrorKind};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Timeouts;

/// Which patience has run out: it is in the source of the error, beside what the provider itself calls late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RanOut {
    /// That with the beginning of an answer.
    #[error("no answer began in time")]
    Beginning,
    /// That with silence in the middle of one.
    #[error("nothing more came in time")]
    Silence,
    /// That with an answer as a whole.
    #[error("the answer did not end in time")]
    Total,
}

impl RanOut {
    /// What ran out, if that is what `error` tells of.
    pub fn of(error: &Error) -> Option<Self> {
        error.private_source()?.downcast_ref().copied()
    }
}

/// The timer of one request. Reads only note the time; the timer looks at the notes when it fires.
#[derive(Debug)]
pub(super) struct Patience {
    limits: Timeouts,
    sent: Instant,
    heard: Instant,
    has_begun: bool,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// Starts to wait now.
    pub fn new(limits: Timeouts) -> Self {
        let sent = Instant::now();
        let first = sent + limits.first_byte().min(limits.total());
        Self { limits, sent, heard: sent, has_begun: false, timer: Box::pin(sleep_until(first)) }
    }

    /// Something was read.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// The answer has begun: from now on the idle limit holds.
    pub fn begun(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.heard();
            let due = self.due();
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
        }
    }

    fn due(&self) -> Instant {
        let by_silence = if self.has_begun { self.heard + self.limits.idle() } else { self.sent + self.limits.first_byte() };
        by_silence.min(self.sent + self.limits.total())
    }

    /// Ready with the reason once patience has run out.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.due();
            if Instant::now() >= due {
                return Poll::Ready(self.over());
            }
            self.timer.as_mut().reset(due);
        }
    }

    fn over(&self) -> Error {
        let (ran_out, what, limit_ms) = if Instant::now() >= self.sent + self.limits.total() {
            (RanOut::Total, "did not finish its answer", self.limits.total_ms_max)
        } else if self.has_begun {
            (RanOut::Silence, "stopped in the middle of its answer", self.limits.idle_ms_max)
        } else {
            (RanOut::Beginning, "did not begin to answer", self.limits.first_byte_ms_max)
        };
        let message = format!("the provider {what} within {limit_ms} ms; try again");
        Error::new(ErrorKind::ProviderTimeout, message).caused_by(ran_out)
    }
}
