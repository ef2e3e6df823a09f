//! Models that run in this process: from their directories into memory, where this build can.

use anyhow::Result;
use insula_engine::knowledge::LocalModels;

use crate::config::Embedder;

/// Reads the local models among these.
///
/// # Errors
/// Where a directory holds none that can be used: the file is named. None in a build without the feature `local-embedder`, whose
/// configuration names no directory.
#[cfg(feature = "local-embedder")]
pub(crate) fn load(embedders: &[Embedder]) -> Result<LocalModels> {
    with_models::load(embedders)
}

/// There are none: the configuration of such a build names no directory.
///
/// # Errors
/// None.
#[cfg(not(feature = "local-embedder"))]
pub(crate) fn load(_embedders: &[Embedder]) -> Result<LocalModels> {
    Ok(LocalModels::default())
}

#[cfg(feature = "local-embedder")]
mod with_models {
    use std::sync::Arc;

    use anyhow::{Context, Result};
    use insula_embedder::{Bounds, Model};
    use insula_engine::knowledge::{LocalModel, LocalModels, Side};
    use insula_model::Error;

    use crate::config::Embedder;

    /// A model with the name that tells its vectors from others'.
    struct Local {
        identity: String,
        dimension: u32,
        model: Model,
    }

    pub(super) fn load(embedders: &[Embedder]) -> Result<LocalModels> {
        let local = embedders.iter().filter_map(|embedder| Some((embedder, embedder.directory.as_ref()?)));
        let loaded = local.map(|(embedder, directory)| {
            let bounds = Bounds {
                threads: embedder.threads_max.get(),
                batch_tokens_max: embedder.batch_tokens_max.get(),
                text_characters_max: embedder.text_characters_max.get(),
                weights_bytes_max: embedder.weights_bytes_max.get(),
            };
            let model = Model::load(directory, bounds).with_context(|| format!("embedder {}", embedder.name))?;
            let dimension = u32::try_from(model.dimension())?;
            let identity = format!("{}#{:08x}", embedder.name, model.checksum());
            tracing::info!(embedder = embedder.name, dimension, "a local model is in memory");
            let local: Arc<dyn LocalModel> = Arc::new(Local { identity, dimension, model });
            Ok((embedder.name.clone(), local))
        });
        Ok(LocalModels(loaded.collect::<Result<_>>()?))
    }

    impl LocalModel for Local {
        fn identity(&self) -> &str {
            &self.identity
        }

        fn dimension(&self) -> u32 {
            self.dimension
        }

        fn embed(&self, side: Side, texts: &[String]) -> insula_model::Result<Vec<Vec<f32>>> {
            let side = match side {
                Side::Query => insula_embedder::Side::Query,
                Side::Document => insula_embedder::Side::Document,
            };
            self.model.embed(side, texts).map_err(Error::internal)
        }
    }
}
