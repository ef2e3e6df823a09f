//! A request body that is given up when it stands still.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Gives a body up when nothing of it arrives for a while. The timer is made only when there is something to wait for,
/// so a body that came with its head costs nothing.
pub(crate) struct Patient {
    body: Body,
    idle_max: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Patient {
    pub(crate) fn new(body: Body, idle_max: Duration) -> Self {
        Self { body, idle_max, waiting: None, is_waiting: false }
    }
}

/// Nothing of the body arrived for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing of the body arrived for {0:?}")]
struct StoodStill(Duration);

impl http_body::Body for Patient {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.is_waiting = false;
            return Poll::Ready(frame);
        }
        let idle_max = self.idle_max;
        let began = !std::mem::replace(&mut self.is_waiting, true);
        let timer = self.waiting.get_or_insert_with(|| Box::pin(sleep(idle_max)));
        if began {
            timer.as_mut().reset(Instant::now() + idle_max);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(axum::Error::new(StoodStill(idle_max)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// A body that sends a byte after each of these pauses.
    fn slow(pauses_ms: &'static [u64]) -> Patient {
        struct Slow(std::slice::Iter<'static, u64>, Option<Pin<Box<Sleep>>>);
        impl http_body::Body for Slow {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                let pause = match self.1.take() {
                    Some(pause) => pause,
                    None => match self.0.next() {
                        Some(ms) => Box::pin(sleep(Duration::from_millis(*ms))),
                        None => return Poll::Ready(None),
                    },
                };
                if self.1.insert(pause).as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.1 = None;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
            }
        }
        Patient::new(Body::new(Slow(pauses_ms.iter(), None)), Duration::from_millis(100))
    }

    #[tokio::test(start_paused = true)]
    async fn slow_is_fine_and_still_is_not() {
        let read = slow(&[90, 90, 90]).collect().await.expect("slow but steady");
        assert_eq!(read.to_bytes(), "xxx");
        assert!(slow(&[90, 110]).collect().await.is_err());
    }
}
