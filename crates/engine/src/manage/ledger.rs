//! The proof that balances follow from the ledger.

use insula_model::Result;
pub use insula_store::LedgerVerification;

use crate::{Engine, directory::Operator};

/// Sums the ledger afresh and compares the sums with every account. What is still in the journal is folded first, so
/// that the answer covers everything settled before the call.
pub async fn verify(engine: &Engine, _by: &Operator) -> Result<LedgerVerification> {
    engine.store.flush_ledger().await?;
    engine.store.control().verify_ledger().await
}
