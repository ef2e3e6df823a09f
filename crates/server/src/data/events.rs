//! A live stream as a response body.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use insula_engine::{Dialect, LiveStream, Piece};
use insula_model::{Error, ErrorKind, RequestId};

use super::BodyPermit;
use crate::errors;

/// Server-sent events. A failure becomes one last `error` event in the caller's dialect.
pub(super) struct EventBody {
    stream: Option<LiveStream>,
    dialect: Dialect,
    /// How many events went out; counted only where they are numbered.
    events: u64,
    /// Resolves when this node stops and waits no longer.
    ending: Pin<Box<dyn Future<Output = ()> + Send>>,
    request: RequestId,
    /// Given back when the body of the request is gone from memory.
    _room: Option<BodyPermit>,
}

impl EventBody {
    pub fn new(
        stream: LiveStream,
        dialect: Dialect,
        request: RequestId,
        room: Option<BodyPermit>,
        ending: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { stream: Some(stream), dialect, events: 0, ending: Box::pin(ending), request, _room: room }
    }
}

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");

impl Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let (dialect, events, request) = (self.dialect, self.events, self.request);
        let Some(stream) = self.stream.as_mut() else { return Poll::Ready(None) };
        let bytes = match stream.poll_next(cx) {
            Poll::Ready(Some(Ok(Piece::Events(bytes)))) => {
                if dialect == Dialect::Responses {
                    self.events += bytes.windows(2).filter(|pair| *pair == b"\n\n").count() as u64;
                }
                bytes
            }
            Poll::Ready(Some(Ok(Piece::Silence))) => COMMENT,
            Poll::Ready(Some(Err(error))) => {
                self.stream = None;
                errors::last_event(dialect, &error, events, request)
            }
            // Only between events: nothing that has arrived is withheld.
            Poll::Pending => {
                std::task::ready!(self.ending.as_mut().poll(cx));
                self.stream = None;
                errors::last_event(dialect, &stopping(), events, request)
            }
            Poll::Ready(None) => {
                self.stream = None;
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

fn stopping() -> Error {
    let retry_after = Duration::from_secs(1);
    Error::new(ErrorKind::Unavailable { retry_after }, "this node is stopping and waits no longer; send the request again")
}
