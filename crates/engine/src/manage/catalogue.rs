//! What the platform offers: providers, models and prices as they are configured.

use std::sync::Arc;

pub use insula_providers::{ModelCard, PriceRow, ProviderInfo};

use insula_model::{Price, Result};

use crate::{
    Engine,
    directory::{Credential, Operator},
};

/// The configured providers.
pub fn providers(engine: &Engine, _by: &Operator) -> Vec<ProviderInfo> {
    engine.providers.list()
}

/// The models that have a provider and a price now: all of them for operators, for a tenant's admin those that its tenant sees.
///
/// # Errors
/// [`insula_model::ErrorKind::Forbidden`] for a tenant's other credentials.
pub fn models(engine: &Engine, by: &Credential) -> Result<Vec<Arc<ModelCard>>> {
    let mut models = engine.providers.models(engine.clock.now());
    if let Credential::Tenant(own) = by {
        let tenant = engine.directory.managed(by, own.tenant.record.slug.as_str())?;
        models.retain(|card| tenant.entry.may_see(card));
    }
    Ok(models)
}

/// The prices that are in force now.
pub fn prices(engine: &Engine, _by: &Operator) -> Vec<(Arc<ModelCard>, Arc<PriceRow>)> {
    engine.providers.prices(engine.clock.now())
}

/// The prices of a row of the price book, also of one that is in force no more; absent where the book does not have it any more.
pub fn rates(engine: &Engine, price_row: &str) -> Option<Price> {
    engine.providers.price_row(price_row).map(|row| row.price)
}
