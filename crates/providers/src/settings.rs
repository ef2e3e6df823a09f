//! What an operator says about a provider.

use std::{fmt, time::Duration};

use insula_model::Operation;
use zeroize::Zeroizing;

use crate::{CacheIsolation, Pace, Wire};

/// A text that must not be shown: it prints as `[secret]` and is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Whose API a provider has: it decides the form of requests, their addresses, and where the key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// OpenAI, and every server that is compatible.
    #[default]
    OpenAi,
    /// Azure OpenAI's v1 API: OpenAI's form, with the key in `api-key`.
    Azure,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Vendor {
    /// The word for it, as the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Vendor::OpenAi => "openai",
            Vendor::Azure => "azure",
            Vendor::Anthropic => "anthropic",
            Vendor::Gemini => "gemini",
        }
    }

    /// The form of its requests and answers.
    pub fn wire(self) -> Wire {
        match self {
            Vendor::OpenAi | Vendor::Azure => Wire::ChatCompletions,
            Vendor::Anthropic => Wire::Messages,
            Vendor::Gemini => Wire::GenerateContent,
        }
    }

    /// Whether its API has this at all, whatever a model of it can do.
    pub fn offers(self, operation: Operation) -> bool {
        match operation {
            Operation::Chat => true,
            Operation::Embeddings => self != Vendor::Anthropic,
            Operation::Moderations => self == Vendor::OpenAi,
        }
    }
}

/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name, also in the price book.
    pub name: String,
    /// Whose API it has.
    pub vendor: Vendor,
    /// Where its API starts, version included: `https://api.openai.com/v1`. Plain `http://` is for servers of your own.
    pub base_url: String,
    /// The platform's key there.
    pub api_key: Option<SecretText>,
    /// Whether requests may be made by other accounts there than the platform's, with keys of their own.
    pub takes_other_keys: bool,
    /// Where it processes data.
    pub region: Option<String>,
    /// The header in which it wants to be told the attempt's id, such as `x-insula-attempt`.
    pub attempt_header: Option<String>,
    /// How it is told whose cached prompts may be used.
    pub cache_isolation: CacheIsolation,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How fast requests may go to each of its models.
    pub pace: Pace,
    /// The longest answer that is read, in bytes.
    pub response_bytes_max: u64,
    /// The longest single event of a stream, in bytes.
    pub event_bytes_max: usize,
    /// How many idle connections are kept.
    pub connections_idle_max: usize,
}

impl ProviderSettings {
    /// A provider with OpenAI's API, every bound at its default, and no key.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            vendor: Vendor::default(),
            base_url: base_url.into(),
            api_key: None,
            takes_other_keys: true,
            region: None,
            attempt_header: None,
            cache_isolation: CacheIsolation::default(),
            timeouts: Timeouts::default(),
            pace: Pace::default(),
            response_bytes_max: 32 << 20,
            event_bytes_max: 1 << 20,
            connections_idle_max: 256,
        }
    }
}

/// Whether `text` can be a region: 1 to 63 of a-z, 0-9 and inner hyphens.
pub fn is_region(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// How long a provider may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect_ms_max: u64,
    /// From sending until the head of a plain answer, or the first content event of a stream.
    pub first_byte_ms_max: u64,
    /// Between two reads of an answer that has begun.
    pub idle_ms_max: u64,
    /// From sending to the end of the answer.
    pub total_ms_max: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms_max: 5_000, first_byte_ms_max: 120_000, idle_ms_max: 60_000, total_ms_max: 600_000 }
    }
}

impl Timeouts {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms_max)
    }

    pub(crate) fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms_max)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms_max)
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(self.total_ms_max)
    }
}
