//! A stream on its way to the caller. It settles itself: at its end, at its failure, or when it is dropped.

mod drain;
mod live;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use insula_model::Result;

use self::live::Live;
use crate::{attempts::Attempts, flight::Flight, pipeline::Presence, send::client_gone};

/// What comes out of a stream.
pub enum Piece {
    /// Whole events, ready to be written.
    Events(Bytes),
    /// Nothing to say yet; time for a comment that keeps the connection open.
    Silence,
}

/// How often a waiting stream looks up: to see a withdrawn credential, and to count its silence.
const TICK: Duration = Duration::from_secs(1);

/// A stream of whole events. Dropped early, it drains the provider's answer within a bound, or settles an estimate.
pub struct LiveStream(Option<Box<Live>>);

impl LiveStream {
    /// Sends the attempt and waits, within a bound, for its first content: until then a failure is an ordinary error. Until then
    /// one also makes way for another attempt, whether the response headers are out or not.
    pub(crate) async fn open(flight: Flight, attempts: Box<Attempts>, mut presence: Presence) -> Result<Self> {
        let engine = flight.engine.clone();
        let mut live = Self(Some(Box::new(Live::new(flight, attempts))));
        let opened = tokio::select! {
            opened = tokio::time::timeout(engine.settings.header_wait_max, live.first_content()) => opened.unwrap_or(Ok(())),
            // Dropping `live` hands it to the drain.
            () = presence.lost() => return Err(client_gone()),
        };
        // No byte reaches the caller before the attempt's record would survive a power cut.
        if let Some(live) = &live.0 {
            engine.store.journal().synced(live.begun_record()).await;
        }
        opened.map(|()| live)
    }

    async fn first_content(&mut self) -> Result<()> {
        let Some(live) = self.0.as_mut() else { return Ok(()) };
        while !live.may_pass() {
            match std::future::poll_fn(|cx| live.poll_batch(cx)).await {
                Some(Ok(batch)) => live.keep_waiting(batch.bytes),
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next piece; `None` at the end. After an error the stream is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        let Some(live) = self.0.as_mut() else { return Poll::Ready(None) };
        loop {
            if let Some(bytes) = live.pass() {
                return Poll::Ready(Some(Ok(Piece::Events(bytes))));
            }
            if live.is_withdrawn() {
                return Poll::Ready(live.end_withdrawn().map(Err));
            }
            match live.poll_batch(cx) {
                Poll::Ready(Some(Ok(batch))) => live.keep_waiting(batch.bytes),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(live.pass().map(|bytes| Ok(Piece::Events(bytes)))),
                Poll::Pending => {
                    return live.poll_ticker(cx).map(|withdrawn| match withdrawn {
                        Some(error) => Some(Err(error)),
                        None => Some(Ok(Piece::Silence)),
                    });
                }
            }
        }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        let Some(live) = self.0.take().filter(|live| !live.is_over()) else { return };
        // Without a runtime (the process is stopping) the flight's own drop settles it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(live.drain());
        }
    }
}
