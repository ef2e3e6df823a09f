//! `insula batch`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// Batches: how they stand and how far they are. What they hold is the tenant's alone, under `/v1/batches`.
#[derive(Debug, Args)]
pub struct BatchArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists a tenant's batches, the newest first.
    List {
        /// The tenant's slug or id.
        tenant: String,
        /// How many.
        #[arg(long, default_value = "20", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },
    /// Shows one batch.
    Show {
        /// The tenant's slug or id.
        tenant: String,
        /// The batch's id.
        batch: String,
    },
    /// Stops a batch: what is under way comes to its end, the rest is not begun.
    Cancel {
        /// The tenant's slug or id.
        tenant: String,
        /// The batch's id.
        batch: String,
    },
}

/// Runs it.
pub async fn run(args: BatchArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| match args.action {
        Action::List { tenant, limit } => {
            let path = format!("/api/v1/tenants/{}/batches?limit={limit}", escape(&tenant));
            out.data(&client.get(&path).await?, list)
        }
        Action::Show { tenant, batch } => out.data(&client.get(&path(&tenant, &batch)).await?, show),
        Action::Cancel { tenant, batch } => {
            out.data(&client.post(&format!("{}/cancel", path(&tenant, &batch)), None).await?, show)
        }
    })
    .await
}

fn path(tenant: &str, batch: &str) -> String {
    format!("/api/v1/tenants/{}/batches/{}", escape(tenant), escape(batch))
}

fn list(body: &Value) -> String {
    let fields = ["id", "operation", "status", "waiting_for"];
    let rows = items(body).iter().map(|batch| {
        let [id, operation, status, waits] = fields.map(|field| text(batch, field));
        [id, operation, status, done(batch), text(batch, "failed"), waits, text(batch, "created_at")]
    });
    table(&["id", "operation", "status", "done", "failed", "waits for", "created"], rows)
}

fn show(batch: &Value) -> String {
    let mut shown = ["id", "operation", "status", "waiting_for"].map(|field| (field, text(batch, field))).to_vec();
    shown.push(("done", done(batch)));
    shown.extend(["failed", "created_at", "expires_at"].map(|field| (field, text(batch, field))));
    pairs(&shown)
}

/// `750 of 1000, 75%`; nothing until the lines are counted.
fn done(batch: &Value) -> String {
    let count = |field: &str| batch[field].as_u64().unwrap_or_default();
    let (done, total) = (count("completed") + count("failed"), count("total"));
    (done * 100).checked_div(total).map_or_else(String::new, |percent| format!("{done} of {total}, {percent}%"))
}
