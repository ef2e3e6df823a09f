//! This node among the others that share the storage.

mod leases;

pub(crate) use leases::{LEDGER_LOCK, before_budgets_change, follow_budgets};
pub use leases::{LeaseMove, Leases, Recall, Recalls, Unit, WindowKey, WindowState};
