//! `insula key`.

use clap::{Args, Subcommand, ValueEnum};
use insula_model::SystemClock;
use serde_json::{Value, json};

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, table, text},
    tags::{Tag, tags_json},
    target::Target,
    times::{Moment, Span},
    with_client,
};

/// A tenant's keys.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a key and prints it: the only time that it can be seen.
    Create {
        /// The tenant's slug or id.
        tenant: String,
        /// The key's name for people.
        #[arg(long, default_value = "key")]
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value = "service")]
        role: RoleArg,
        /// From when on it is refused: a date, RFC 3339, or a duration such as 90d; never where absent.
        #[arg(long, value_name = "WHEN")]
        expires: Option<Moment>,
        /// A label for finance and support; may be repeated.
        #[arg(long = "tag", value_name = "NAME=VALUE")]
        tags: Vec<Tag>,
    },
    /// Lists a tenant's keys, without their secrets.
    List {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Revokes a key: it is refused from now on.
    Revoke {
        /// The tenant's slug or id.
        tenant: String,
        /// The key's id.
        key: String,
    },
    /// Makes a key's successor and prints it; the old key works for a while longer.
    Rotate {
        /// The tenant's slug or id.
        tenant: String,
        /// The old key's id.
        key: String,
        /// How long the old key still works, such as 24h; the server's default where absent.
        #[arg(long, value_name = "DURATION")]
        overlap: Option<Span>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// The data plane, `/v1`.
    Service,
    /// The data plane and its own tenant's management.
    Admin,
}

/// Runs it.
pub async fn run(args: KeyArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Create { tenant, name, role, expires, tags } => {
            let role = match role {
                RoleArg::Service => "service",
                RoleArg::Admin => "admin",
            };
            let mut body = json!({ "name": name, "role": role });
            if let Some(moment) = expires {
                body["expires_at"] = json!(moment.ahead(&SystemClock::default()).to_string());
            }
            if !tags.is_empty() {
                body["tags"] = tags_json(&tags);
            }
            secret(&client.post(&keys(&tenant), Some(&body)).await?, out)
        }
        Action::List { tenant } => out.data(&client.list(&keys(&tenant), None).await?, list),
        Action::Revoke { tenant, key } => {
            let body = client.delete(&format!("{}/{}", keys(&tenant), escape(&key))).await?;
            revoked(&body, &key, out)
        }
        Action::Rotate { tenant, key, overlap } => {
            let body = overlap.map(|Span(overlap)| json!({ "overlap_seconds": overlap.as_secs() }));
            secret(&client.post(&format!("{}/{}/rotate", keys(&tenant), escape(&key)), body.as_ref()).await?, out)
        }
    }
}

/// Prints a new key so that `KEY=$(insula key create ...)` works; what else there is to know goes to stderr.
fn secret(body: &str, out: Output) -> Result<(), Failure> {
    out.data(body, |key| {
        let expires = Some(text(key, "expires_at")).filter(|at| !at.is_empty());
        out.note(&format!("id       {}", text(key, "id")));
        out.note(&format!("expires  {}", expires.as_deref().unwrap_or("never")));
        out.note("Keep the key now: it is not shown again.");
        text(key, "key")
    })
}

/// A revocation may answer with nothing.
pub fn revoked(body: &str, key: &str, out: Output) -> Result<(), Failure> {
    if out.is_json() && !body.trim().is_empty() {
        return out.line(body.trim_end());
    }
    out.note(&format!("revoked {key}"));
    Ok(())
}

fn keys(tenant: &str) -> String {
    format!("/api/v1/tenants/{}/keys", escape(tenant))
}

fn list(body: &Value) -> String {
    let fields = ["id", "name", "role", "prefix", "created_at", "expires_at", "revoked_at"];
    let rows = items(body).iter().map(|key| fields.map(|field| text(key, field)));
    table(&["id", "name", "role", "prefix", "created", "expires", "revoked"], rows)
}
