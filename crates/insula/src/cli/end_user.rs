//! `insula end-user`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, items, table, text},
    target::Target,
    with_client,
};

/// End users of a tenant's product. `insula budget` and `insula usage` tell what they may spend and what they spent.
#[derive(Debug, Args)]
pub struct EndUserArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the end users for whom something was sent, or who have a budget.
    List {
        /// The tenant's slug or id.
        tenant: String,
    },
}

/// Runs it.
pub async fn run(args: EndUserArgs, out: Output) -> Result<(), Failure> {
    let Action::List { tenant } = args.action;
    let path = format!("/api/v1/tenants/{}/end-users", escape(&tenant));
    with_client(&args.target, async |client| out.data(&client.list(&path, None).await?, list)).await
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|user| ["id", "alias"].map(|field| text(user, field)));
    table(&["id", "alias"], rows)
}
