//! A whole answer: read within its bounds, validated, and handed on byte for byte.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use insula_model::{Error, Result, TokenCounts};

use super::{
    envelope::{Envelope, text_of},
    error::{broken, from_answer, too_long, unreadable},
    patience::Patience,
    scrub::Scrub,
    usage::read_usage,
};
use crate::Allowance;

/// A whole, validated answer.
#[derive(Debug, Clone)]
pub struct JsonAnswer {
    /// As the provider wrote it.
    pub body: Bytes,
    /// What the provider counted; `None` where it said nothing, or nothing consistent.
    pub usage: Option<TokenCounts>,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider's fingerprint of the system that answered.
    pub fingerprint: Option<String>,
    /// What the provider said is left to send.
    pub allowance: Allowance,
}

/// Checks that `body` is an answer: a JSON object that is not an error.
pub(super) fn read_answer(body: Bytes, allowance: Allowance, scrub: &Scrub) -> Result<JsonAnswer> {
    let text = std::str::from_utf8(&body).map_err(unreadable)?;
    let envelope = Envelope::parse(text).map_err(unreadable)?;
    if let Some(error) = envelope.error() {
        return Err(from_answer(error, scrub));
    }
    let usage = envelope.usage.and_then(read_usage).filter(|usage| is_plausible(usage, envelope.text_bytes));
    let (model, fingerprint) = (text_of(envelope.model), text_of(envelope.fingerprint));
    Ok(JsonAnswer { usage, model, fingerprint, allowance, body })
}

/// Text without output tokens was not counted.
pub(super) fn is_plausible(usage: &TokenCounts, text_bytes: u64) -> bool {
    text_bytes == 0 || usage.output_total() > 0
}

/// Reads a body to its end.
pub(super) async fn read_body(mut body: Incoming, bytes_max: u64, patience: &mut Patience) -> Result<Bytes> {
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(read) = poll_fn(|cx| poll_read(&mut body, patience, cx)).await? {
        patience.heard();
        if (first.len() + joined.len() + read.len()) as u64 > bytes_max {
            return Err(too_long("an answer", bytes_max));
        }
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
