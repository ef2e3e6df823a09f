//! Money as the contract writes it, and what the simulator's answers cost.

use insula_model::{Money, Price, TokenCounts};
use serde_json::Value;

/// Reads a decimal string of USD out of an answer; panics on anything else.
pub fn usd(value: &Value) -> Money {
    let text = value.as_str().unwrap_or_else(|| panic!("money is a decimal string, not {value}"));
    Money::from_usd(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The prices of the development catalogue.
pub struct Prices;

impl Prices {
    /// `sim-small`: 1.00 in, 2.00 out per million tokens.
    pub fn small() -> Price {
        Price::per_million("1.00", "2.00").unwrap()
    }

    /// `sim-large`: 10.00 in, 20.00 out.
    pub fn large() -> Price {
        Price::per_million("10.00", "20.00").unwrap()
    }

    /// `sim-embed`: 0.10 in.
    pub fn embed() -> Price {
        Price::per_million("0.10", "0").unwrap()
    }
}

/// The tokens that the simulator counts in a prompt of plain text messages: 3, and 3 + ceil(bytes / 4) for each.
pub fn prompt_tokens(messages: &[&str]) -> u64 {
    3 + messages.iter().map(|text| 3 + text.len().div_ceil(4) as u64).sum::<u64>()
}

/// What a chat of these messages costs at `price` with so many tokens of output.
pub fn chat_cost(price: Price, messages: &[&str], output_tokens: u64) -> Money {
    let tokens = TokenCounts { input: prompt_tokens(messages), output: output_tokens, ..TokenCounts::default() };
    price.cost(&tokens).unwrap()
}

/// `amount` times `factor`.
pub fn times(amount: Money, factor: u64) -> Money {
    Money::from_pico(amount.pico() * i128::from(factor))
}
