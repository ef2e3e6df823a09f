//! What other nodes tell each other through the database: LISTEN on a connection of its own.

use std::{future::poll_fn, sync::Arc, time::Duration};

use insula_model::Result;
use tokio::{sync::broadcast, task::AbortHandle};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::{PostgresUrl, error::failed};

/// How soon a lost connection is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Notices that a slow reader may be behind; then it learns that it missed some.
const BACKLOG_MAX: usize = 1_024;

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Somebody told something.
    Told {
        /// On which channel.
        channel: String,
        /// What.
        payload: Arc<str>,
    },
    /// The connection was lost and is back: something may have been missed.
    Resumed,
}

/// Listens for as long as it lives.
pub(crate) struct Listener {
    notices: broadcast::Sender<Notice>,
    task: AbortHandle,
}

impl Listener {
    /// Listens on `channels`, from now on and again after every loss.
    pub(crate) fn start(url: PostgresUrl, connect_max: Duration, channels: &'static [&'static str]) -> Self {
        let notices = broadcast::Sender::new(BACKLOG_MAX);
        let told = notices.clone();
        let work = async move {
            loop {
                // Whatever ended it, the next connection says that something may have been missed.
                let _ = listen(&url, connect_max, channels, &told).await;
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        };
        Self { notices, task: tokio::spawn(work).abort_handle() }
    }

    /// What is told from now on.
    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(url: &PostgresUrl, connect_max: Duration, channels: &[&str], told: &broadcast::Sender<Notice>) -> Result<()> {
    let config = url.configured(connect_max, Duration::ZERO);
    match url.tls()? {
        Some(tls) => {
            let (client, connection) = config.connect(tls).await.map_err(failed)?;
            hear(client, connection, channels, told).await
        }
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            hear(client, connection, channels, told).await
        }
    }
}

async fn hear<S, T>(
    client: Client,
    mut connection: tokio_postgres::Connection<S, T>,
    channels: &[&str],
    told: &broadcast::Sender<Notice>,
) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let commands: String = channels.iter().map(|channel| format!("LISTEN {channel};")).collect();
    let asked = async {
        client.batch_execute(&commands).await.map_err(failed)?;
        // Nobody may be listening to this yet.
        let _ = told.send(Notice::Resumed);
        // The client must live as long as the connection.
        std::future::pending::<Result<()>>().await
    };
    let heard = async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notice) = message.map_err(failed)? {
                let told_now = Notice::Told { channel: notice.channel().to_owned(), payload: notice.payload().into() };
                let _ = told.send(told_now);
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = asked => ended,
        ended = heard => ended,
    }
}
