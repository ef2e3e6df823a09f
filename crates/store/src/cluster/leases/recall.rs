//! Nodes ask each other for what they lease and do not hold.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use insula_model::{Error, Result};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    cluster::{RECALL, WindowKey},
    postgres::{Access, Mode, Notice, PgPool},
};

/// Windows in one notice: PostgreSQL takes less than 8,000 bytes, and one needs at most 80.
const WINDOWS_MAX: usize = 64;

/// What another node asks back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Of these windows.
    These(Vec<WindowKey>),
    /// A notice may have been missed: of all.
    All,
}

/// What other nodes ask back, as it comes.
pub struct Recalls {
    notices: Receiver<Notice>,
    node: [u8; 16],
}

impl Recalls {
    pub(super) fn new(notices: Receiver<Notice>, node: [u8; 16]) -> Self {
        Self { notices, node }
    }

    /// The next recall; `None` once nobody listens any more.
    pub async fn next(&mut self) -> Option<Recall> {
        loop {
            match self.notices.recv().await {
                Ok(Notice::Told { channel, payload }) if channel == RECALL => match decoded(&payload) {
                    Some((node, _)) if node == self.node => {}
                    Some((_, windows)) => return Some(Recall::These(windows)),
                    None => return Some(Recall::All),
                },
                Ok(Notice::Told { .. }) => {}
                Ok(Notice::Resumed) | Err(RecvError::Lagged(_)) => return Some(Recall::All),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Who asks, and for what.
fn decoded(payload: &str) -> Option<([u8; 16], Vec<WindowKey>)> {
    postcard::from_bytes(&BASE64_STANDARD_NO_PAD.decode(payload).ok()?).ok()
}

pub(super) async fn send(pool: &PgPool, node: &[u8; 16], windows: &[WindowKey]) -> Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    for windows in windows.chunks(WINDOWS_MAX) {
        let payload = BASE64_STANDARD_NO_PAD.encode(postcard::to_stdvec(&(node, windows)).map_err(Error::internal)?);
        tx.run("SELECT pg_notify($1, $2)", &[&RECALL, &payload]).await?;
    }
    tx.commit().await
}
