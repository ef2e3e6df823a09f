//! A connection whose peer has to read: an answer that nobody takes is given up.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// A socket that fails when its peer took nothing for a while. Without it a caller who stops reading would hold a seat, a
/// reservation and a provider's connection for as long as it likes.
pub(crate) struct ReadingPeer {
    stream: TcpStream,
    write_idle_max: Duration,
    /// Made when a write first has to wait, so that peers who keep up cost nothing.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl ReadingPeer {
    pub(crate) fn new(stream: TcpStream, write_idle_max: Duration) -> Self {
        Self { stream, write_idle_max, timer: None, is_waiting: false }
    }

    /// What a write came to; one that waits too long is an error.
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        let write_idle_max = self.write_idle_max;
        let began = !std::mem::replace(&mut self.is_waiting, true);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(write_idle_max)));
        if began {
            timer.as_mut().reset(Instant::now() + write_idle_max);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ReadingPeer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ReadingPeer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn gives_up_on_a_peer_that_never_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let peer = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut watched = ReadingPeer::new(stream, Duration::from_millis(50));
        let answer = vec![0; 64 * 1024 * 1024];
        let error = watched.write_all(&answer).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(peer);
    }
}
