//! Where everything that must survive is kept: who exists, what they may spend, what they spent, and each tenant's own
//! data, sealed.
//!
//! # What is where
//! - The **control database** ([`Control`]): tenants, keys, budgets, limits, the ledger. Never content.
//! - **Tenants' files**, one each ([`Store::tenant`]): finished requests and what is replayed for an `Idempotency-Key`. A
//!   file knows whose it is; no query in it names a tenant.
//! - The **vault** ([`RootKey`], [`TenantSeals`]): a key per tenant, kept apart from both. Whatever a person wrote or a model
//!   said is sealed with it before it leaves memory. Erasing a tenant destroys its key first.
//! - The **journal** ([`Journal`]): the attempt is noted there before a provider hears of it, and what it cost when it is
//!   over. The *fold* moves both from there into the ledger and the tenants' files, in batches.
//! - **Coordination** ([`Coordination`]): pace and concurrency, which nobody misses after a restart.
//!
//! # A tenant, one attempt, its ledger row
//! ```
//! # use std::sync::Arc;
//! # use insula_model::{
//! #     AttemptOutcome, Cause, Clock, IdGenerator, ManualClock, Money, Operation, OsRandom, Placement, Result, ScopeSource, Tenant,
//! #     TenantScope, TenantState, Timestamp, TokenCounts,
//! # };
//! # use insula_store::{Begin, End, RealDisk, RootKey, Store, StoreOptions};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let dir = tempfile::tempdir().map_err(insula_model::Error::internal)?;
//! # let (path, clock, random) = (dir.path(), Arc::new(ManualClock::at(Timestamp::parse("2026-01-31T12:00:00Z")?)), Arc::new(OsRandom));
//! # let ids = IdGenerator::new(clock.clone(), random.clone());
//! # let tenant = Tenant {
//! #     id: ids.tenant(), slug: String::from("acme").try_into()?, name: String::from("Acme").try_into()?, external_id: None, region: None,
//! #     plan: None, segment: None, models: None, routing: Default::default(), provider_credentials: Default::default(), cache: Default::default(), vectors: Default::default(), embedder: None, placement: Placement::Shared, tags: Default::default(), state: TenantState::Active, version: 1, created_at: clock.now(),
//! # };
//! let root_key = RootKey::load_or_create(&path.join("root.key"), &OsRandom)?;
//! let options = StoreOptions::new(path.join("data"), root_key);
//! let store = Store::open(options, clock.clone(), random, Arc::new(RealDisk)).await?;
//! store.create_tenant(&tenant).await?;
//!
//! // Authentication mints the scope; nothing of a tenant opens without it.
//! let scope = TenantScope::mint(tenant.id, ScopeSource::Credential);
//!
//! // Before the provider's socket sees a byte:
//! let begin = Begin {
//!     attempt: ids.attempt(),
//!     request: ids.request([0; 4]),
//!     tenant: tenant.id,
//!     reserved: Money::from_usd("0.02")?,
//!     reserved_at: clock.now(),
//!     # key: None, operation: Operation::Chat, cause: Cause::Base, attribution: Default::default(), provider: "sim".into(), model: "sim-small".into(),
//!     # price_row: "sim/sim-small@2026-01-01".into(), input_tokens_max: 10, output_tokens_max: 10, idempotency: None,
//!     // ...
//! };
//! store.journal().begin(&begin)?;
//! // When it is over; nothing reaches the client before `synced` returns.
//! let end = End {
//!     attempt: begin.attempt,
//!     cost: Money::from_usd("0.01")?,
//!     # settled_at: clock.now(), outcome: AttemptOutcome::Completed, tokens: TokenCounts::default(), estimated: false, isolation: Default::default(),
//!     // ...
//! };
//! let seq = store.journal().end(&end, None, &[]);
//! store.journal().synced(seq).await;
//!
//! store.flush().await?;
//! let rows = store.control().attempts(&scope, begin.request, clock.now()).await?;
//! assert_eq!(rows[0].end.cost, end.cost);
//! store.close().await
//! # }
//! ```
//!
//! # What this crate must never know
//! HTTP, providers, prices, or what a request means: it keeps records and opens them for whom they belong to. Nothing
//! outside of it names an engine; today there is one, SQLite, and another joins in `query` as a second variant.

mod cluster;
#[cfg(test)]
mod conformance;
mod control;
mod coordination;
mod fold;
mod journal;
mod lock;
mod options;
mod postgres;
mod query;
mod records;
mod sqlite;
mod store;
mod tenants;
mod tls;
mod vault;
mod vectors;

pub use cluster::{ChangeNotices, Changes, Cluster, LeaseMove, Leases, Recall, Recalls, Unit, WindowKey, WindowState};
pub use control::{
    AttemptQuery, CacheHitRow, CacheHitSums, CacheHits, CacheWriter, ChargeQuery, ChargeRow, Claim, Control, CorpusGrantRow,
    Credit, Delivery, DueDelivery, EndUserRow, GroupBy, Heirs, HourSpend, LedgerCursor, LedgerEntry, LedgerPage,
    LedgerVerification, NextStep, Once, OperatorKey, OverheadDifference, PriceDates, PricedPart, Run, RunsMax, Sending, Sums,
    TokenDifferences, UsageQuery, UsageRow, Webhook, WebhookEvent,
};
pub use coordination::{Charge, Coordination, RateDecision, RateKind, RateState, RedisOptions, Seat, ping};
pub use journal::{Disk, DiskFile, RealDisk, Seq};
pub use options::{ClusterOptions, EXACT_MAX, INDEX_BYTES_MAX, PostgresOptions, StoreOptions, VectorSearch};
pub use postgres::{
    Examination, Finding, Holds, Migrated, PostgresUrl, examine, examine_pgvector, lint, migrate, migrate_pgvector,
};
pub use records::{Attribution, Begin, End, IdempotencyEntry, IdempotencyMark, LABELS_BYTES_MAX, LedgerRow, TraceRecord};
pub use store::{Admission, ErasureReceipt, Journal, Store};
pub use tenants::{
    Attached, BatchRow, BlobReader, BlobWriter, ChunkText, ChunkVector, Corpus, DocumentRow, DocumentsMax, FileBatchRow,
    FilePage, FileRow, IdempotencyRow, IdempotencyState, Knowledge, KnowledgeReader, Lacking, LineRow, NewChunk, Posting,
    ProfileRow, ProviderCredentialRow, Publication, Published, PublishedDocument, RequestRow, ResponseRow, ResponsesMax, Room,
    SealedDetail, SealedPassage, Slice, StagedVector, StatusCount, TenantStore, TokenCount, VectorStoreRow, Within, Written,
};
pub use vault::{AnswerKey, Opener, RootKey, TenantSeals};
pub use vectors::{
    AuditFinding, AuditKind, Entry, Filled, Filling, Index, Near, NewVector, QdrantOptions, Reading, Served, Space, Spaces,
    Unfilled, exact_order, inner_product,
};
