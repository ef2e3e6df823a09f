//! `/api/v1/ledger/verification`.

use axum::{Json, extract::State};
use insula_engine::{directory::Operator, manage::ledger};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, OperatorErrors},
    extract::Authorised,
    wire::Usd,
};

/// Whether balances follow from the ledger.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerVerification {
    /// Ledger rows that were summed.
    rows: u64,
    /// The sum of their costs.
    ledger_usd: Usd,
    /// What the platform's account says was spent.
    accounts_usd: Usd,
    /// The one less the other: `0.00` when all is well.
    difference_usd: Usd,
    /// What does not agree, in words; the first hundred.
    mismatches: Vec<String>,
}

/// Sums the ledger afresh and compares the sums with every account.
#[utoipa::path(
    get, path = "/api/v1/ledger/verification", operation_id = "verify_ledger", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "What was found", body = LedgerVerification), OperatorErrors),
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
) -> Result<Json<LedgerVerification>, Failure> {
    let found = ledger::verify(&app.engine, &by).await?;
    Ok(Json(LedgerVerification {
        rows: found.rows,
        ledger_usd: Usd(found.ledger_total),
        accounts_usd: Usd(found.accounts_total),
        difference_usd: Usd(found.difference),
        mismatches: found.mismatches,
    }))
}
