//! Plans: named defaults with what tenants are charged under them. The operators' alone.

use std::{collections::HashSet, sync::Arc};

use insula_model::{Defaults, Error, Plan, Result, SellPrice};

use super::defaults;
use crate::{Engine, directory::Operator};

/// Prices of one plan.
pub const PRICES_MAX: usize = 1_000;

/// What a plan is to be.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// What its tenants inherit.
    pub defaults: Defaults,
    /// What its tenants are charged.
    pub prices: Vec<SellPrice>,
}

/// All plans, in order of their names.
pub fn list(engine: &Engine, _by: &Operator) -> Vec<Arc<Plan>> {
    engine.directory.plans()
}

/// The plan that a path names.
pub fn read(engine: &Engine, _by: &Operator, path: &str) -> Result<Arc<Plan>> {
    engine.directory.plan(&defaults::name(path)?)
}

/// Makes a plan or replaces it whole. Its tenants have what it says from the next request on.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming the field.
pub async fn replace(engine: &Engine, by: &Operator, path: &str, new: NewPlan) -> Result<Arc<Plan>> {
    let name = defaults::new_name(path)?;
    defaults::check(&new.defaults)?;
    check_prices(&new.prices)?;
    let plan = Plan { name, defaults: new.defaults, prices: new.prices, version: 1, created_at: engine.clock.now() };
    let plan = engine.directory.put_plan(&plan, &engine.accounts).await?;
    tracing::info!(plan = %plan.name, by = %by.key(), version = plan.version, "plan replaced");
    Ok(plan)
}

/// Removes a plan.
///
/// # Errors
/// [`insula_model::ErrorKind::Conflict`] while tenants have it.
pub async fn remove(engine: &Engine, by: &Operator, path: &str) -> Result<()> {
    let name = defaults::name(path)?;
    engine.directory.remove_plan(&name).await?;
    tracing::info!(plan = %name, by = %by.key(), "plan removed");
    Ok(())
}

/// One price per model and moment.
fn check_prices(prices: &[SellPrice]) -> Result<()> {
    if prices.len() > PRICES_MAX {
        return Err(Error::invalid(format!("at most {PRICES_MAX} prices")).at("prices"));
    }
    let mut seen = HashSet::new();
    for (i, price) in prices.iter().enumerate() {
        defaults::check_model(&price.model).map_err(|error| error.at(format!("prices[{i}].model")))?;
        if !seen.insert((&price.model, price.effective_from)) {
            let message = format!("there is already a price of `{}` from this moment on", price.model);
            return Err(Error::invalid(message).at(format!("prices[{i}].effective_from")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use insula_model::{Price, Timestamp};

    use super::*;

    #[test]
    fn one_price_per_model_and_moment() {
        let price = |model: &str, from| SellPrice {
            model: model.to_owned(),
            effective_from: Timestamp::from_micros(from),
            price: Price::per_million("1", "2").unwrap(),
        };
        assert!(check_prices(&[price("*", 0), price("a", 0), price("a", 1)]).is_ok());
        let param = |prices: &[SellPrice]| check_prices(prices).unwrap_err().param().map(str::to_owned);
        assert_eq!(param(&[price("a", 0), price("a", 0)]).as_deref(), Some("prices[1].effective_from"));
        assert_eq!(param(&[price("", 0)]).as_deref(), Some("prices[0].model"));
    }
}
