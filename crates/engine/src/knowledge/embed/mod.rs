//! What places a text among others: texts that say the like lie near each other.
//!
//! - [`hashing`]: what is built in, and knows only words;
//! - [`local`]: a model that runs in this process, which the binary hands in;
//! - [`provider`]: a model of a provider's, asked through the pipeline like any other, and paid for by whose texts they are;
//! - [`embedders`]: which of them a name means;
//! - [`pause`]: what follows where texts could not be embedded.

mod embedders;
mod hashing;
mod local;
mod pause;
mod provider;

use std::{pin::Pin, sync::Arc};

use insula_model::{Result, TenantId};
use parking_lot::Mutex;
use tokio::time::Instant;

pub(super) use embedders::Embedders;
use embedders::identity_of_model;
pub use local::{LocalModel, LocalModels};
pub(super) use pause::{AGAIN_WHEN_SUSPENDED, AGAIN_WITHOUT_MONEY, Came, embed_some};

use crate::{Engine, directory::TenantCredential, end_users::EndUser};

/// Vectors under way.
pub(super) type Embedding = Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>>> + Send>>;

/// What a text is on the way to being found. Some models are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is asked.
    Query,
    /// What is searched.
    Document,
}

/// What turns texts into vectors.
pub(super) trait Embedder: Send + Sync {
    /// What tells its vectors from all that cannot be compared with them; kept with them.
    fn name(&self) -> &str;

    /// The numbers of a vector; absent while only a vector can tell.
    fn dimension(&self) -> Option<u32>;

    /// Whether somebody is charged for it.
    fn is_paid(&self) -> bool {
        false
    }

    /// Whether a vector costs more than keeping it before its document is whole.
    fn is_dear(&self) -> bool;

    /// Whether asking it has any prospect: false while no budget would cover even a little.
    fn may_ask(&self, _errand: &Errand) -> bool {
        true
    }

    /// How much it takes at once in this name.
    fn room(&self, errand: &Errand) -> Room;

    /// The vectors of these texts, each of length one, or of zeros where a text says nothing.
    fn embed(&self, errand: &Errand, side: Side, texts: Vec<String>) -> Embedding;
}

/// In whose name texts are embedded: that is who pays, where it costs anything.
#[derive(Clone)]
pub(crate) struct Errand {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Whose texts are embedded: a tenant, or the home of a corpus.
    pub home: TenantId,
    /// The tenant, and the key of whoever asks, where somebody does. Nobody pays for a corpus.
    pub credential: Option<TenantCredential>,
    /// The end user on whose behalf is asked, whose budgets count it too.
    pub end_user: Option<EndUser>,
    /// Whether nobody waits for it.
    pub is_background: bool,
    /// Before then nothing is asked that nobody waits for: the tenant's callers find room.
    not_before: Arc<Mutex<Option<Instant>>>,
}

impl Errand {
    /// One for whoever asks.
    pub fn of_caller(engine: &Arc<Engine>, credential: TenantCredential, end_user: Option<EndUser>) -> Self {
        let (engine, home, credential) = (Arc::clone(engine), credential.scope.tenant(), Some(credential));
        Self { engine, home, credential, end_user, is_background: false, not_before: Arc::default() }
    }

    /// One for a job that nobody waits for, on what a tenant or a corpus has.
    ///
    /// # Errors
    /// Those of [`Directory::for_job`](crate::directory::Directory).
    pub fn of_job(engine: &Arc<Engine>, home: TenantId, job: &'static str) -> Result<Self> {
        let credential = match engine.directory.is_corpus(home) {
            true => None,
            false => Some(engine.directory.for_job(home, job)?),
        };
        let (engine, end_user, not_before) = (Arc::clone(engine), None, Arc::default());
        Ok(Self { engine, home, credential, end_user, is_background: true, not_before })
    }
}

/// How much is embedded at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Texts.
    pub texts: usize,
    /// Bytes of all of them; a text that is larger goes alone.
    pub bytes: usize,
}

impl Room {
    /// How many of these texts, from the first on, go together; at least one where there is any.
    pub fn takes(self, sizes: impl Iterator<Item = usize>) -> usize {
        let mut bytes = 0_usize;
        let fits = sizes.take(self.texts).take_while(|size| {
            bytes = bytes.saturating_add(*size);
            bytes <= self.bytes
        });
        fits.count().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_goes_together_as_there_is_room_for() {
        let room = Room { texts: 3, bytes: 10 };
        for (sizes, together) in [(&[4, 4, 4][..], 2), (&[1, 1, 1, 1], 3), (&[11, 1], 1), (&[5, 5], 2)] {
            assert_eq!(room.takes(sizes.iter().copied()), together, "{sizes:?}");
        }
    }
}
