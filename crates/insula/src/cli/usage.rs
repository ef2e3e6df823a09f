//! `insula usage`.

use clap::{Args, Subcommand, ValueEnum};
use insula_model::SystemClock;
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    export::{self, ExportArgs},
    output::{Output, items, table, text},
    target::Target,
    times::Moment,
    with_client,
};

/// What was used and what it cost; with a tenant's key, what it is charged.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// The tenant's slug or id; all tenants where absent.
    tenant: Option<String>,
    /// From when on: a date, RFC 3339, or a duration back from now such as 30d; from the start of the month where absent.
    #[arg(long, value_name = "WHEN")]
    from: Option<Moment>,
    /// Up to, but without, when; until now where absent.
    #[arg(long, value_name = "WHEN")]
    to: Option<Moment>,
    /// A row for each of this kind instead of one for all.
    #[arg(long, value_enum, value_name = "WHAT")]
    group_by: Option<GroupArg>,
    /// A row for each value of the label of this name, such as team.
    #[arg(long, value_name = "NAME", conflicts_with = "group_by")]
    by_tag: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes out the ledger row by row, each row once.
    Export(ExportArgs),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GroupArg {
    Tenant,
    Key,
    Model,
    Operation,
    Day,
    EndUser,
    Cause,
    Plan,
    Credential,
}

impl GroupArg {
    fn name(self) -> &'static str {
        match self {
            GroupArg::Tenant => "tenant",
            GroupArg::Key => "key",
            GroupArg::Model => "model",
            GroupArg::Operation => "operation",
            GroupArg::Day => "day",
            GroupArg::EndUser => "end_user",
            GroupArg::Cause => "cause",
            GroupArg::Plan => "plan",
            GroupArg::Credential => "credential",
        }
    }
}

/// Runs it.
pub async fn run(args: UsageArgs, out: Output) -> Result<(), Failure> {
    let is_grouped = args.group_by.is_some() || args.by_tag.is_some();
    if let Some(Action::Export(export)) = args.action {
        if args.tenant.is_some() || args.from.is_some() || args.to.is_some() || is_grouped {
            return Err(Failure::usage("an export takes its own arguments behind `export`, and all rows"));
        }
        return export::run(&args.target, export, out).await;
    }
    let clock = SystemClock::default();
    let path = match &args.tenant {
        Some(tenant) => format!("/api/v1/tenants/{}/usage", escape(tenant)),
        None => "/api/v1/usage".to_owned(),
    };
    let moment = |at: Option<Moment>| at.map(|at| at.behind(&clock).to_string());
    let group_by = args.group_by.map(|group| group.name().to_owned()).or(args.by_tag.map(|name| format!("tag:{name}")));
    let parts = [("from", moment(args.from)), ("to", moment(args.to)), ("group_by", group_by)];
    let query: Vec<String> =
        parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?)))).collect();
    let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    with_client(&args.target, async |client| out.data(&client.get(&path).await?, |body| list(body, is_grouped))).await
}

fn list(body: &Value, is_grouped: bool) -> String {
    let rows = items(body).iter().map(|row| {
        let group = Some(text(row, "group")).filter(|group| !group.is_empty());
        let count = |field: &str| text(row, field);
        [
            group.unwrap_or_else(|| if is_grouped { "none" } else { "all" }.to_owned()),
            count("requests"),
            count("attempts"),
            count("tokens/input"),
            count("tokens/cache_read"),
            count("tokens/output"),
            count("tokens/reasoning"),
            format!("{} USD", count("cost_usd")),
            format!("{} USD", count("isolation_usd")),
            count("cache_hits"),
        ]
    });
    let heading =
        ["group", "requests", "attempts", "input", "cached", "output", "reasoning", "cost", "of which isolation", "cache hits"];
    table(&heading, rows)
}
