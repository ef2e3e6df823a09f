//! `insula routing`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::escape,
    defaults::read_json,
    exit::Failure,
    output::{Output, array, pairs, table, text},
    target::Target,
    with_client,
};

/// Routing: which of several models that could serve a tenant's requests does.
#[derive(Debug, Args)]
pub struct RoutingArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows what was set for the tenant itself; `tenant effective` shows what it inherits beside it.
    Show {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Replaces it whole; what is left out is inherited.
    Set {
        /// The tenant's slug or id.
        tenant: String,
        /// A JSON file of what it is to be; `-` reads it from stdin.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Says where a chat of the tenant would go, and why; nothing is sent.
    Explain {
        /// The tenant's slug or id.
        tenant: String,
        /// A JSON file with the body of the chat completion; `-` reads it from stdin.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// What is shown, in order.
const FIELDS: [&str; 7] = ["strategy", "prefer", "weights", "matrix", "fallbacks", "attempts_max", "locks"];

/// Runs it.
pub async fn run(args: RoutingArgs, out: Output) -> Result<(), Failure> {
    let path = |tenant: &str| format!("/api/v1/tenants/{}/routing", escape(tenant));
    with_client(&args.target, async |client| match args.action {
        Action::Show { tenant } => out.data(&client.get(&path(&tenant)).await?, show),
        Action::Set { tenant, file } => out.data(&client.put(&path(&tenant), &read_json(&file)?).await?, show),
        Action::Explain { tenant, file } => {
            let question = json!({"tenant": tenant, "request": read_json(&file)?});
            out.data(&client.post("/api/v1/route:explain", Some(&question)).await?, explained)
        }
    })
    .await
}

fn show(routing: &Value) -> String {
    pairs(&FIELDS.map(|field| {
        let value = text(routing, field);
        (field, if value.is_empty() { "inherited".to_owned() } else { value })
    }))
}

fn explained(answer: &Value) -> String {
    let head = pairs(&["model", "complexity", "strategy"].map(|field| (field, text(&answer["route"], field))));
    let refusal = text(answer, "refusal/message");
    let end = if refusal.is_empty() { String::new() } else { format!("\n\nrefused: {refusal}") };
    format!("{head}\n\n{}{end}", candidates(&answer["route"]))
}

/// The candidates of a decision, each with its place in the order and why.
pub fn candidates(route: &Value) -> String {
    let rows = array(route, "candidates")
        .iter()
        .map(|candidate| ["rank", "provider", "model", "region", "reason"].map(|field| text(candidate, field)));
    table(&["rank", "provider", "model", "region", "reason"], rows)
}
