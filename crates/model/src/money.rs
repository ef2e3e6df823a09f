//! Exact money: whole picodollars (10^-12 USD), so that every list price per token is an integer.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub, SubAssign},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, TokenCounts};

const PICO_PER_USD: i128 = 1_000_000_000_000;
const DECIMALS: usize = 12;

/// An amount in picodollars. Sums of any number of storable amounts fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The largest amount that a budget or a single row may hold: 9 million USD, which fits 64 bits of picodollars.
    pub const STORABLE_MAX: Money = Money(9_000_000 * PICO_PER_USD);

    /// An amount in picodollars.
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// The amount in picodollars.
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// The amount as a database integer; an error above [`Money::STORABLE_MAX`].
    pub fn storable(self) -> Result<i64> {
        let storable = i64::try_from(self.0).ok().filter(|_| self <= Self::STORABLE_MAX);
        storable.ok_or_else(|| Error::internal("an amount is too large to store"))
    }

    /// Reads a decimal string of USD such as `10.00`: no sign, no exponent, at most twelve decimals.
    pub fn from_usd(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("write money as a decimal string of USD, such as \"10.00\", with at most 12 decimals");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let fraction_missing = text.contains('.') && fraction.is_empty();
        if whole.is_empty() || fraction_missing || fraction.len() > DECIMALS || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        let whole: i128 = whole.parse().map_err(|_| wrong())?;
        let fraction: i128 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| wrong())?;
        whole
            .checked_mul(PICO_PER_USD)
            .and_then(|pico| pico.checked_add(fraction))
            .map(Self)
            .filter(|money| *money <= Self::STORABLE_MAX)
            .ok_or_else(|| Error::invalid("amounts above 9000000 USD cannot be stored"))
    }

    /// The difference, but never below nothing.
    pub fn saturating_sub(self, other: Money) -> Money {
        Money((self.0 - other.0).max(0))
    }
}

/// Decimal USD with at least two decimals and no needless zeros: `10.00`, `0.000061`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / PICO_PER_USD, self.0.abs() % PICO_PER_USD);
        let fraction = format!("{fraction:012}");
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{sign}{whole}.{fraction:0<2}")
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.0 += other.0;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        self.0 -= other.0;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// What one token of each class costs, in picodollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "KeptPrice")]
pub struct Price {
    /// An uncached input token.
    pub input_pico: u64,
    /// An input token read from the provider's cache.
    pub cache_read_pico: u64,
    /// An input token written to the provider's cache.
    pub cache_write_pico: u64,
    /// An input token written to the provider's cache for an hour.
    pub cache_write_1h_pico: u64,
    /// An output token, reasoning included.
    pub output_pico: u64,
}

/// A price as it is kept. What was kept before an hour had its price costs what any write costs.
#[derive(Deserialize)]
struct KeptPrice {
    input_pico: u64,
    cache_read_pico: u64,
    cache_write_pico: u64,
    cache_write_1h_pico: Option<u64>,
    output_pico: u64,
}

impl From<KeptPrice> for Price {
    fn from(kept: KeptPrice) -> Self {
        let KeptPrice { input_pico, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico } = kept;
        let cache_write_1h_pico = cache_write_1h_pico.unwrap_or(cache_write_pico);
        Self { input_pico, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico }
    }
}

impl Price {
    /// A price from USD per million tokens; cache classes cost what input costs.
    pub fn per_million(input: &str, output: &str) -> Result<Self> {
        let (input, output) = (Self::token_pico(input)?, Self::token_pico(output)?);
        let (cache_read_pico, cache_write_pico, cache_write_1h_pico) = (input, input, input);
        Ok(Self { input_pico: input, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico: output })
    }

    /// Picodollars per token from USD per million tokens; at most six decimals, so that the division is exact.
    pub fn token_pico(per_million: &str) -> Result<u64> {
        Self::of_a_token(Money::from_usd(per_million)?)
    }

    /// The same of an amount that is read already.
    pub fn of_a_token(per_million: Money) -> Result<u64> {
        let pico = per_million.pico();
        if pico % 1_000_000 != 0 {
            return Err(Error::invalid("a price per million tokens has at most 6 decimals"));
        }
        u64::try_from(pico / 1_000_000).map_err(|_| Error::invalid("the price is too large"))
    }

    /// The dearest that an input token can be, whichever class the provider puts it in.
    pub fn input_pico_max(&self) -> u64 {
        self.input_pico.max(self.cache_read_pico).max(self.cache_write_pico).max(self.cache_write_1h_pico)
    }

    /// Whether tokens of every class cost nothing.
    pub fn is_free(&self) -> bool {
        self.input_pico_max() == 0 && self.output_pico == 0
    }

    /// What these tokens of one attempt cost; an error when that is not storable.
    pub fn cost(&self, tokens: &TokenCounts) -> Result<Money> {
        let total = self.sum(tokens);
        if total > Money::STORABLE_MAX {
            return Err(Error::internal("a cost is too large to store"));
        }
        Ok(total)
    }

    /// What these tokens of any number of attempts cost together.
    pub fn sum(&self, tokens: &TokenCounts) -> Money {
        let classes = [
            (tokens.input, self.input_pico),
            (tokens.cache_read, self.cache_read_pico),
            (tokens.cache_write, self.cache_write_pico),
            (tokens.cache_write_1h, self.cache_write_1h_pico),
            (tokens.output, self.output_pico),
            (tokens.reasoning, self.output_pico),
        ];
        let cost = |(count, pico): (u64, u64)| i128::from(count).saturating_mul(i128::from(pico));
        Money(classes.into_iter().map(cost).fold(0, i128::saturating_add))
    }

    /// What the provider's cache saved on these tokens, net of what writing to it cost: the whole input at the price of uncached
    /// input, less what it cost. Below zero where more was written than was read again.
    pub fn cache_savings(&self, tokens: &TokenCounts) -> Money {
        let uncached = TokenCounts {
            input: tokens.input_total(),
            output: tokens.output,
            reasoning: tokens.reasoning,
            ..TokenCounts::default()
        };
        Money(self.sum(&uncached).pico().saturating_sub(self.sum(tokens).pico()))
    }

    /// The most that a call can cost: all input in its dearest class, all output allowed.
    pub fn bound(&self, input_tokens_max: u64, output_tokens_max: u64) -> Money {
        let class = |count: u64, pico: u64| i128::from(count).saturating_mul(i128::from(pico));
        Money(class(input_tokens_max, self.input_pico_max()).saturating_add(class(output_tokens_max, self.output_pico)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_writes_decimals() {
        for (text, shown) in
            [("10", "10.00"), ("10.00", "10.00"), ("0.000061", "0.000061"), ("0.000000000001", "0.000000000001")]
        {
            assert_eq!(Money::from_usd(text).map(|m| m.to_string()).ok().as_deref(), Some(shown));
        }
        for bad in ["", ".", "1.", ".5", "-1", "1e3", "1,00", "NaN", "0.0000000000001", "9000001", " 1", "+1"] {
            assert!(Money::from_usd(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cache_saves_net_of_its_writes() {
        let price =
            Price { input_pico: 100, cache_read_pico: 10, cache_write_pico: 125, cache_write_1h_pico: 200, output_pico: 400 };
        let tokens = |cache_read, cache_write| TokenCounts {
            input: 7,
            cache_read,
            cache_write,
            cache_write_1h: 0,
            output: 3,
            reasoning: 2,
        };
        assert_eq!(price.cache_savings(&tokens(0, 0)), Money::ZERO);
        assert_eq!(price.cache_savings(&tokens(10, 4)), Money::from_pico(10 * 90 - 4 * 25));
        assert_eq!(price.cache_savings(&tokens(0, 4)), Money::from_pico(-100));
        let for_an_hour = TokenCounts { cache_write_1h: 4, ..tokens(0, 4) };
        assert_eq!(price.cache_savings(&for_an_hour), Money::from_pico(-100 - 400));
        assert_eq!(price.sum(&for_an_hour), Money::from_pico(7 * 100 + 4 * 125 + 4 * 200 + 5 * 400));
        assert_eq!(price.input_pico_max(), 200);
    }

    #[test]
    fn a_price_that_was_kept_before_an_hour_had_one_is_read() {
        let kept = r#"{"input_pico":1,"cache_read_pico":2,"cache_write_pico":3,"output_pico":4}"#;
        let price: Price = serde_json::from_str(kept).unwrap();
        assert_eq!(price.cache_write_1h_pico, 3);
        let dearer = Price { cache_write_1h_pico: 5, ..price };
        assert_eq!(serde_json::from_str::<Price>(&serde_json::to_string(&dearer).unwrap()).unwrap(), dearer);
    }

    proptest! {
        #[test]
        fn display_reads_back(pico in 0..=Money::STORABLE_MAX.pico()) {
            let money = Money::from_pico(pico);
            prop_assert_eq!(Money::from_usd(&money.to_string()).ok(), Some(money));
        }

        #[test]
        fn cost_never_exceeds_the_bound(input in 0u64..1_000_000, read in 0u64..1_000_000, output in 0u64..1_000_000, reasoning in 0u64..1_000_000) {
            let price = Price { input_pico: 3_000_000, cache_read_pico: 300_000, cache_write_pico: 3_750_000, cache_write_1h_pico: 6_000_000, output_pico: 15_000_000 };
            let used = TokenCounts { input, cache_read: read, output, reasoning, ..TokenCounts::default() };
            let cost = price.cost(&used).ok();
            prop_assert!(cost <= Some(price.bound(input + read, output + reasoning)));
        }
    }
}
