//! Where sums over the ledger are cut, so that within each part no price changes.

use std::collections::{BTreeMap, BTreeSet};

use insula_model::{Result, TenantScope, Timestamp, WindowSpan};

use crate::query::{Tx, args, rec};

/// When prices of plans change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceDates(BTreeMap<String, BTreeSet<Timestamp>>);

/// Plans with the moments from which on a price of theirs holds.
impl<P: Into<String>> FromIterator<(P, Timestamp)> for PriceDates {
    fn from_iter<I: IntoIterator<Item = (P, Timestamp)>>(dates: I) -> Self {
        let mut all = Self::default();
        for (plan, at) in dates {
            all.0.entry(plan.into()).or_default().insert(at);
        }
        all
    }
}

/// The plans under which a tenant's attempts were made. The bounds stand in the order of the index `ledger_by_tenant`.
const PLANS: &str = "SELECT DISTINCT plan FROM ledger WHERE tenant = $1 AND reserved_at >= $2 AND reserved_at < $3 \
                     AND plan IS NOT NULL";

struct PlanName {
    plan: String,
}
rec!(PlanName { plan });

impl PriceDates {
    /// The parts of a span, in their order, within which no price changes of a plan that a tenant's attempts in it were made
    /// under. What other plans do cuts nothing.
    pub(super) async fn parts(&self, tx: &mut Tx, scope: &TenantScope, span: WindowSpan) -> Result<Vec<WindowSpan>> {
        if !self.0.values().flatten().any(|at| is_inside(span, *at)) {
            return Ok(vec![span]);
        }
        let plans: Vec<PlanName> = tx.all(PLANS, args![scope.tenant(), span.start, span.end]).await?;
        Ok(self.cut(span, plans.iter().map(|name| name.plan.as_str())))
    }

    fn cut<'a>(&self, span: WindowSpan, plans: impl Iterator<Item = &'a str>) -> Vec<WindowSpan> {
        let changes = plans.filter_map(|plan| self.0.get(plan)).flatten();
        let mut starts: BTreeSet<Timestamp> = changes.copied().filter(|at| is_inside(span, *at)).collect();
        starts.insert(span.start);
        let ends = starts.iter().skip(1).copied().chain([span.end]);
        starts.iter().zip(ends).map(|(start, end)| WindowSpan { start: *start, end }).collect()
    }
}

fn is_inside(span: WindowSpan, at: Timestamp) -> bool {
    span.start < at && at < span.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_cut_where_a_price_of_its_plans_begins() {
        let at = Timestamp::from_micros;
        let dates: PriceDates =
            [("pro", at(20)), ("pro", at(0)), ("pro", at(50)), ("free", at(20)), ("gold", at(30))].into_iter().collect();
        let span = |start, end| WindowSpan { start: at(start), end: at(end) };
        let cut = |within: WindowSpan, plans: &[&str]| dates.cut(within, plans.iter().copied());
        assert_eq!(cut(span(0, 50), &["pro", "free", "gone"]), [span(0, 20), span(20, 50)]);
        assert_eq!(cut(span(0, 50), &["free", "gold"]), [span(0, 20), span(20, 30), span(30, 50)]);
        assert_eq!(cut(span(21, 30), &["pro", "gold"]), [span(21, 30)]);
        assert_eq!(cut(span(0, 50), &[]), [span(0, 50)]);
    }
}
