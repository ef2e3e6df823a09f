//! What tenants are charged: the price table of their plan, where it has one.

use std::sync::Arc;

use insula_model::{Plan, Price, SellPrice, Timestamp, WindowSpan};

use crate::Engine;

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

    /// The parts of a span within which no price changes, in their order.
    pub(super) fn parts(&self, span: WindowSpan) -> Vec<WindowSpan> {
        let inside = |at: &Timestamp| span.start < *at && *at < span.end;
        let rows = self.plans.iter().flat_map(|plan| &plan.prices);
        let mut starts: Vec<Timestamp> = rows.map(|row| row.effective_from).filter(inside).collect();
        starts.push(span.start);
        starts.sort();
        starts.dedup();
        let ends = starts.iter().skip(1).copied().chain([span.end]);
        starts.iter().zip(ends).map(|(start, end)| WindowSpan { start: *start, end }).collect()
    }
}

impl Engine {
    /// The price tables of all plans.
    pub fn sell_prices(&self) -> SellPrices {
        SellPrices::new(self.directory.plans())
    }
}

#[cfg(test)]
mod tests {
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
    fn a_span_is_cut_where_a_price_begins() {
        let prices =
            SellPrices::new(vec![plan("pro", &[("m", 20, 1), ("m", 0, 1), ("m", 50, 1)]), plan("free", &[("m", 20, 1)])]);
        let span = |start, end| WindowSpan { start: at(start), end: at(end) };
        assert_eq!(prices.parts(span(0, 50)), [span(0, 20), span(20, 50)]);
        assert_eq!(prices.parts(span(21, 30)), [span(21, 30)]);
    }
}
