//! `insula credit`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::escape,
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// Credits: what a tenant is given back on its statement.
#[derive(Debug, Args)]
pub struct CreditArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Gives a credit on the running month; it cannot be taken back.
    Give {
        /// The tenant's slug or id.
        tenant: String,
        /// How much in USD, such as 10.00.
        #[arg(long, value_name = "AMOUNT")]
        amount_usd: String,
        /// Why; the tenant reads it.
        #[arg(long)]
        reason: String,
    },
    /// Lists a tenant's credits, the newest first.
    List {
        /// The tenant's slug or id.
        tenant: String,
    },
}

/// Runs it.
pub async fn run(args: CreditArgs, out: Output) -> Result<(), Failure> {
    let of = |tenant: &str| format!("/api/v1/tenants/{}/credits", escape(tenant));
    with_client(&args.target, async |client| match args.action {
        Action::Give { tenant, amount_usd, reason } => {
            let order = json!({"amount_usd": amount_usd, "reason": reason});
            out.data(&client.post(&of(&tenant), Some(&order)).await?, show)
        }
        Action::List { tenant } => out.data(&client.list(&of(&tenant), None).await?, list),
    })
    .await
}

const FIELDS: [&str; 5] = ["id", "month", "amount_usd", "created_at", "reason"];

fn show(credit: &Value) -> String {
    pairs(&FIELDS.map(|field| (field, text(credit, field))))
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|credit| FIELDS.map(|field| text(credit, field)));
    table(&["id", "month", "amount", "given", "reason"], rows)
}
