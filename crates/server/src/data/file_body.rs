//! A file as a response body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use insula_engine::files::FileReader;
use insula_model::{Error, Result};
use tokio::sync::mpsc;

/// A file, piece by piece: one in the channel, one being read and one being sent.
pub(super) struct FileBody {
    pieces: mpsc::Receiver<Result<Bytes>>,
    left: u64,
}

impl FileBody {
    /// Begins to read ahead of who takes it; gives up with it.
    pub fn new(mut reader: FileReader, bytes: u64) -> Self {
        let (send, pieces) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(piece) = reader.next().await.transpose() {
                let is_broken = piece.is_err();
                if send.send(piece).await.is_err() || is_broken {
                    return;
                }
            }
        });
        Self { pieces, left: bytes }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let piece = ready!(self.pieces.poll_recv(cx));
        if let Some(Ok(piece)) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
