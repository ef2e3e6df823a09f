//! What a node that died in the middle left undone is finished by those that live: tenants half made, tenants half erased.

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Random, Result};
use tokio::task::AbortHandle;

use super::{erase, provision};
use crate::{Control, tenants::Homes, vault::KeyStore, vectors::Vectors};

/// How often a node looks.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What began less than this ago is most likely in another node's hands just now.
const UNFINISHED_AGE_MIN: Duration = Duration::from_secs(60);

/// What it takes to finish what others left.
pub(super) struct Unfinished {
    pub(super) control: Control,
    pub(super) keys: Arc<KeyStore>,
    pub(super) homes: Homes,
    pub(super) vectors: Arc<Vectors>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

impl Unfinished {
    /// Finishes what is old enough. Several may do it at once: every step can be repeated.
    pub(super) async fn finish(&self) -> Result<()> {
        let Self { control, keys, homes, vectors, clock, random } = self;
        let (now, before) = (clock.now(), clock.now().minus(UNFINISHED_AGE_MIN));
        erase::replay(control, keys, homes, vectors, now, before).await?;
        provision::finish_all(control, keys, homes, &**random, before).await
    }
}

/// Looks for as long as it lives.
pub(super) struct Tidying(AbortHandle);

impl Tidying {
    pub(super) fn start(unfinished: Unfinished) -> Self {
        let work = async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                if let Err(error) = unfinished.finish().await {
                    tracing::warn!(%error, "what another node left undone cannot be finished; it is tried again");
                }
            }
        };
        Self(tokio::spawn(work).abort_handle())
    }

    /// Looks no more.
    pub(super) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Tidying {
    fn drop(&mut self) {
        self.0.abort();
    }
}
