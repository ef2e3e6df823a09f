//! A form's bytes, handed to what takes the form apart no faster than somebody takes the parts: so it holds little at once, whoever sends
//! the form and however.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_core::Stream;
use insula_model::Result;
use multer::{Constraints, Field, Multipart};

use super::form::broken;

/// Bytes that come between two looks at what was made of them; one piece of the body may be more. So long the head of a part may be.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// A form that is read as it arrives.
pub(crate) struct Form {
    parts: Multipart<'static>,
    ahead: Ahead,
}

/// How many bytes came since the last look. Clones are the same count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ahead(Arc<AtomicUsize>);

impl Form {
    /// Takes a body apart.
    pub fn new(body: Body, boundary: String, constraints: Constraints) -> Self {
        let ahead = Ahead::default();
        let paced = Paced { body: body.into_data_stream(), ahead: ahead.clone(), has_paused: false };
        Self { parts: Multipart::with_constraints(paced, boundary, constraints), ahead }
    }

    /// The next part, and what counts while it is read.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`] where it is none, or its head does not come to an end.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        self.ahead.look();
        let field = self.parts.next_field().await.map_err(broken)?;
        Ok(field.map(|field| Part { field, ahead: self.ahead.clone() }))
    }
}

/// A part of a form.
pub(crate) struct Part {
    /// What its head says.
    pub field: Field<'static>,
    ahead: Ahead,
}

impl Part {
    /// More of it, until there is nothing more.
    ///
    /// # Errors
    /// Where the body breaks off, or the part is longer than it may be.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.ahead.look();
        self.field.chunk().await.map_err(broken)
    }

    /// All of it as text; what is no UTF-8 becomes U+FFFD. For parts whose size is bounded.
    ///
    /// # Errors
    /// As [`Part::chunk`].
    pub async fn text(mut self) -> Result<String> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

impl Ahead {
    fn look(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

struct Paced {
    body: BodyDataStream,
    ahead: Ahead,
    /// Whether it has said already that enough has come.
    has_paused: bool,
}

impl Stream for Paced {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ahead.0.load(Ordering::Relaxed) > AHEAD_BYTES_MAX {
            // What takes the form apart reads for as long as there is something. Once it sees what it has; if that is nothing, it would
            // read on without an end.
            if self.has_paused {
                return Poll::Ready(Some(Err(io::Error::other("a part's head does not come to an end"))));
            }
            self.has_paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_paused = false;
        let piece = std::task::ready!(Pin::new(&mut self.body).poll_next(context));
        if let Some(Ok(piece)) = &piece {
            self.ahead.0.fetch_add(piece.len(), Ordering::Relaxed);
        }
        Poll::Ready(piece.map(|piece| piece.map_err(io::Error::other)))
    }
}
