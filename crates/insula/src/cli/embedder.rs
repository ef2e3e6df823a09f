//! `insula embedder`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::escape,
    exit::Failure,
    output::{Output, pairs, text},
    target::Target,
    with_client,
};

/// What places a tenant's documents among each other.
#[derive(Debug, Args)]
pub struct EmbedderArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Chooses one; the documents are embedded anew while the old vectors are searched.
    Set {
        /// The tenant's slug or id.
        tenant: String,
        /// Its name: `lexical-hashing-1`, one of `[[embedders]]`, a model that can embed; or `inherit`.
        embedder: String,
    },
    /// Shows the one that is chosen, the one that serves, and how far the change is.
    Show {
        /// The tenant's slug or id.
        tenant: String,
    },
}

/// Runs it.
pub async fn run(args: EmbedderArgs, out: Output) -> Result<(), Failure> {
    let path = |tenant: &str| format!("/api/v1/tenants/{}/embedder", escape(tenant));
    with_client(&args.target, async |client| match args.action {
        Action::Set { tenant, embedder } => {
            let name = (embedder != "inherit").then_some(embedder);
            out.data(&client.put(&path(&tenant), &json!({"embedder": name})).await?, show)
        }
        Action::Show { tenant } => out.data(&client.get(&path(&tenant)).await?, show),
    })
    .await
}

fn show(embedder: &Value) -> String {
    let (serving, next) = (&embedder["serving"], &embedder["next"]);
    let searched = match serving {
        Value::Null => "nothing yet".to_owned(),
        serving => format!("{} ({} dimensions)", text(serving, "embedder"), text(serving, "dimension")),
    };
    let mut shown =
        vec![("embedder", format!("{} ({})", text(embedder, "embedder"), text(embedder, "origin"))), ("searched by", searched)];
    if !next.is_null() {
        shown.push(("embedded anew", format!("{} of {} chunks", text(next, "chunks_done"), text(next, "chunks_total"))));
        let waits = text(next, "waiting");
        if !waits.is_empty() {
            shown.push(("waits for", waits));
        }
    }
    pairs(&shown)
}
