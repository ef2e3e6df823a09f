//! The attempts behind a line of a bill.

use std::{fmt, str::FromStr};

use insula_model::{
    AttemptId, Cause, CredentialOwner, Error, KeyId, Money, Operation, Overhead, Price, Result, Timestamp, WindowSpan,
};
use insula_store::{AttemptQuery, LedgerRow};

use super::{Month, SellPrices};
use crate::{
    Engine,
    directory::ManagedTenant,
    manage::{
        catalogue,
        page::{Page, PageAsk},
    },
};

/// Where an attempt stands among a tenant's: by the moment of its reservation, then by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptPlace {
    reserved_at: Timestamp,
    attempt: AttemptId,
}

/// Microseconds since 1970 and the id, joined by a dot.
impl fmt::Display for AttemptPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.reserved_at.micros(), self.attempt)
    }
}

impl FromStr for AttemptPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("not a place among attempts");
        let (micros, attempt) = text.split_once('.').ok_or_else(wrong)?;
        let reserved_at = Timestamp::from_micros(micros.parse().map_err(|_| wrong())?);
        Ok(Self { reserved_at, attempt: attempt.parse().map_err(|_| wrong())? })
    }
}

/// Which attempts of a month are wanted; what is absent is not asked about.
#[derive(Debug, Clone)]
pub struct AttemptAsk {
    /// Of this model.
    pub model: Option<String>,
    /// Of this kind of call.
    pub operation: Option<Operation>,
    /// Made for this reason.
    pub cause: Option<Cause>,
    /// Priced by this row of the price book.
    pub price_row: Option<String>,
    /// Made under this plan, or under none.
    pub plan: Option<Option<String>>,
    /// Made by the account of this one at the provider.
    pub credential: Option<CredentialOwner>,
    /// Asked for with this key, or with a tenant token.
    pub key: Option<Option<KeyId>>,
    /// With this label: its name and its value.
    pub tag: Option<(String, String)>,
    /// Reserved from here on.
    pub from: Option<Timestamp>,
    /// Reserved before this.
    pub to: Option<Timestamp>,
    /// Which part of the list.
    pub page: PageAsk<AttemptPlace>,
}

/// One attempt on a bill.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargedAttempt {
    /// The ledger's row, with what was corrected since.
    pub row: LedgerRow,
    /// The row that it is charged by: of its plan's price table where that has one, else of the price book.
    pub price_row: String,
    /// Whether that is its plan's.
    pub is_sold: bool,
    /// The prices of that row, where it is known.
    pub rates: Option<Price>,
    /// What the tenant is charged.
    pub amount: Money,
    /// What of its tokens kept the tenant apart, and what of the amount is for them.
    pub isolation: Overhead,
}

/// A page of the attempts of a month, in the order in which they were reserved. Together they come to what the line says.
pub async fn attempts(
    engine: &Engine,
    tenant: &ManagedTenant,
    month: Month,
    sell: &SellPrices,
    ask: AttemptAsk,
) -> Result<Page<ChargedAttempt, AttemptPlace>> {
    engine.store.flush_ledger().await?;
    let month = month.span();
    let span = WindowSpan {
        start: ask.from.map_or(month.start, |from| from.max(month.start)),
        end: ask.to.map_or(month.end, |to| to.min(month.end)),
    };
    let query = AttemptQuery {
        scope: tenant.scope,
        span,
        model: ask.model,
        operation: ask.operation,
        cause: ask.cause,
        price_row: ask.price_row,
        plan: ask.plan,
        credential: ask.credential,
        key: ask.key,
        tag: ask.tag,
        after: ask.page.after.map(|place| (place.reserved_at, place.attempt)),
        limit: ask.page.limit + 1,
    };
    let found = engine.store.control().charged_attempts(query).await?;
    let found = found.into_iter().map(|row| charged(engine, sell, row)).collect();
    let place =
        |found: &ChargedAttempt| AttemptPlace { reserved_at: found.row.begin.reserved_at, attempt: found.row.begin.attempt };
    Ok(ask.page.cut(found, place))
}

/// An attempt by what it is charged.
pub(crate) fn charged(engine: &Engine, sell: &SellPrices, row: LedgerRow) -> ChargedAttempt {
    let (begin, end) = (&row.begin, &row.end);
    let plan = begin.attribution.plan.as_deref();
    let (sold, amount) = sell.charge(plan, &begin.model, begin.reserved_at, &end.tokens, end.cost);
    let isolation = sell.charge_isolation(plan, &begin.model, begin.reserved_at, &end.isolation);
    let (price_row, rates) = match sold {
        Some(sold) => (sold.id(), Some(sold.price())),
        None => (begin.price_row.clone(), catalogue::rates(engine, &begin.price_row)),
    };
    ChargedAttempt { is_sold: sold.is_some(), price_row, rates, amount, isolation, row }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_reads_back(micros: i64, id: [u8; 16], nonsense: String) {
            let place = AttemptPlace { reserved_at: Timestamp::from_micros(micros), attempt: AttemptId::from_bytes(id) };
            prop_assert_eq!(place.to_string().parse::<AttemptPlace>().ok(), Some(place));
            let _ = nonsense.parse::<AttemptPlace>();
        }
    }
}
