//! Models that run in this process. What they are made of is no matter of the engine's: the binary hands them in.

use std::{fmt, sync::Arc};

use insula_model::{Error, Result};

use super::{Embedder, Embedding, Errand, Room, Side};

/// Texts at once: a search waits no longer than for one such batch.
const TEXTS_AT_ONCE: usize = 32;

/// A model in this process.
pub trait LocalModel: Send + Sync {
    /// Tells its vectors from those of all others, also after its files were replaced.
    fn identity(&self) -> &str;

    /// The numbers of a vector.
    fn dimension(&self) -> u32;

    /// The vectors of these texts, each of length one, or of zeros where a text says nothing. It blocks for as long as it takes.
    ///
    /// # Errors
    /// Where the model cannot do it; nothing is answered in part.
    fn embed(&self, side: Side, texts: &[String]) -> Result<Vec<Vec<f32>>>;
}

/// Models in this process, by the names that the operator gave them.
#[derive(Clone, Default)]
pub struct LocalModels(pub Vec<(String, Arc<dyn LocalModel>)>);

impl fmt::Debug for LocalModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, model)| (name, model.identity()))).finish()
    }
}

/// One of them as an embedder.
pub(super) struct Local(pub Arc<dyn LocalModel>);

impl Embedder for Local {
    fn name(&self) -> &str {
        self.0.identity()
    }

    fn dimension(&self) -> Option<u32> {
        Some(self.0.dimension())
    }

    fn is_dear(&self) -> bool {
        true
    }

    fn room(&self, _errand: &Errand) -> Room {
        Room { texts: TEXTS_AT_ONCE, bytes: usize::MAX }
    }

    fn embed(&self, _errand: &Errand, side: Side, texts: Vec<String>) -> Embedding {
        let model = Arc::clone(&self.0);
        let all = move || model.embed(side, &texts);
        Box::pin(async move { tokio::task::spawn_blocking(all).await.map_err(Error::internal)? })
    }
}
