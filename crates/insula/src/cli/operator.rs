//! `insula operator`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::{Client, escape},
    exit::Failure,
    key::revoked,
    output::{Output, items, table, text},
    target::Target,
    with_client,
};

/// Operator keys: they open the platform's management, and nobody's content.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates an operator key and prints it: the only time that it can be seen.
    Create {
        /// The key's name for people, such as who holds it.
        name: String,
    },
    /// Lists operator keys, without their secrets.
    List,
    /// Revokes an operator key: it is refused from now on.
    Revoke {
        /// The key's id.
        key: String,
    },
}

/// Runs it. A directory without data yet is made for the first key.
pub async fn run(args: OperatorArgs, out: Output) -> Result<(), Failure> {
    let may_make = matches!(args.action, Action::Create { .. });
    with_client(&args.target.or_new(may_make), async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Create { name } => out.data(&client.post(KEYS, Some(&json!({ "name": name }))).await?, |key| {
            out.note(&format!("id  {}", text(key, "id")));
            out.note("Keep the key now: it is not shown again. INSULA_OPERATOR_KEY and --operator-key take it.");
            text(key, "key")
        }),
        Action::List => out.data(&client.list(KEYS, None).await?, list),
        Action::Revoke { key } => {
            let body = client.delete(&format!("{KEYS}/{}", escape(&key))).await?;
            revoked(&body, &key, out)
        }
    }
}

const KEYS: &str = "/api/v1/operator-keys";

fn list(body: &Value) -> String {
    let fields = ["id", "name", "created_at", "revoked_at"];
    let rows = items(body).iter().map(|key| fields.map(|field| text(key, field)));
    table(&["id", "name", "created", "revoked"], rows)
}
