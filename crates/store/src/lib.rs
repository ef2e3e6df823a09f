//! Placeholder tutorial (skeleton).

#[cfg(test)]
mod conformance;
mod control;
mod coordination;
mod fold;
mod journal;
mod lock;
mod options;
mod query;
mod records;
mod sqlite;
mod store;
mod tenants;
mod vault;

pub use control::{Control, GroupBy, HourSpend, LedgerVerification, OperatorKey, UsageQuery, UsageRow};
pub use coordination::{Charge, Coordination, RateDecision, RateKind, RateState, Seat};
pub use journal::{Disk, DiskFile, Journal, RealDisk, Seq};
pub use options::{Durability, StoreOptions};
pub use records::{Begin, End, IdempotencyEntry, IdempotencyMark, LedgerRow, Record, TraceRecord};
pub use store::{ErasureReceipt, Store};
pub use tenants::{IdempotencyRow, IdempotencyState, RequestRow, TenantStore};
pub use vault::{RootKey, TenantSeals};
