//! What an endpoint drafts, before a fault strikes it and a connection plays it.

use bytes::Bytes;

use crate::tokens::Usage;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it costs.
    pub(crate) usage: Usage,
    /// How it is written.
    pub(crate) form: Form,
}

/// JSON, or a stream of events.
#[derive(Debug)]
pub(crate) enum Form {
    Json(Bytes),
    Stream(EventStream),
}

/// Server-sent events, each with its blank line.
#[derive(Debug)]
pub(crate) struct EventStream {
    /// All but the terminator, in order. Never empty, and never ending with the content: a finish event follows it.
    pub(crate) events: Vec<Bytes>,
    /// Index of the first event that carries content.
    pub(crate) content_from: usize,
    /// How many carry content.
    pub(crate) content_count: usize,
    /// What says that the answer is whole: `[DONE]`, or the vendor's last event.
    pub(crate) terminator: Bytes,
    /// The event of the fault `error_in_stream`.
    pub(crate) error: Bytes,
}
