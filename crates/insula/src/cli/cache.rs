//! `insula cache`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::escape,
    exit::Failure,
    output::{Output, pairs, text},
    target::Target,
    with_client,
};

/// The answer cache: finished answers that are given again to the very same request of the same tenant.
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sets what is given and leaves the rest; `inherit` leaves a rule to segment and plan.
    Set {
        /// The tenant's slug or id.
        tenant: String,
        /// Whether answers are kept and given again.
        #[arg(long, value_parser = ["true", "false", "inherit"])]
        enabled: Option<String>,
        /// How long an answer is given again, in seconds.
        #[arg(long, value_name = "SECONDS|inherit")]
        ttl_seconds: Option<String>,
        /// Whether an answer is for the end user alone for whom it was made.
        #[arg(long, value_parser = ["true", "false", "inherit"])]
        per_end_user: Option<String>,
    },
    /// Shows the tenant's own rules.
    Show {
        /// The tenant's slug or id.
        tenant: String,
    },
}

/// What is shown, in order.
const FIELDS: [&str; 3] = ["enabled", "ttl_seconds", "per_end_user"];

/// Runs it.
pub async fn run(args: CacheArgs, out: Output) -> Result<(), Failure> {
    let path = |tenant: &str| format!("/api/v1/tenants/{}/cache", escape(tenant));
    with_client(&args.target, async |client| match args.action {
        Action::Set { tenant, enabled, ttl_seconds, per_end_user } => {
            let given = [("enabled", enabled), ("ttl_seconds", ttl_seconds), ("per_end_user", per_end_user)];
            if given.iter().all(|(_, word)| word.is_none()) {
                return Err(Failure::usage("nothing to set: give a rule such as --enabled true"));
            }
            let body = client.get(&path(&tenant)).await?;
            let mut rules: Value =
                serde_json::from_str(&body).map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?;
            for (field, word) in given {
                if let Some(word) = word {
                    rules[field] = value(&word)?;
                }
            }
            if let Some(fields) = rules.as_object_mut() {
                fields.retain(|_, rule| !rule.is_null());
            }
            out.data(&client.put(&path(&tenant), &rules).await?, show)
        }
        Action::Show { tenant } => out.data(&client.get(&path(&tenant)).await?, show),
    })
    .await
}

/// What a word on the command line stands for.
fn value(word: &str) -> Result<Value, Failure> {
    match word {
        "inherit" => Ok(Value::Null),
        "true" | "false" => Ok(json!(word == "true")),
        _ => word.parse::<u32>().map(|seconds| json!(seconds)).map_err(|_| Failure::usage("write whole seconds, or `inherit`")),
    }
}

fn show(rules: &Value) -> String {
    pairs(&FIELDS.map(|field| {
        let rule = text(rules, field);
        (field, if rule.is_empty() { "inherited".to_owned() } else { rule })
    }))
}
