//! Which embedder a name means.
//!
//! Operators choose by *name*: the built-in one, one of `[[embedders]]`, or a model of the catalogue that can embed. With vectors an
//! *identity* is kept, which says what made them whatever the configuration says later: the model's own name behind an alias, its
//! dimensions where they were asked for, a local model's checksum. So vectors are never compared with those of another model
//! because an entry was changed, and are searched for as long as their model can be asked.

use std::sync::Arc;

use insula_model::{Operation, Timestamp};
use insula_providers::{Providers, Viewer};

use super::{
    Embedder, LocalModels,
    hashing::{self, Hashing},
    local::Local,
    provider::Remote,
};
use crate::knowledge::settings::ProviderModel;

/// All embedders that there are.
pub(in crate::knowledge) struct Embedders {
    local: LocalModels,
    named: Vec<ProviderModel>,
    providers: Arc<Providers>,
}

/// Between a model's name and the dimensions that it was asked for.
const ASKED_FOR: char = '@';

/// What is kept with the vectors of a provider's model.
pub(super) fn identity_of_model(name: &str, dimensions: Option<u32>) -> String {
    dimensions.map_or_else(|| name.to_owned(), |dimensions| format!("{name}{ASKED_FOR}{dimensions}"))
}

impl Embedders {
    /// Those of this configuration.
    pub fn new(local: LocalModels, named: Vec<ProviderModel>, providers: Arc<Providers>) -> Self {
        Self { local, named, providers }
    }

    /// The one that an operator means by this name; `None` where there is none, or no price for it `at` this time.
    pub fn named(&self, name: &str, at: Timestamp) -> Option<Arc<dyn Embedder>> {
        if name == hashing::NAME {
            return Some(Arc::new(Hashing));
        }
        if let Some((_, model)) = self.local.0.iter().find(|(known, _)| known == name) {
            return Some(Arc::new(Local(Arc::clone(model))));
        }
        match self.named.iter().find(|known| known.name == name) {
            Some(known) => self.remote(&known.model, known.dimensions, at),
            None => self.remote(name, None, at),
        }
    }

    /// The one that made vectors with which this identity was kept.
    pub fn of_identity(&self, identity: &str, at: Timestamp) -> Option<Arc<dyn Embedder>> {
        if identity == hashing::NAME {
            return Some(Arc::new(Hashing));
        }
        if let Some((_, model)) = self.local.0.iter().find(|(_, model)| model.identity() == identity) {
            return Some(Arc::new(Local(Arc::clone(model))));
        }
        let asked = identity.rsplit_once(ASKED_FOR).and_then(|(model, asked)| Some((model, asked.parse().ok()?)));
        let with_dimensions = asked.and_then(|(model, dimensions)| self.remote(model, Some(dimensions), at));
        // A model's own name may look like that too.
        with_dimensions.or_else(|| self.remote(identity, None, at))
    }

    /// The names that an operator can choose from.
    pub fn names(&self, at: Timestamp) -> Vec<String> {
        let local = self.local.0.iter().map(|(name, _)| name.clone());
        let named = self.named.iter().map(|known| known.name.clone());
        let models = self.providers.names(Operation::Embeddings, at, &Viewer::default()).into_iter().map(str::to_owned);
        std::iter::once(hashing::NAME.to_owned()).chain(local).chain(named).chain(models).collect()
    }

    fn remote(&self, model: &str, dimensions: Option<u32>, at: Timestamp) -> Option<Arc<dyn Embedder>> {
        // Whether a tenant may be served by it is decided when it is.
        let routes = self.providers.candidates(model, Operation::Embeddings, at, &Viewer::default()).ok()?;
        let name = routes.first()?.card.name.clone();
        Some(Arc::new(Remote::new(model.to_owned(), &name, dimensions)))
    }
}
