//! Plans: named defaults with what tenants are charged under them. The operators' alone.

use std::{collections::HashSet, sync::Arc};

use insula_model::{Defaults, Error, ErrorKind, Plan, Price, Result, SellPrice, Tenant, Timestamp, Window};

use super::{defaults, embedder};
use crate::{Engine, directory::Operator, knowledge::settling};

/// Prices of one plan.
pub const PRICES_MAX: usize = 1_000;

/// What a plan is to be.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// What its tenants inherit.
    pub defaults: Defaults,
    /// What its tenants are charged.
    pub prices: Vec<NewPrice>,
}

/// What a model's price is to be.
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// The model as the price book names it, or [`SellPrice::ANY_MODEL`].
    pub model: String,
    /// From when on it holds; absent: since when the plan has it, else from the start of the running month.
    pub effective_from: Option<Timestamp>,
    /// Per token of each class.
    pub price: Price,
}

/// All plans, in order of their names.
pub fn list(engine: &Engine, _by: &Operator) -> Vec<Arc<Plan>> {
    engine.directory.plans()
}

/// The plan that a path names.
pub fn read(engine: &Engine, _by: &Operator, path: &str) -> Result<Arc<Plan>> {
    engine.directory.plan(&defaults::name(path)?)
}

/// Makes a plan or replaces it whole. Its tenants have what it says from the next request on. Statements of months that are over are
/// made from its prices too: what they said before the running month stays.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming the field.
pub async fn replace(engine: &Engine, by: &Operator, path: &str, new: NewPlan) -> Result<Arc<Plan>> {
    let name = defaults::new_name(path)?;
    defaults::check(&new.defaults)?;
    embedder::check(engine, new.defaults.embedder.as_deref())?;
    let (now, known) = (engine.clock.now(), engine.directory.plan(&name).ok());
    let known = known.as_deref().map_or(&[][..], |plan| &plan.prices);
    let prices: Vec<_> = new.prices.into_iter().map(|price| dated(price, known, now)).collect();
    check_prices(&prices)?;
    check_past(known, &prices, Window::Month.span(now).start)?;
    let plan = Plan { name, defaults: new.defaults, prices, version: 1, created_at: now };
    let before = engine.directory.plan(&plan.name).map(|plan| plan.defaults.vectors).unwrap_or_default();
    let is_concerned = |tenant: &Tenant| tenant.plan.as_ref() == Some(&plan.name) && before != plan.defaults.vectors;
    let put = engine.directory.put_plan(&plan, &engine.accounts);
    let plan = settling::moving(engine, is_concerned, put).await?;
    tracing::info!(plan = %plan.name, by = %by.key(), version = plan.version, "plan replaced");
    Ok(plan)
}

/// Removes a plan.
///
/// # Errors
/// [`insula_model::ErrorKind::Conflict`] while tenants have it, and where statements of past months are made from its prices.
pub async fn remove(engine: &Engine, by: &Operator, path: &str) -> Result<()> {
    let name = defaults::name(path)?;
    let month = Window::Month.span(engine.clock.now()).start;
    if engine.directory.plan(&name)?.prices.iter().any(|row| row.effective_from < month) {
        let message = "statements of past months are made from this plan's prices, so it stays; give its tenants another plan";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    engine.directory.remove_plan(&name).await?;
    tracing::info!(plan = %name, by = %by.key(), "plan removed");
    Ok(())
}

/// A price with its moment: the one that is asked for, else the latest at which the plan has this very price, else the start of the
/// running month.
fn dated(new: NewPrice, known: &[SellPrice], now: Timestamp) -> SellPrice {
    let is_it = |row: &&SellPrice| (&row.model, row.price) == (&new.model, new.price) && row.effective_from <= now;
    let since = || known.iter().filter(is_it).map(|row| row.effective_from).max();
    let effective_from = new.effective_from.or_else(since).unwrap_or(Window::Month.span(now).start);
    SellPrice { model: new.model, effective_from, price: new.price }
}

/// Nothing is added to what holds since before `month`, nothing of it is changed and nothing taken away.
fn check_past(known: &[SellPrice], new: &[SellPrice], month: Timestamp) -> Result<()> {
    let only_in = |rows: &[SellPrice], others: &[SellPrice]| {
        rows.iter().position(|row| row.effective_from < month && !others.contains(row))
    };
    if let Some(i) = only_in(new, known) {
        let message = format!("statements of past months stand: a price that is new or changed begins at {month} or later");
        return Err(Error::invalid(message).at(format!("prices[{i}].effective_from")));
    }
    if let Some(gone) = only_in(known, new).and_then(|i| known.get(i)) {
        let message = format!(
            "statements of past months are made from the price of `{}` from {} on: list it as it is, and add another that begins at \
             {month} or later",
            gone.model, gone.effective_from
        );
        return Err(Error::invalid(message).at("prices"));
    }
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
    use super::*;

    fn price(model: &str, from: i64) -> SellPrice {
        let price = Price::per_million("1", "2").unwrap();
        SellPrice { model: model.to_owned(), effective_from: Timestamp::from_micros(from), price }
    }

    #[test]
    fn what_prices_said_before_the_month_stays() {
        let known = [price("a", 5), price("a", 20), price("b", 12)];
        let refused = |new: &[SellPrice]| check_past(&known, new, Timestamp::from_micros(10)).err();
        assert!(
            refused(&known).is_none() && refused(&[price("a", 5), price("c", 10)]).is_none(),
            "from the month on all may change"
        );
        let dearer = SellPrice { price: Price::per_million("3", "4").unwrap(), ..price("a", 5) };
        for new in [vec![price("a", 9), price("a", 5)], vec![dearer, price("b", 12)]] {
            assert_eq!(refused(&new).unwrap().param(), Some("prices[0].effective_from"));
        }
        let gone = refused(&[price("a", 20)]).unwrap();
        assert!(gone.param() == Some("prices") && gone.message().contains("`a` from 1970-01-01T00:00:00.000005Z"), "{gone}");
    }

    #[test]
    fn a_price_without_a_moment_is_as_it_was() {
        let now = Timestamp::parse("2026-03-15T12:00:00Z").unwrap();
        let order = |model: &str| NewPrice { model: model.to_owned(), effective_from: None, price: price("a", 0).price };
        let known = [price("a", 5), price("a", 7), price("a", now.micros() + 1)];
        assert_eq!(dated(order("a"), &known, now), price("a", 7));
        assert_eq!(dated(order("b"), &known, now).effective_from.to_string(), "2026-03-01T00:00:00Z");
        let at = NewPrice { effective_from: Some(now), ..order("a") };
        assert_eq!(dated(at, &known, now).effective_from, now);
    }

    #[test]
    fn one_price_per_model_and_moment() {
        assert!(check_prices(&[price("*", 0), price("a", 0), price("a", 1)]).is_ok());
        let param = |prices: &[SellPrice]| check_prices(prices).unwrap_err().param().map(str::to_owned);
        assert_eq!(param(&[price("a", 0), price("a", 0)]).as_deref(), Some("prices[1].effective_from"));
        assert_eq!(param(&[price("", 0)]).as_deref(), Some("prices[0].model"));
    }
}
