//! What the platform offers: providers, models and prices as they are configured.

use std::sync::Arc;

pub use insula_providers::{ModelCard, PriceRow, ProviderInfo};

use insula_model::Price;

use crate::{Engine, directory::Operator};

/// The configured providers.
pub fn providers(engine: &Engine, _by: &Operator) -> Vec<ProviderInfo> {
    engine.providers.list()
}

/// The models that have a provider and a price now.
pub fn models(engine: &Engine, _by: &Operator) -> Vec<Arc<ModelCard>> {
    engine.providers.models(engine.clock.now())
}

/// The prices that are in force now.
pub fn prices(engine: &Engine, _by: &Operator) -> Vec<(Arc<ModelCard>, Arc<PriceRow>)> {
    engine.providers.prices(engine.clock.now())
}

/// The prices of a row of the price book, also of one that is in force no more; absent where the book does not have it any more.
pub fn rates(engine: &Engine, price_row: &str) -> Option<Price> {
    engine.providers.price_row(price_row).map(|row| row.price)
}
