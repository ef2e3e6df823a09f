//! `insula request`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, array, items, pairs, table, text},
    target::Target,
    with_client,
};

/// Finished requests, as they were traced.
#[derive(Debug, Args)]
pub struct RequestArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists a tenant's requests, the newest first.
    List {
        /// The tenant's slug or id.
        tenant: String,
        /// How many to show.
        #[arg(long, default_value = "20", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },
    /// Shows one request: its stages and its attempts at providers.
    Show {
        /// The request's id, as `x-request-id` of its answer tells it.
        request: String,
        /// Also what was asked and answered; only for the tenant's own admin key.
        #[arg(long)]
        content: bool,
    },
}

/// Runs it.
pub async fn run(args: RequestArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| match args.action {
        Action::List { tenant, limit } => {
            let path = format!("/api/v1/tenants/{}/requests?limit={limit}", escape(&tenant));
            out.data(&client.get(&path).await?, list)
        }
        Action::Show { request, content } => {
            let query = if content { "?include=content" } else { "" };
            out.data(&client.get(&format!("/api/v1/requests/{}{query}", escape(&request))).await?, show)
        }
    })
    .await
}

fn list(body: &Value) -> String {
    let fields = ["id", "started_at", "operation", "model", "status", "duration_us", "cost_usd"];
    let rows = items(body).iter().map(|request| fields.map(|field| text(request, field)));
    table(&["id", "started", "operation", "model", "status", "us", "cost"], rows)
}

fn show(request: &Value) -> String {
    let fields = ["id", "tenant", "key", "started_at", "operation", "model", "status", "duration_us", "cost_usd"];
    let mut head = fields.map(|field| (field, text(request, field))).to_vec();
    let tags = request["tags"].as_object().into_iter().flatten();
    let tags: Vec<String> = tags.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    head.extend(
        [("end_user", text(request, "end_user")), ("tags", tags.join(", ")), ("cache", text(request, "cache/status"))]
            .into_iter()
            .filter(|(_, text)| !text.is_empty()),
    );
    let head = pairs(&head);
    let rows = |list: &str, fields: &[&str]| {
        let rows = array(request, list).iter();
        rows.map(|row| fields.iter().map(|field| text(row, field)).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let stages = ["name", "start_us", "duration_us", "outcome", "reason"];
    let stages = table(&["stage", "start us", "us", "outcome", "reason"], rows("stages", &stages));
    let attempts = ["id", "cause", "provider", "model", "outcome", "tokens/input", "tokens/output", "cost_usd", "estimated"];
    let heading = ["attempt", "cause", "provider", "model", "outcome", "input", "output", "cost", "estimated"];
    let attempts = table(&heading, rows("attempts", &attempts));
    let said = [("request", text(request, "content/request")), ("response", text(request, "content/response"))];
    let said: String =
        said.iter().filter(|(_, text)| !text.is_empty()).map(|(what, text)| format!("\n\n{what}\n{text}")).collect();
    format!("{head}\n\n{stages}\n\n{attempts}{said}")
}
