//! What tenants are charged: the price table of their plan, where it has one.

use std::sync::Arc;

use insula_model::{Money, Overhead, Plan, Price, SellPrice, Timestamp, TokenCounts};
use insula_store::{PriceDates, PricedPart, TokenDifferences};

use crate::{Engine, directory::Caller};

/// The row of a plan's price table that something is charged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sold<'a> {
    plan: &'a Plan,
    row: &'a SellPrice,
}

impl Sold<'_> {
    /// What a bill calls the row.
    pub fn id(&self) -> String {
        format!("{}/{}@{}", self.plan.name, self.row.model, self.row.effective_from)
    }

    /// Per token of each class.
    pub fn price(&self) -> Price {
        self.row.price
    }
}

/// The price tables of all plans. What they do not list is charged at cost.
#[derive(Debug, Clone, Default)]
pub struct SellPrices {
    /// Those that have a table.
    plans: Vec<Arc<Plan>>,
}

impl SellPrices {
    /// The tables of these plans.
    pub fn new(mut plans: Vec<Arc<Plan>>) -> Self {
        plans.retain(|plan| !plan.prices.is_empty());
        Self { plans }
    }

    /// Whether everything is charged at cost.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// The row by which an attempt is charged that was reserved `at` this time under `plan`: the latest of its model that has begun,
    /// else the latest for all models.
    pub fn row(&self, plan: Option<&str>, model: &str, at: Timestamp) -> Option<Sold<'_>> {
        let plan = self.plans.iter().find(|known| Some(known.name.as_str()) == plan)?;
        let latest = |model: &str| {
            let begun = plan.prices.iter().filter(|row| row.model == model && row.effective_from <= at);
            begun.max_by_key(|row| row.effective_from)
        };
        let row = latest(model).or_else(|| latest(SellPrice::ANY_MODEL))?;
        Some(Sold { plan, row })
    }

    /// What a tenant is charged for attempts under `plan` of one model, reserved `at` this time or later while no price changed, and by
    /// which row; at cost where that is none. Every amount that a tenant sees of its attempts comes from here.
    pub fn charge(
        &self,
        plan: Option<&str>,
        model: &str,
        at: Timestamp,
        tokens: &TokenCounts,
        cost: Money,
    ) -> (Option<Sold<'_>>, Money) {
        let sold = self.row(plan, model, at);
        (sold, sold.map_or(cost, |sold| sold.price().sum(tokens)))
    }

    /// What of that amount is for the tokens that kept the tenant apart.
    pub fn charge_isolation(&self, plan: Option<&str>, model: &str, at: Timestamp, isolation: &Overhead) -> Overhead {
        let (_, cost) = self.charge(plan, model, at, &isolation.tokens, isolation.cost);
        Overhead { cost, ..*isolation }
    }

    /// The amount for what is to be added to an attempt, or taken away: both together are charged as the attempt would have been at once.
    pub(crate) fn charge_difference(
        &self,
        plan: Option<&str>,
        model: &str,
        at: Timestamp,
        tokens: &TokenDifferences,
        cost: Money,
    ) -> (Option<Sold<'_>>, Money) {
        let (added, taken) = tokens.sides();
        let (sold, amount) = self.charge(plan, model, at, &added, cost);
        (sold, amount - self.charge(plan, model, at, &taken, Money::ZERO).1)
    }

    /// The amount for a part of a sum.
    pub(crate) fn amount(&self, part: &PricedPart) -> Money {
        self.charge(part.plan.as_deref(), &part.model, part.at, &part.tokens, part.cost).1
    }

    /// What of it is for the tokens that kept the tenant apart.
    pub(crate) fn isolation(&self, part: &PricedPart) -> Overhead {
        self.charge_isolation(part.plan.as_deref(), &part.model, part.at, &part.isolation)
    }

    /// When prices change, plan by plan.
    pub(crate) fn dates(&self) -> PriceDates {
        let rows = self.plans.iter().flat_map(|plan| plan.prices.iter().map(|row| (plan.name.as_str(), row.effective_from)));
        rows.collect()
    }
}

impl Engine {
    /// The price tables of all plans.
    pub fn sell_prices(&self) -> SellPrices {
        SellPrices::new(self.directory.plans())
    }

    /// By which prices a caller is told amounts: a tenant what it is charged, an operator what it costs.
    pub(crate) fn prices_shown_to(&self, by: &Caller) -> SellPrices {
        match by {
            Caller::Operator(_) => SellPrices::default(),
            Caller::TenantAdmin(_) => self.sell_prices(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::plan, *};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn the_latest_row_that_has_begun_is_charged() {
        let prices = SellPrices::new(vec![
            plan("pro", &[("m", 20, 3), ("m", 10, 2)]),
            plan("free", &[("*", 0, 9), ("m", 5, 1)]),
            plan("bare", &[]),
        ]);
        let pico = |plan, model, moment| prices.row(plan, model, at(moment)).map(|sold| sold.price().input_pico);
        assert_eq!(pico(Some("pro"), "m", 9), None, "at cost");
        assert_eq!((pico(Some("pro"), "m", 10), pico(Some("pro"), "m", 25)), (Some(2), Some(3)));
        assert_eq!((pico(Some("pro"), "n", 25), pico(None, "m", 25), pico(Some("bare"), "m", 25)), (None, None, None));
        assert_eq!(pico(Some("free"), "m", 25), Some(1), "its own price comes before that of all");
        assert_eq!((pico(Some("free"), "m", 4), pico(Some("free"), "n", 25)), (Some(9), Some(9)));
        assert_eq!(prices.row(Some("pro"), "m", at(10)).unwrap().id(), "pro/m@1970-01-01T00:00:00.000010Z");
        assert!(!prices.is_empty() && SellPrices::new(vec![plan("bare", &[])]).is_empty());
    }

    #[test]
    fn what_no_row_sells_is_charged_at_cost() {
        let prices = SellPrices::new(vec![plan("pro", &[("m", 10, 2)])]);
        let (tokens, cost) = (TokenCounts { input: 3, output: 4, ..TokenCounts::default() }, Money::from_pico(5));
        let charge = |plan, moment| prices.charge(plan, "m", at(moment), &tokens, cost).1.pico();
        assert_eq!((charge(Some("pro"), 10), charge(Some("pro"), 9), charge(None, 10)), (14, 5, 5));
        let isolation = Overhead { tokens: tokens.first_of_input(2), cost: Money::from_pico(1) };
        let part = PricedPart { plan: Some("pro".into()), model: "m".into(), at: at(10), tokens, cost, isolation };
        assert_eq!(prices.amount(&part), Money::from_pico(14));
        assert_eq!(prices.isolation(&part), Overhead { cost: Money::from_pico(4), ..isolation });
        assert_eq!(prices.isolation(&PricedPart { at: at(9), ..part }), isolation);
        assert_eq!(prices.dates(), [("pro", at(10))].into_iter().collect());
    }
    proptest! {
        #[test]
        fn a_correction_leaves_what_would_have_been_charged(
            first: [u32; 6], last: [u32; 6], costs: [u32; 2], is_sold: bool,
        ) {
            let prices = SellPrices::new(vec![plan("pro", &[("m", 0, 3)])]);
            let name = is_sold.then_some("pro");
            let charge = |counts: [u32; 6], cost: u32| {
                let [input, cache_read, cache_write, cache_write_1h, output, reasoning] = counts.map(u64::from);
                let tokens = TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning };
                prices.charge(name, "m", at(0), &tokens, Money::from_pico(cost.into())).1
            };
            let more = |n: usize| i64::from(last[n]) - i64::from(first[n]);
            let tokens = TokenDifferences {
                input: more(0),
                cache_read: more(1),
                cache_write: more(2),
                cache_write_1h: more(3),
                output: more(4),
                reasoning: more(5),
            };
            let cost = Money::from_pico(i128::from(costs[1]) - i128::from(costs[0]));
            let (_, difference) = prices.charge_difference(name, "m", at(0), &tokens, cost);
            prop_assert_eq!(charge(first, costs[0]) + difference, charge(last, costs[1]));
        }
    }
}
