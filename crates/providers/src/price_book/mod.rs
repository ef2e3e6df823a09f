//! The price book: models, their bounds and what they cost, with effective dates.
//!
//! One row holds one price for each class of tokens. What has no row has no price, and is refused: an unknown price is
//! never zero.

mod file;

use std::sync::Arc;

use insula_model::{Error, ErrorKind, Operation, Price, Result, Timestamp};

use crate::{Capability, Pace, Tokenizer};

const BUILTIN: &str = include_str!("builtin.toml");

/// Made-up prices of the simulator's models, in the shape of a price file. `insula dev` adds them to its book.
pub const SIMULATOR_PRICES: &str = include_str!("simulator.toml");

/// The field in which a model takes its output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputLimitField {
    /// `max_tokens`: what compatible servers understand.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`: what OpenAI's reasoning models demand.
    MaxCompletionTokens,
}

impl OutputLimitField {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            OutputLimitField::MaxTokens => "max_tokens",
            OutputLimitField::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// What is known of one model of one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// The name that callers use.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// Whose it is: the name of a provider entry.
    pub provider: String,
    /// The name that the provider uses.
    pub upstream_model: String,
    /// What it can do.
    pub operations: Vec<Operation>,
    /// Input and output together, in tokens.
    pub context_tokens_max: Option<u64>,
    /// The longest output of one choice, in tokens; 0 for models without output, such as embeddings.
    pub output_tokens_max: u64,
    /// The most that one image can cost, in tokens.
    pub image_tokens_max: Option<u64>,
    /// Tokens that the provider's own chat template adds to every request, whatever it says.
    pub template_tokens: u64,
    /// Whether it can reason without showing it: then what was seen of a broken-off answer does not bound what it costs.
    pub reasons_unseen: bool,
    /// The tokenizer, where this crate has it.
    pub tokenizer: Option<Tokenizer>,
    /// Where the output limit goes.
    pub output_limit_field: OutputLimitField,
    /// How fast requests may go to it; what is absent here is its provider's to say.
    pub pace: Pace,
    /// Where it is processed; where absent, its provider's region holds.
    pub region: Option<String>,
    /// What it can do beside plain text; everything where absent.
    pub capabilities: Option<Vec<Capability>>,
    /// The exact version that its answers must name.
    pub snapshot: Option<String>,
    /// Free labels of the catalogue.
    pub tags: Vec<String>,
    /// The tenants that alone may see it, by slug or id; all where absent.
    pub tenants: Option<Vec<String>>,
}

impl ModelCard {
    /// Whether these names (a name, an alias, or either behind `provider/`) hold one of this model's; absent names hold all.
    pub fn is_among(&self, names: Option<&[String]>) -> bool {
        let is_called = |name: &str| self.name == name || self.aliases.iter().any(|alias| alias == name);
        let behind_provider = |name: &str| name.strip_prefix(self.provider.as_str())?.strip_prefix('/').map(is_called);
        names.is_none_or(|names| names.iter().any(|name| is_called(name) || behind_provider(name) == Some(true)))
    }

    /// Whether this model is for everybody, or for somebody who is called one of these.
    pub fn is_for(&self, names: &[&str]) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|tenant| names.contains(&tenant.as_str())))
    }

    /// The first of these that the model cannot do.
    pub fn lacks(&self, needed: &[Capability]) -> Option<Capability> {
        let can = self.capabilities.as_ref()?;
        needed.iter().copied().find(|capability| !can.contains(capability))
    }
}

/// A price and since when it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceRow {
    /// `provider/model@date`.
    pub id: String,
    /// From when on it holds: midnight UTC.
    pub effective_from: Timestamp,
    /// Per token of each class.
    pub price: Price,
    /// Where it was read: the vendor's public page.
    pub source: String,
    /// When somebody last compared it with its source, as `YYYY-MM-DD`.
    pub checked: String,
}

/// A model with its price rows, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub card: Arc<ModelCard>,
    pub prices: Vec<Arc<PriceRow>>,
}

impl Entry {
    /// The row in force `at` this time.
    pub fn price(&self, at: Timestamp) -> Option<&Arc<PriceRow>> {
        self.prices.iter().rev().find(|row| row.effective_from <= at)
    }
}

/// All models and prices known, in the order of their files.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    pub(crate) entries: Vec<Entry>,
}

impl PriceBook {
    /// The list prices that ship with Insula, as known on the date that each row carries.
    ///
    /// # Errors
    /// None in a build that passed its tests.
    pub fn builtin() -> Result<Self> {
        Self::parse(BUILTIN, "the built-in price book")
    }

    /// Reads a price file. `name` stands for it in messages.
    ///
    /// # Errors
    /// `Invalid`, naming the line and how to mend it.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        file::parse(text, name)
    }

    /// This book with `other` on top: an entry of `other` replaces the one of the same provider and model.
    #[must_use]
    pub fn extended_by(mut self, other: PriceBook) -> Self {
        for entry in other.entries {
            let same = |e: &Entry| e.card.provider == entry.card.provider && e.card.name == entry.card.name;
            match self.entries.iter().position(same) {
                Some(at) => self.entries[at] = entry,
                None => self.entries.push(entry),
            }
        }
        self
    }
}

/// No price is in force: says how to add one.
pub(crate) fn unknown_price(provider: &str, model: &str, at: Timestamp) -> Error {
    let today = at.to_string();
    let today = today.split('T').next().unwrap_or_default();
    Error::new(
        ErrorKind::UnknownPrice,
        format!(
            "no price is in force for the model `{model}` of the provider `{provider}`, so it is not served; \
             the operator adds one to the price file, in USD per million tokens: \
             [[models]] provider = \"{provider}\", name = \"{model}\", operations = [\"chat\"], output_tokens_max = 4096; \
             [[models.prices]] effective_from = {today}, input = \"1.00\", output = \"2.00\", \
             source = \"https://...\", checked = {today}"
        ),
    )
    .at("model")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn find<'a>(book: &'a PriceBook, provider: &str, name: &str) -> &'a Entry {
        book.entries.iter().find(|e| e.card.provider == provider && e.card.name == name).unwrap()
    }

    #[test]
    fn the_builtin_book_reads_and_names_its_sources() {
        let book = PriceBook::builtin().unwrap();
        for vendor in ["openai", "anthropic", "deepseek", "gemini"] {
            assert!(book.entries.iter().any(|e| e.card.provider == vendor), "{vendor}");
        }
        for entry in &book.entries {
            assert!(!entry.prices.is_empty(), "{}", entry.card.name);
            assert!(entry.prices.iter().all(|row| row.source.starts_with("https://")), "{}", entry.card.name);
        }
    }

    #[test]
    fn the_latest_row_that_has_begun_is_in_force() {
        let book = PriceBook::builtin().unwrap();
        let entry = find(&book, "openai", "o3");
        let input = |text| entry.price(at(text)).map(|row| row.price.input_pico);
        assert_eq!(input("2025-04-15T23:59:59Z"), None);
        assert_eq!(input("2025-04-16T00:00:00Z"), Some(10_000_000));
        assert_eq!(input("2025-06-09T23:59:59.999999Z"), Some(10_000_000));
        assert_eq!(input("2025-06-10T00:00:00Z"), Some(2_000_000));
        assert_eq!(entry.price(at("2026-01-01T00:00:00Z")).unwrap().id, "openai/o3@2025-06-10");
    }

    #[test]
    fn the_simulators_prices_are_those_of_the_contract() {
        let book = PriceBook::parse(SIMULATOR_PRICES, "simulator").unwrap();
        for (name, price) in [("sim-small", ("1.00", "2.00")), ("sim-large", ("10.00", "20.00")), ("sim-embed", ("0.10", "0"))]
        {
            let entry = find(&book, "simulator", name);
            assert_eq!(entry.prices[0].price, Price::per_million(price.0, price.1).unwrap());
        }
        assert!(!PriceBook::builtin().unwrap().entries.iter().any(|e| e.card.provider == "simulator"));
    }

    #[test]
    fn an_operators_entry_replaces_ours() {
        let own = r#"
            [[models]]
            provider = "openai"
            name = "gpt-4o"
            operations = ["chat"]
            output_tokens_max = 1000
            [[models.prices]]
            effective_from = 2025-01-01
            input = "2.00"
            cache_read = "1.00"
            output = "8.00"
            source = "our contract"
            checked = 2025-01-01
        "#;
        let builtin = PriceBook::builtin().unwrap();
        let count = builtin.entries.len();
        let book = builtin.extended_by(PriceBook::parse(own, "prices.toml").unwrap());
        assert_eq!(book.entries.len(), count);
        let entry = find(&book, "openai", "gpt-4o");
        let price = entry.prices[0].price;
        assert_eq!((price.input_pico, price.cache_read_pico, price.cache_write_pico), (2_000_000, 1_000_000, 2_000_000));
        assert_eq!(entry.card.image_tokens_max, None);
    }

    #[test]
    fn the_message_shows_the_shape() {
        let error = unknown_price("vllm", "llama", at("2026-02-03T04:05:06Z"));
        assert_eq!(error.kind(), &ErrorKind::UnknownPrice);
        assert!(error.message().contains("[[models.prices]] effective_from = 2026-02-03"), "{error}");
    }
}
