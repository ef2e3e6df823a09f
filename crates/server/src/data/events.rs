//! A live stream as a response body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use insula_engine::{LiveStream, Piece};
use insula_model::{Error, RequestId};
use tokio::sync::OwnedSemaphorePermit;

use crate::errors;

/// Server-sent events. A failure becomes one last `error` event in the caller's dialect.
pub(super) struct EventBody {
    stream: Option<LiveStream>,
    request: RequestId,
    /// Given back when the body of the request is gone from memory.
    _room: Option<OwnedSemaphorePermit>,
}

impl EventBody {
    pub fn new(stream: LiveStream, request: RequestId, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream: Some(stream), request, _room: room }
    }
}

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");

impl Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let request = self.request;
        let Some(stream) = self.stream.as_mut() else { return Poll::Ready(None) };
        let bytes = match std::task::ready!(stream.poll_next(cx)) {
            Some(Ok(Piece::Events(bytes))) => bytes,
            Some(Ok(Piece::Silence)) => COMMENT,
            Some(Err(error)) => {
                self.stream = None;
                error_event(&error, request)
            }
            None => {
                self.stream = None;
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// `data: {"error": ...}`, which OpenAI's SDKs raise as an `APIError`.
fn error_event(error: &Error, request: RequestId) -> Bytes {
    let mut event = b"data: ".to_vec();
    event.extend_from_slice(&errors::openai_body(error, request));
    event.extend_from_slice(b"\n\n");
    event.into()
}
