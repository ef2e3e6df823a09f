//! `insula store`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, pairs, text},
    target::Target,
    with_client,
};

/// What searches tenants' vectors, and where they are.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compares what the vector engine holds with what the tables say; fails where something is found.
    Audit {
        /// These tenants alone, by slug or id; all and all reference corpora where none is named.
        tenants: Vec<String>,
        /// Mends what is found, as far as it can be.
        #[arg(long)]
        repair: bool,
    },
    /// Says in which collection of the vector engine a tenant's vectors are to be; they move while they are searched.
    Place {
        /// The tenant's slug or id.
        tenant: String,
        /// `shared` with other tenants, one of its `own`, or what it inherits.
        #[arg(value_parser = ["shared", "own", "inherit"])]
        collection: String,
    },
}

/// Tenants that one call looks at.
const AT_ONCE: usize = 50;

/// Runs it.
pub async fn run(args: StoreArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| match args.action {
        Action::Audit { tenants, repair } => {
            let audit = audit(client, &tenants, repair).await?;
            out.data(&audit.to_string(), show)?;
            match items(&audit).is_empty() {
                true => Ok(()),
                false if repair => {
                    Err(Failure::failed("something was found, and is being mended; audit once more in a moment"))
                }
                false => Err(Failure::failed("something was found; --repair mends what can be mended")),
            }
        }
        Action::Place { tenant, collection } => {
            let body = if collection == "inherit" { json!({}) } else { json!({"collection": collection}) };
            let path = format!("/api/v1/tenants/{}/vectors", escape(&tenant));
            out.data(&client.put(&path, &body).await?, |rules| pairs(&[("collection", text(rules, "collection"))]))
        }
    })
    .await
}

/// All that is found, call by call.
async fn audit(client: &Client, tenants: &[String], repair: bool) -> Result<Value, Failure> {
    let mut all = json!({"data": [], "found": 0, "tenants": 0});
    let orders: Vec<Value> = match tenants {
        [] => vec![json!({"repair": repair})],
        tenants => tenants.chunks(AT_ONCE).map(|some| json!({"tenants": some, "repair": repair})).collect(),
    };
    for mut order in orders {
        loop {
            let body = client.post("/api/v1/vectors/audit", Some(&order)).await?;
            let page: Value =
                serde_json::from_str(&body).map_err(|error| Failure::failed(format!("the answer is no JSON: {error}")))?;
            for sum in ["found", "tenants"] {
                all[sum] = json!(all[sum].as_u64().unwrap_or_default() + page[sum].as_u64().unwrap_or_default());
            }
            if let Some(data) = all["data"].as_array_mut() {
                data.extend(items(&page).iter().cloned());
            }
            if page["next_cursor"].is_null() {
                break;
            }
            order["cursor"] = page["next_cursor"].clone();
        }
    }
    Ok(all)
}

fn show(audit: &Value) -> String {
    let finding = |finding: &Value| {
        let [kind, count, place, document] = ["kind", "count", "place", "document"].map(|part| text(finding, part));
        let whose = if finding["corpus"].is_null() { "tenant" } else { "corpus" };
        format!("{kind} {count} in {place}, {whose} {}, document {document}", text(finding, whose))
    };
    let mut lines: Vec<String> = items(audit).iter().map(finding).collect();
    lines.push(pairs(&[("tenants", text(audit, "tenants")), ("found", text(audit, "found"))]));
    lines.join("\n")
}
