//! The request path and the services around it.
//!
//! Read [`pipeline`] first: it is the whole path of a request, top to bottom, one line a stage. This crate knows no HTTP
//! and no storage engine; it is handed a store, providers, a clock and a source of chance.
//!
//! - [`accounts`]: budgets that hold under concurrency;
//! - [`batches`]: many requests in a file, sent when nobody else wants their turn;
//! - [`directory`]: who a credential is, and what it may do;
//! - [`files`]: what tenants upload, sealed chunk by chunk;
//! - [`knowledge`]: documents, from what is handed in to what is found;
//! - [`manage`]: tenants, keys, budgets and limits as operators and tenants change them;
//! - [`statement`]: what a tenant is charged, line by line, and why it differs from the month before.

pub mod accounts;
pub mod batches;
pub mod directory;
pub mod files;
pub mod knowledge;
pub mod manage;
pub mod statement;

mod admission;
mod answer_rooms;
mod attempts;
mod cache;
mod count;
mod credentials;
mod end_users;
mod engine;
mod flight;
mod idempotency;
mod isolation;
mod labels;
mod limits;
mod owed;
mod pipeline;
mod queue;
mod reserve;
mod responses;
mod retrieval;
mod route;
mod runs;
mod send;
mod settings;
mod stream;
mod tokenizing;
mod trace;
mod turn;
mod webhooks;
mod work;

pub use cache::{CacheControl, CacheRecord, CacheSettings, CacheView};
pub use end_users::EndUser;
pub use engine::Engine;
pub use idempotency::Transcript;
pub use limits::RateView;
pub use pipeline::{Answer, Call};
pub use queue::QueueSettings;
pub use responses::{ItemsAsk, ItemsPage};
pub use retrieval::{Origin, RetrievalRecord, SourceRecord};
pub use route::{CandidateRecord, Mismatch, RouteRecord, RouteSettings};
pub use settings::{EngineSettings, ResponsesSettings};
pub use stream::{LiveStream, Piece};
pub use trace::{AttemptRecord, Content, RequestDetail, StageRecord};
pub use webhooks::WebhookSettings;

// What the server needs of the crates below, so that it depends on this one alone.
pub use insula_providers::{ChatRequest, Dialect, EmbeddingsRequest, ModelCard, ModerationsRequest, SecretText};
pub use insula_store::RateKind;
