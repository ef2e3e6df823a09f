//! Forms that several operations share: money, moments, tokens, prices, pages.

use insula_engine::{
    manage::page::{Page, PageAsk},
    statement::CauseAmounts,
};
use insula_model::{Cause, Error, Money, Overhead, Price, Result, Timestamp, TokenCounts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// The items.
    data: Vec<T>,
    /// Pass it on as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// A list that is always whole.
    pub(crate) fn whole(items: impl IntoIterator<Item = T>) -> Self {
        Self { data: items.into_iter().collect(), next_cursor: None }
    }

    /// A page, each item put into its form.
    pub(crate) fn page<I, N: ToString>(page: Page<I, N>, form: impl Fn(&I) -> T) -> Self {
        Self { data: page.items.iter().map(form).collect(), next_cursor: page.next.map(|next| next.to_string()) }
    }
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items on the page; 50 where absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl PageQuery {
    /// The page asked for.
    pub(crate) fn ask<I: std::str::FromStr>(&self) -> Result<PageAsk<I>> {
        PageAsk::parse(self.cursor.as_deref(), self.limit)
    }
}

/// A moment, RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = DateTime, examples("2026-01-31T12:00:00Z"))]
pub(crate) struct Moment(pub(crate) Timestamp);

impl TryFrom<String> for Moment {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Timestamp::parse(&text).map(Self)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.0.to_string()
    }
}

/// An amount of USD as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, examples("10.00"))]
pub(crate) struct Usd(pub(crate) Money);

impl Usd {
    /// What a million tokens cost at a price per token.
    pub(crate) fn per_million(token_pico: u64) -> Self {
        Self(Money::from_pico(i128::from(token_pico) * 1_000_000))
    }
}

impl TryFrom<String> for Usd {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Money::from_usd(&text).map(Self)
    }
}

impl From<Usd> for String {
    fn from(amount: Usd) -> String {
        amount.0.to_string()
    }
}

/// Tokens by class; the classes do not overlap.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// Input that was read afresh.
    input: u64,
    /// Input from the provider's cache.
    cache_read: u64,
    /// Input written to the provider's cache.
    cache_write: u64,
    /// Input written to it for an hour, where that has a price of its own.
    cache_write_1h: u64,
    /// Visible output.
    output: u64,
    /// Hidden reasoning.
    reasoning: u64,
}

impl From<TokenCounts> for Tokens {
    fn from(counts: TokenCounts) -> Self {
        let TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning } = counts;
        Self { input, cache_read, cache_write, cache_write_1h, output, reasoning }
    }
}

/// What keeps a tenant's prompts apart from others' at the providers, beside the figures that it is a part of.
#[derive(Serialize, ToSchema)]
pub(crate) struct Isolation {
    /// How many of the input tokens were added to keep the tenant's prompts apart from others' at the provider.
    isolation_tokens: u64,
    /// How many of these the provider read from its cache.
    isolation_cached_tokens: u64,
    /// What of the amount is for them.
    isolation_usd: Usd,
}

impl From<Overhead> for Isolation {
    fn from(overhead: Overhead) -> Self {
        Self {
            isolation_tokens: overhead.total(),
            isolation_cached_tokens: overhead.tokens.cache_read,
            isolation_usd: Usd(overhead.cost),
        }
    }
}

/// Prices in USD per million tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rates {
    /// Input that is read afresh.
    input_usd: Usd,
    /// Input from the provider's cache.
    cache_read_usd: Usd,
    /// Input written to the provider's cache.
    cache_write_usd: Usd,
    /// Input written to it for an hour.
    cache_write_1h_usd: Usd,
    /// Output, reasoning included.
    output_usd: Usd,
}

impl From<Price> for Rates {
    fn from(price: Price) -> Self {
        Self {
            input_usd: Usd::per_million(price.input_pico),
            cache_read_usd: Usd::per_million(price.cache_read_pico),
            cache_write_usd: Usd::per_million(price.cache_write_pico),
            cache_write_1h_usd: Usd::per_million(price.cache_write_1h_pico),
            output_usd: Usd::per_million(price.output_pico),
        }
    }
}

/// USD by why attempts were made.
#[derive(Serialize, ToSchema)]
pub(crate) struct Causes {
    /// The caller asked for it.
    base: Usd,
    /// The attempt before it failed in a way that may pass.
    retry: Usd,
    /// The answer before it was not what was asked for.
    repair: Usd,
    /// The provider before it could not serve.
    fallback: Usd,
    /// A text of the request had to be embedded.
    embedding: Usd,
    /// An answer was judged.
    evaluation: Usd,
}

impl From<CauseAmounts> for Causes {
    fn from(amounts: CauseAmounts) -> Self {
        let of = |cause| Usd(amounts.of(cause));
        Self {
            base: of(Cause::Base),
            retry: of(Cause::Retry),
            repair: of(Cause::Repair),
            fallback: of(Cause::Fallback),
            embedding: of(Cause::Embedding),
            evaluation: of(Cause::Evaluation),
        }
    }
}

/// Reads a field that may be absent (unchanged), null (taken away) or there.
pub(crate) fn or_null<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}
