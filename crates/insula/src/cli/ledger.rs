//! `insula ledger`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    exit::Failure,
    output::{Output, array, pairs, text},
    target::Target,
    with_client,
};

/// The ledger of attempts.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sums the ledger afresh and compares the sums with every account; fails where they differ.
    Verify,
}

/// Runs it.
pub async fn run(args: LedgerArgs, out: Output) -> Result<(), Failure> {
    let Action::Verify = args.action;
    with_client(&args.target, async |client| {
        let body = client.get(PATH).await?;
        out.data(&body, show)?;
        let found: Value =
            serde_json::from_str(&body).map_err(|error| Failure::failed(format!("the answer is no JSON: {error}")))?;
        if agrees(&found) { Ok(()) } else { Err(Failure::failed("the accounts do not follow from the ledger")) }
    })
    .await
}

/// Where the proof is asked for.
pub const PATH: &str = "/api/v1/ledger/verification";

/// Whether the proof holds.
pub fn agrees(found: &Value) -> bool {
    found["difference_usd"] == "0.00" && found["mismatches"].as_array().is_some_and(Vec::is_empty)
}

fn show(found: &Value) -> String {
    let mismatches = array(found, "mismatches");
    let mut lines = vec![pairs(&[
        ("ledger rows", text(found, "rows")),
        ("sum of the ledger", format!("{} USD", text(found, "ledger_usd"))),
        ("sum of the accounts", format!("{} USD", text(found, "accounts_usd"))),
        ("difference", format!("{} USD", text(found, "difference_usd"))),
    ])];
    lines.extend(mismatches.iter().map(|mismatch| format!("differs: {}", mismatch.as_str().unwrap_or_default())));
    lines.join("\n")
}
