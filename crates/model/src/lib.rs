//! The nouns of Insula: ids, scope, money, tokens, budgets, limits, time and errors.
//!
//! Every other crate speaks in these words. This crate does no I/O, reads no clock and draws no randomness of its own:
//! time comes in as a [`Clock`], chance as a [`Random`]. It knows nothing of databases, providers or HTTP.
//!
//! ```
//! use insula_model::{Money, Price, TokenCounts};
//!
//! // One million input tokens at 1.00 USD and half a million output tokens at 2.00 USD.
//! let price = Price::per_million("1.00", "2.00")?;
//! let used = TokenCounts { input: 1_000_000, output: 500_000, ..TokenCounts::default() };
//! assert_eq!(price.cost(&used)?, Money::from_usd("2.00")?);
//! # Ok::<(), insula_model::Error>(())
//! ```

mod attempt;
mod batch;
mod budget;
mod cache;
pub mod chat;
mod clock;
mod corpus;
mod credential;
mod document;
mod error;
mod ids;
mod inherit;
mod limits;
mod money;
mod names;
mod overhead;
mod plan;
mod random;
mod routing;
mod run;
mod scope;
mod tenant;
mod tokens;
mod vectors;
mod webhook;
mod window;

pub use attempt::{AttemptOutcome, Cause, Operation};
pub use batch::{BatchStatus, BatchTimes, BatchWait, FilePurpose, FileState};
pub use budget::{Budget, BudgetLevel, BudgetMode, BudgetOrigin, Cap, Subject};
pub use cache::CacheRules;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use corpus::ReferenceCorpus;
pub use credential::{CredentialMark, CredentialOwner, ProviderOrigin};
pub use document::{DocumentStatus, EmbeddingWait};
pub use error::{BudgetRefusal, Error, ErrorKind, Result};
pub use ids::{
    AttemptId, BatchId, BudgetId, CorpusId, CredentialId, CreditId, DocumentId, EndUserId, EventId, FileBatchId, FileId,
    IdGenerator, KeyId, RequestId, TenantId, VectorStoreId, WebhookId,
};
pub use inherit::{Effective, EffectiveCache, EffectiveLimits, EffectiveVectors, Lineage, Origin};
pub use limits::{Limits, ProviderIsolation, ReleaseMode};
pub use money::{Money, Price};
pub use names::{CorpusName, Jurisdiction, Name, Slug};
pub use overhead::Overhead;
pub use plan::{BudgetTerms, Defaults, Plan, Segment, SellPrice};
pub use random::{OsRandom, Random, SeededRandom};
pub use routing::{Complexity, EffectiveRouting, Matrix, OnMismatch, Routing, Strategy, VersionLock};
pub use run::RunKind;
pub use scope::{CorpusGrant, ScopeSource, TenantScope};
pub use tenant::{Key, Placement, Role, Tenant, TenantState};
pub use tokens::TokenCounts;
pub use vectors::{VectorCollection, VectorRules};
pub use webhook::{DeliveryState, EventType};
pub use window::{Window, WindowSpan};
