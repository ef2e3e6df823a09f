//! Hearing from other nodes that something changed, on a connection of its own.

use std::{convert::Infallible, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use futures_core::Stream;
use redis::{
    Msg, RedisError, Value,
    aio::{PubSub, PubSubSink, PubSubStream},
};
use tokio::time;

use super::dial::{DIAL_MAX, Dial};
use crate::coordination::push::Changes;

/// How long to wait before another connection is made.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a silent connection is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Who listens where.
pub(super) struct Listener {
    pub(super) dial: Arc<Dial>,
    pub(super) channel: String,
    /// What this node says itself: it has heard that already.
    pub(super) own: String,
    pub(super) changes: Changes,
}

impl Listener {
    /// Listens for good.
    pub(super) async fn listen(self) {
        loop {
            let lost = match time::timeout(DIAL_MAX, self.subscribe()).await {
                Ok(Ok((sink, messages))) => {
                    // Whatever was said before this moment was missed.
                    self.changes.signal();
                    self.hear(sink, messages).await
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(timed_out()),
            };
            let Err(reason) = lost;
            tracing::debug!(%reason, "changes are not pushed just now; they are found by looking");
            time::sleep(RETRY_AFTER).await;
        }
    }

    async fn subscribe(&self) -> Result<(PubSubSink, PubSubStream), RedisError> {
        let (mut sink, messages) = PubSub::new(self.dial.login(), self.dial.connect().await?).await?.split();
        sink.subscribe(&self.channel).await?;
        Ok((sink, messages))
    }

    /// Passes on what is heard until the connection is lost.
    async fn hear(&self, mut sink: PubSubSink, mut messages: PubSubStream) -> Result<Infallible, RedisError> {
        loop {
            match time::timeout(ASK_EVERY, next(&mut messages)).await {
                Ok(Some(message)) if message.get_payload_bytes() == self.own.as_bytes() => {}
                Ok(Some(_)) => self.changes.signal(),
                Ok(None) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                Err(_) => drop(time::timeout(DIAL_MAX, sink.ping::<Value>()).await.map_err(|_| timed_out())??),
            }
        }
    }
}

async fn next(messages: &mut PubSubStream) -> Option<Msg> {
    poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
