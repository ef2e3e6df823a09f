//! Talking to model providers: what a request may cost, its wire form, and the answer as it streams back.
//!
//! [`Providers`] knows which provider serves a model, and at what price from the [`PriceBook`]. [`ChatRequest`],
//! [`EmbeddingsRequest`] and [`ModerationsRequest`] check a caller's body, bound its cost and write the wire form;
//! [`Provider`] sends it over pooled connections and hands back a [`JsonAnswer`] or a [`ChatStream`] of validated events, in
//! the caller's own dialect.
//!
//! This crate knows nothing of tenants, keys, budgets or storage. What leaves it for a caller is scrubbed: no provider
//! key, address or foreign error text.
//!
//! ```
//! use insula_model::{Operation, Timestamp};
//! use insula_providers::{ChatRequest, PriceBook, Providers, ProviderSettings, SIMULATOR_PRICES, Viewer};
//!
//! let book = PriceBook::builtin()?.extended_by(PriceBook::parse(SIMULATOR_PRICES, "simulator prices")?);
//! let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1:9999/v1")], book)?;
//!
//! let body = r#"{"model":"sim-small","messages":[{"role":"user","content":"Hello"}]}"#;
//! let request = ChatRequest::parse(body.into())?;
//! let now = Timestamp::parse("2026-01-01T00:00:00Z")?;
//! let routes = providers.candidates(&request.model, Operation::Chat, now, &Viewer::default())?;
//! let route = &routes[0];
//! // The most that this call can cost: its bytes as input tokens, and the output limit that is also sent upstream.
//! let input = request.input.tokens_max(&route.card).map_err(insula_model::Error::invalid)?;
//! let most = route.price_row.price.bound(input, 100 * request.n);
//! assert_eq!(most.to_string(), "0.000268");
//! let wire = request.upstream_body(&route.card, route.provider.wire(), Some(100), None)?;
//! assert!(wire.ends_with(br#","max_tokens":100}"#));
//! # Ok::<(), insula_model::Error>(())
//! ```

mod anthropic;
mod capability;
mod client;
mod ending;
mod gemini;
mod isolation;
mod json;
mod openai;
mod pace;
mod price_book;
mod question;
mod registry;
mod request;
mod responses;
mod retrieval;
mod settings;
mod sse;
mod tokenizer;
mod translate;

pub use capability::Capability;
pub use client::{
    AccountKey, Batch, ChatStream, JsonAnswer, NoRoom, Outbound, Provider, RanOut, Room, SendFailure, Sent, UpstreamError,
    check_key,
};
pub use ending::ends_well;
pub use isolation::{CacheIsolation, Isolation, Salt};
pub use openai::{EmbeddingsRequest, Joined, Likeness, ModerationsRequest};
pub use pace::{Allowance, Left, Pace};
pub use price_book::{ModelCard, OutputLimitField, PriceBook, PriceRow, SIMULATOR_PRICES};
pub use question::question;
pub use registry::{ProviderInfo, Providers, Route, Viewer};
pub use request::{ChatRequest, InputBound, normalised};
pub use responses::{Chain, Exchange, input_items};
pub use retrieval::{CorporaAsk, FileSearch, RetrievalAsk, WrongCitation};
pub use settings::{ProviderSettings, SecretText, Timeouts, Vendor, is_region};
pub use tokenizer::Tokenizer;
pub use translate::{Asked, Dialect, Edit, Editor, Wire};
