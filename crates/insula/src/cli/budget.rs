//! `insula budget`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    client::Client,
    exit::Failure,
    output::{Output, items, table, text},
    subject::Anyone,
    target::Target,
    with_client,
};

/// Budgets: caps on what is spent in a month, a day or an hour.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sets one budget; others of the same tenant, key or end user stay as they are.
    Set {
        #[command(flatten)]
        subject: Anyone,
        /// How often it starts afresh (UTC).
        #[arg(long, value_enum, default_value = "month")]
        window: WindowArg,
        #[command(flatten)]
        cap: CapArgs,
        /// Whether it refuses or only tells.
        #[arg(long, value_enum, default_value = "hard")]
        mode: ModeArg,
        /// A share of the cap, such as 0.8, at which webhooks are told; may be repeated.
        #[arg(long, value_name = "SHARE")]
        alert_at: Vec<f64>,
    },
    /// Lists budgets with what is used and reserved.
    List {
        #[command(flatten)]
        subject: Anyone,
    },
    /// Removes the budgets that were set; those that a tenant inherits hold again.
    Clear {
        #[command(flatten)]
        subject: Anyone,
        /// Only those of this window.
        #[arg(long, value_enum)]
        window: Option<WindowArg>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct CapArgs {
    /// The cap in USD, such as 10.00.
    #[arg(long, value_name = "AMOUNT")]
    limit_usd: Option<String>,
    /// The cap in tokens of all classes.
    #[arg(long, value_name = "COUNT")]
    limit_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WindowArg {
    Month,
    Day,
    Hour,
}

impl WindowArg {
    fn name(self) -> &'static str {
        match self {
            WindowArg::Month => "month",
            WindowArg::Day => "day",
            WindowArg::Hour => "hour",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Nothing is sent that could pass the cap.
    Hard,
    /// Spending is counted and shown; nothing is refused.
    Soft,
}

/// Runs it.
pub async fn run(args: BudgetArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Set { subject, window, cap, mode, alert_at } => {
            let path = format!("{}/budgets", subject.path()?);
            let mut wanted = current(client, &path).await?;
            let unit = if cap.limit_usd.is_some() { "limit_usd" } else { "limit_tokens" };
            wanted.retain(|budget| budget["window"] != window.name() || budget.get(unit).is_none_or(Value::is_null));
            let mode = if matches!(mode, ModeArg::Hard) { "hard" } else { "soft" };
            let mut budget = json!({ "window": window.name(), "mode": mode, "alert_at": alert_at });
            match (cap.limit_usd, cap.limit_tokens) {
                (Some(usd), _) => budget["limit_usd"] = json!(usd),
                (None, tokens) => budget["limit_tokens"] = json!(tokens),
            }
            wanted.push(budget);
            out.data(&client.put(&path, &Value::Array(wanted)).await?, list)
        }
        Action::List { subject } => out.data(&client.get(&format!("{}/budgets", subject.path()?)).await?, list),
        Action::Clear { subject, window } => {
            let path = format!("{}/budgets", subject.path()?);
            let mut wanted = current(client, &path).await?;
            wanted.retain(|budget| window.is_some_and(|window| budget["window"] != window.name()));
            out.data(&client.put(&path, &Value::Array(wanted)).await?, list)
        }
    }
}

/// The budgets that are set, as they would be written to set them again; those that a tenant inherits are not.
async fn current(client: &Client, path: &str) -> Result<Vec<Value>, Failure> {
    let body = client.get(path).await?;
    let body: Value =
        serde_json::from_str(&body).map_err(|error| Failure::failed(format!("the answer is no JSON: {error}")))?;
    let settable = |budget: &Value| {
        let fields = ["window", "limit_usd", "limit_tokens", "mode", "alert_at"];
        let given =
            fields.iter().filter_map(|field| Some(((*field).to_owned(), budget.get(field).filter(|v| !v.is_null())?.clone())));
        Value::Object(given.collect())
    };
    let is_own = |budget: &&Value| !["plan", "segment"].contains(&budget["level"].as_str().unwrap_or_default());
    Ok(items(&body).iter().filter(is_own).map(settable).collect())
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|budget| {
        let amount = |usd: &str, tokens: &str| match (text(budget, usd), text(budget, tokens)) {
            (usd, _) if !usd.is_empty() => format!("{usd} USD"),
            (_, tokens) if !tokens.is_empty() => format!("{tokens} tokens"),
            _ => String::new(),
        };
        // All that a tenant sees of a budget of money where its plan has prices of its own.
        let percent = Some(text(budget, "used_percent")).filter(|percent| !percent.is_empty());
        [
            text(budget, "level"),
            text(budget, "window"),
            text(budget, "mode"),
            amount("limit_usd", "limit_tokens"),
            percent.map_or_else(|| amount("used_usd", "used_tokens"), |percent| format!("{percent} %")),
            amount("reserved_usd", "reserved_tokens"),
            text(budget, "resets_at"),
        ]
    });
    table(&["level", "window", "mode", "limit", "used", "reserved", "resets"], rows)
}
