//! What tenants are charged: the price table of their plan, where it has one.

use insula_model::{Price, Timestamp, WindowSpan};

use crate::Engine;

/// A row of a plan's price table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPrice {
    /// The plan.
    pub plan: String,
    /// The model, as the price book names it, or [`PlanPrice::ANY_MODEL`] for those without a price of their own.
    pub model: String,
    /// From when on it holds.
    pub effective_from: Timestamp,
    /// Per token of each class.
    pub price: Price,
}

impl PlanPrice {
    /// Stands for every model that has no price of its own.
    pub const ANY_MODEL: &'static str = "*";

    /// What a bill calls it.
    pub fn id(&self) -> String {
        format!("{}/{}@{}", self.plan, self.model, self.effective_from)
    }
}

/// The price tables of all plans. What they do not list is charged at cost.
#[derive(Debug, Clone, Default)]
pub struct SellPrices {
    /// Rows of one plan and model stand together, the oldest first.
    rows: Vec<PlanPrice>,
}

impl SellPrices {
    /// The tables that these rows make.
    pub fn new(mut rows: Vec<PlanPrice>) -> Self {
        rows.sort_by(|one, other| {
            (&one.plan, &one.model, one.effective_from).cmp(&(&other.plan, &other.model, other.effective_from))
        });
        Self { rows }
    }

    /// Whether everything is charged at cost.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row at which an attempt is charged that was reserved `at` this time under `plan`.
    pub fn row(&self, plan: Option<&str>, model: &str, at: Timestamp) -> Option<&PlanPrice> {
        let plan = plan?;
        let of = |model: &str| self.rows.iter().rfind(|row| row.plan == plan && row.model == model && row.effective_from <= at);
        of(model).or_else(|| of(PlanPrice::ANY_MODEL))
    }

    /// The parts of a span within which no price changes, in their order.
    pub(super) fn parts(&self, span: WindowSpan) -> Vec<WindowSpan> {
        let inside = |at: &Timestamp| span.start < *at && *at < span.end;
        let mut starts: Vec<Timestamp> = self.rows.iter().map(|row| row.effective_from).filter(inside).collect();
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
        SellPrices::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn row(plan: &str, model: &str, from: i64) -> PlanPrice {
        let price = Price::per_million("3.00", "6.00").unwrap();
        PlanPrice { plan: plan.into(), model: model.into(), effective_from: at(from), price }
    }

    #[test]
    fn the_latest_row_that_has_begun_is_charged() {
        let prices = SellPrices::new(vec![row("pro", "m", 20), row("pro", "m", 10), row("free", "m", 0), row("free", "*", 0)]);
        let found = |plan, model, moment| prices.row(plan, model, at(moment)).cloned();
        assert_eq!(found(Some("pro"), "m", 9), None, "at cost");
        assert_eq!(found(Some("pro"), "m", 10), Some(row("pro", "m", 10)));
        assert_eq!(found(Some("pro"), "m", 25), Some(row("pro", "m", 20)));
        assert_eq!((found(Some("pro"), "n", 25), found(None, "m", 25)), (None, None));
        assert_eq!(found(Some("free"), "m", 25), Some(row("free", "m", 0)), "its own price comes before that of all");
        assert_eq!(found(Some("free"), "n", 25), Some(row("free", "*", 0)));
        assert_eq!(row("pro", "m", 0).id(), "pro/m@1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_span_is_cut_where_a_price_begins() {
        let prices = SellPrices::new(vec![row("pro", "m", 20), row("free", "m", 20), row("pro", "m", 0), row("pro", "m", 50)]);
        let span = |start, end| WindowSpan { start: at(start), end: at(end) };
        assert_eq!(prices.parts(span(0, 50)), [span(0, 20), span(20, 50)]);
        assert_eq!(prices.parts(span(21, 30)), [span(21, 30)]);
    }
}
