//! Reading a body within its bounds.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use insula_model::{Error, Result};

use super::{
    error::{broken, too_long},
    patience::Patience,
};

/// Reads a body to its end; `grown` is told how long it has become before any more of it is kept.
pub(super) async fn read_body(
    mut body: Incoming,
    bytes_max: u64,
    patience: &mut Patience,
    mut grown: impl FnMut(u64) -> Result<()>,
) -> Result<Bytes> {
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(read) = poll_fn(|cx| poll_read(&mut body, patience, cx)).await? {
        patience.heard();
        let bytes = (first.len() + joined.len() + read.len()) as u64;
        if bytes > bytes_max {
            return Err(too_long("an answer", bytes_max));
        }
        grown(bytes)?;
        if first.is_empty() && joined.is_empty() {
            first = read;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&read);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// The next bytes of a body, as long as patience lasts. Trailers are passed over.
pub(super) fn poll_read(body: &mut Incoming, patience: &mut Patience, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
    loop {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken().caused_by(error))),
            Poll::Ready(None) => return Poll::Ready(Ok(None)),
            Poll::Pending => return patience.poll_over(cx).map(|over: Error| Err(over)),
        }
    }
}
