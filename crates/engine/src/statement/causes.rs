//! Money told apart by why attempts were made.

use std::time::Duration;

use insula_model::{Cause, Money, Overhead};

use super::ChargedAttempt;

/// An amount for each cause; the total is their sum, so nothing can stand beside it that is not in it.
///
/// What kept the tenant apart is no further cause but an "of which" of these amounts: it stands beside them as an [`Overhead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CauseAmounts([Money; Cause::ALL.len()]);

impl CauseAmounts {
    /// The amount of one cause.
    pub fn of(&self, cause: Cause) -> Money {
        self.0[cause as usize]
    }

    /// Adds to the amount of a cause.
    pub fn add(&mut self, cause: Cause, amount: Money) {
        self.0[cause as usize] += amount;
    }

    /// All together.
    pub fn total(&self) -> Money {
        self.0.iter().copied().sum()
    }
}

impl FromIterator<(Cause, Money)> for CauseAmounts {
    fn from_iter<I: IntoIterator<Item = (Cause, Money)>>(amounts: I) -> Self {
        let mut all = Self::default();
        amounts.into_iter().for_each(|(cause, amount)| all.add(cause, amount));
        all
    }
}

/// What a request costs its reader, and how long it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCost {
    /// What its attempts come to.
    pub by_cause: CauseAmounts,
    /// What the providers' caches saved of it by the same prices, net of what writing to them cost: it is not in the amounts any more.
    /// Nothing is known of attempts whose price row is gone.
    pub cache_savings: Money,
    /// What of their tokens kept the tenant apart, and what of the amounts is for them. Nothing is known of attempts that the ledger does
    /// not have yet.
    pub isolation: Overhead,
    /// How long they waited for their turns together.
    pub queued: Duration,
}

impl RequestCost {
    /// That of attempts as the ledger has them, by what they are charged.
    pub fn of<'a>(attempts: impl IntoIterator<Item = &'a ChargedAttempt>) -> Self {
        let mut cost = Self::default();
        for ChargedAttempt { row, rates, amount, isolation, .. } in attempts {
            cost.by_cause.add(row.begin.cause, *amount);
            cost.isolation += *isolation;
            cost.cache_savings += rates.map_or(Money::ZERO, |rates| rates.cache_savings(&row.end.tokens));
            cost.queued += Duration::from_micros(row.begin.attribution.queued_us);
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_place_of_its_own() {
        let amount = |n: usize| Money::from_pico(10_i128.pow(n as u32));
        let all: CauseAmounts = Cause::ALL.into_iter().enumerate().map(|(n, cause)| (cause, amount(n))).collect();
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(all.of(cause), amount(n), "{cause:?}");
        }
        assert_eq!(all.total(), Money::from_pico(111_111));
    }
}
