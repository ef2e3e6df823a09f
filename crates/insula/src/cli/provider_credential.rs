//! `insula provider-credential`.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::escape,
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// A tenant's own credentials at providers: its requests there are made by its own account.
#[derive(Debug, Args)]
pub struct ProviderCredentialArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Stores a key, in the place of the one before. It is read from stdin or from a variable: what stands in a command line is seen by
    /// others.
    Set {
        /// The tenant's slug or id.
        tenant: String,
        /// The provider's configured name.
        provider: String,
        /// The environment variable that holds the key; from stdin where absent.
        #[arg(long, value_name = "VARIABLE")]
        from_env: Option<String>,
    },
    /// Lists a tenant's credentials, without their secrets.
    List {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Removes a credential: the tenant's requests are made by the platform's account again.
    Remove {
        /// The tenant's slug or id.
        tenant: String,
        /// The provider's configured name.
        provider: String,
    },
}

/// The longest key that is read from stdin, in bytes, with what surrounds it.
const KEY_BYTES_MAX: u64 = 64 * 1024;

const FIELDS: [&str; 7] = ["provider", "kind", "origin", "ends_with", "state", "created_at", "updated_at"];

/// Runs it.
pub async fn run(args: ProviderCredentialArgs, out: Output) -> Result<(), Failure> {
    let all = |tenant: &str| format!("/api/v1/tenants/{}/provider-credentials", escape(tenant));
    let one = |tenant: &str, provider: &str| format!("{}/{}", all(tenant), escape(provider));
    with_client(&args.target, async |client| match args.action {
        Action::Set { tenant, provider, from_env } => {
            let body = json!({"api_key": key(from_env.as_deref())?});
            out.data(&client.put(&one(&tenant, &provider), &body).await?, show)
        }
        Action::List { tenant } => out.data(&client.get(&all(&tenant)).await?, list),
        Action::Remove { tenant, provider } => {
            client.delete(&one(&tenant, &provider)).await?;
            out.note(&format!("removed: requests of {tenant} to {provider} are made by the platform's account"));
            Ok(())
        }
    })
    .await
}

/// The key from a variable, or from stdin.
fn key(variable: Option<&str>) -> Result<String, Failure> {
    let text = match variable {
        Some(variable) => {
            std::env::var(variable).map_err(|_| Failure::usage(format!("the environment variable {variable} holds no text")))?
        }
        None => {
            let mut text = String::new();
            std::io::stdin().lock().take(KEY_BYTES_MAX).read_to_string(&mut text)?;
            text
        }
    };
    let key = text.trim();
    if key.is_empty() {
        return Err(Failure::usage("no key: write it to stdin, or name its variable with --from-env"));
    }
    Ok(key.to_owned())
}

fn show(credential: &Value) -> String {
    pairs(&FIELDS.map(|field| (field, text(credential, field))))
}

fn list(body: &Value) -> String {
    table(&FIELDS, items(body).iter().map(|credential| FIELDS.map(|field| text(credential, field))))
}
