//! `insula tenant`.

use std::io::BufRead;

use clap::{Args, Subcommand};
use http::{HeaderValue, Method, header};
use serde_json::{Map, Value, json};

use super::{
    client::{Client, escape},
    defaults::budget_text,
    exit::Failure,
    output::{Output, items, pairs, table, text},
    tags::{Tag, tags_json},
    target::Target,
    with_client,
};

/// Tenants: one isolated workspace for each customer.
#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a tenant.
    Create {
        /// Its short name in URLs: a-z, 0-9 and hyphens.
        slug: String,
        /// Its name for people; the slug where absent.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
    },
    /// Lists all tenants.
    List,
    /// Shows a tenant.
    Show {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Changes what is given of a tenant and leaves the rest.
    Update {
        /// The tenant's slug or id.
        tenant: String,
        /// Its name for people.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// Takes its plan away.
        #[arg(long, conflicts_with = "plan")]
        no_plan: bool,
        /// Takes it out of its segment.
        #[arg(long, conflicts_with = "segment")]
        no_segment: bool,
        /// Takes its own list of models away.
        #[arg(long, conflicts_with = "models")]
        no_models: bool,
        /// Only where the tenant still has this version, as `tenant show` tells it.
        #[arg(long, value_name = "VERSION")]
        if_match: Option<u64>,
    },
    /// Shows what is in force for a tenant, and where each value comes from.
    Effective {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Suspends a tenant: its keys are refused until it is resumed.
    Suspend {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Resumes a tenant: its keys work again.
    Resume {
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Erases a tenant and everything it has, for good, and prints the receipt.
    Delete {
        /// The tenant's slug or id.
        tenant: String,
        /// Does not ask first.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Fields {
    /// What your own product calls it.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// The plan that it inherits from, by name.
    #[arg(long)]
    plan: Option<String>,
    /// The segment that it inherits from before its plan, by name.
    #[arg(long)]
    segment: Option<String>,
    /// A model that it may call, whatever its segment and plan say; may be repeated. An update replaces the whole list.
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Where alone it may be processed: this region or within it, as `eu-central-1` lies within `eu`.
    #[arg(long)]
    region: Option<String>,
    /// A label for finance and support; may be repeated. An update replaces all labels.
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<Tag>,
}

impl Fields {
    /// The fields that were given.
    fn body(&self, slug: Option<&str>, name: Option<&str>) -> Value {
        let mut body = Map::new();
        let texts = [
            ("slug", slug),
            ("name", name),
            ("external_id", self.external_id.as_deref()),
            ("plan", self.plan.as_deref()),
            ("segment", self.segment.as_deref()),
            ("region", self.region.as_deref()),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                body.insert(field.to_owned(), json!(value));
            }
        }
        if !self.models.is_empty() {
            body.insert("models".to_owned(), json!(self.models));
        }
        if !self.tags.is_empty() {
            body.insert("tags".to_owned(), tags_json(&self.tags));
        }
        Value::Object(body)
    }
}

/// Runs it.
pub async fn run(args: TenantArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Create { slug, name, fields } => {
            let body = fields.body(Some(&slug), Some(name.as_deref().unwrap_or(&slug)));
            out.data(&client.post("/api/v1/tenants", Some(&body)).await?, show)?;
            if !out.is_json() {
                out.note(&format!("next: insula key create {slug} --name app"));
            }
            Ok(())
        }
        Action::List => out.data(&client.list("/api/v1/tenants", None).await?, list),
        Action::Show { tenant } => out.data(&client.get(&path(&tenant)).await?, show),
        Action::Update { tenant, name, fields, no_plan, no_segment, no_models, if_match } => {
            let mut body = fields.body(None, name.as_deref());
            for (field, is_taken) in [("plan", no_plan), ("segment", no_segment), ("models", no_models)] {
                if is_taken {
                    body[field] = Value::Null;
                }
            }
            if body.as_object().is_some_and(Map::is_empty) {
                return Err(Failure::usage("nothing to change: give --name or another field"));
            }
            out.data(&update(client, &tenant, &body, if_match).await?, show)
        }
        Action::Effective { tenant } => out.data(&client.get(&format!("{}/effective", path(&tenant))).await?, effective),
        Action::Suspend { tenant } => out.data(&client.post(&format!("{}/suspend", path(&tenant)), None).await?, show),
        Action::Resume { tenant } => out.data(&client.post(&format!("{}/resume", path(&tenant)), None).await?, show),
        Action::Delete { tenant, yes } => {
            if !yes && out.can_ask() {
                confirm(&tenant, out)?;
            }
            out.data(&client.delete(&path(&tenant)).await?, receipt)
        }
    }
}

/// Changes the tenant, or refuses where it no longer has the version that was meant.
async fn update(client: &Client, tenant: &str, body: &Value, if_match: Option<u64>) -> Result<String, Failure> {
    let version = if_match.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    let headers = version.map(|version| (header::IF_MATCH, version)).into_iter().collect();
    client.call(Method::PATCH, &path(tenant), headers, Some(body)).await?.text()
}

fn confirm(tenant: &str, out: Output) -> Result<(), Failure> {
    out.note(&format!("This erases {tenant} and everything it has, for good. Type {tenant} to go on:"));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if typed.trim() == tenant { Ok(()) } else { Err(Failure::failed("nothing was deleted")) }
}

fn path(tenant: &str) -> String {
    format!("/api/v1/tenants/{}", escape(tenant))
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|t| ["slug", "id", "name", "state", "region", "created_at"].map(|field| text(t, field)));
    table(&["slug", "id", "name", "state", "region", "created"], rows)
}

fn show(tenant: &Value) -> String {
    let fields = [
        "id",
        "slug",
        "name",
        "state",
        "external_id",
        "plan",
        "segment",
        "models",
        "region",
        "placement",
        "tags",
        "created_at",
        "version",
    ];
    pairs(&fields.map(|field| (field, text(tenant, field))))
}

/// A row for each value.
fn effective(body: &Value) -> String {
    let limits = body["limits"].as_object().into_iter().flatten();
    let limits = limits.map(|(name, limit)| [name.clone(), text(limit, "value"), text(limit, "origin")]);
    let budgets = body["budgets"].as_array().into_iter().flatten();
    let budgets = budgets.map(|found| ["budget".to_owned(), budget_text(&found["budget"]), text(found, "origin")]);
    let names = body["models"]["value"].as_array().map(|models| models.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let names = names.map_or_else(|| "all".to_owned(), |names| names.join(", "));
    let models = ["models".to_owned(), names, text(&body["models"], "origin")];
    table(&["what", "value", "origin"], limits.chain(budgets).chain([models]))
}

fn receipt(receipt: &Value) -> String {
    let Some(fields) = receipt.as_object() else { return receipt.to_string() };
    let rows: Vec<(&str, String)> = fields.keys().map(|field| (field.as_str(), text(receipt, field))).collect();
    pairs(&rows)
}
