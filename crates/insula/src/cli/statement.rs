//! `insula statement`.

use clap::{Args, Subcommand};
use insula_engine::statement::Month;
use insula_model::{Clock, SystemClock};
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, array, pairs, table, text},
    target::Target,
    with_client,
};

/// What a tenant was charged in a month, and why.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub struct StatementArgs {
    /// The tenant's slug or id.
    #[arg(required = true)]
    tenant: Option<String>,
    /// The month in UTC, such as 2026-01; the running one where absent.
    #[arg(long, global = true, value_name = "YYYY-MM")]
    month: Option<String>,
    /// The charges also by the values of the label of this name, such as team.
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Also what the providers charged and what is left; for operators only.
    #[arg(long)]
    margin: bool,
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Explains why two tenants with similar usage were charged differently.
    Compare {
        /// The one tenant's slug or id.
        one: String,
        /// The other tenant's slug or id.
        other: String,
    },
}

/// Runs it.
pub async fn run(args: StatementArgs, out: Output) -> Result<(), Failure> {
    let month = args.month.unwrap_or_else(|| Month::of(SystemClock::default().now()).to_string());
    let of = |tenant: &str| format!("/api/v1/tenants/{}/statements/{}", escape(tenant), escape(&month));
    with_client(&args.target, async |client| match (args.action, args.tenant) {
        (Some(Action::Compare { one, other }), _) => {
            let path = format!("{}/comparison/{}", of(&one), escape(&other));
            out.data(&client.get(&path).await?, compared)
        }
        (None, Some(tenant)) => {
            let tag = args.tag.as_deref().map(|tag| format!("tag={}", escape(tag)));
            let margin = args.margin.then(|| "include=margin".to_owned());
            let query: Vec<String> = tag.into_iter().chain(margin).collect();
            let path = if query.is_empty() { of(&tenant) } else { format!("{}?{}", of(&tenant), query.join("&")) };
            out.data(&client.get(&path).await?, show)
        }
        (None, None) => Err(Failure::usage("name a tenant")),
    })
    .await
}

fn show(statement: &Value) -> String {
    let usd = |field: &str| Some(text(statement, field)).filter(|amount| !amount.is_empty()).map(|amount| amount + " USD");
    let head = pairs(&[
        ("month", format!("{} ({}, {})", text(statement, "month"), text(statement, "timezone"), text(statement, "state"))),
        ("opening", usd("opening_usd").unwrap_or_default()),
        ("charges", usd("amount_usd").unwrap_or_default()),
        ("of which isolation", isolation(statement)),
        ("credits", usd("credited_usd").unwrap_or_default()),
        ("closing", usd("closing_usd").unwrap_or_default()),
        ("saved by the cache", usd("cache/saved_usd").unwrap_or_default()),
        ("cost", usd("cost_usd").unwrap_or_default()),
        ("margin", usd("margin_usd").unwrap_or_default()),
        ("attempts", format!("{}, of them estimated {}", text(statement, "attempts"), text(statement, "estimated"))),
    ]);
    let mut parts = vec![head, lines(statement)];
    let credits = array(statement, "credits")
        .iter()
        .map(|credit| [text(credit, "created_at"), text(credit, "amount_usd"), text(credit, "reason")]);
    if credits.len() > 0 {
        parts.push(table(&["credit", "amount", "reason"], credits));
    }
    for (list, heading) in [("by_key", "key"), ("by_tag", "label")] {
        if !array(statement, list).is_empty() {
            parts.push(groups(statement, list, heading));
        }
    }
    parts.push(difference(&statement["bridge"]));
    parts.join("\n\n")
}

/// The charges, line by line.
fn lines(statement: &Value) -> String {
    let rows = array(statement, "charges").iter().map(|line| {
        let fields = ["model", "operation", "cause", "price_row/id", "attempts"].map(|field| text(line, field));
        let [model, operation, cause, price_row, attempts] = fields;
        let [input, cached, output] = ["input", "cache_read", "output"].map(|class| text(line, &format!("tokens/{class}")));
        let [amount, isolation] = ["amount_usd", "isolation_usd"].map(|field| text(line, field));
        [model, operation, cause, price_row, attempts, input, cached, output, amount, isolation]
    });
    let heading =
        ["model", "operation", "cause", "price row", "attempts", "input", "cached", "output", "amount", "of which isolation"];
    table(&heading, rows)
}

/// What of the charges kept the tenant apart from others at the providers; nothing where nothing did.
fn isolation(statement: &Value) -> String {
    let [tokens, amount] = ["isolation_tokens", "isolation_usd"].map(|field| text(statement, field));
    if tokens == "0" { String::new() } else { format!("{amount} USD for {tokens} tokens") }
}

fn groups(statement: &Value, list: &str, heading: &str) -> String {
    let rows = array(statement, list).iter().map(|group| {
        let name = Some(text(group, "group")).filter(|name| !name.is_empty()).unwrap_or_else(|| "none".to_owned());
        [name, text(group, "attempts"), text(group, "amount_usd")]
    });
    table(&[heading, "attempts", "amount"], rows)
}

/// What differs from the month before, with the drivers that moved something.
fn difference(bridge: &Value) -> String {
    let [from, to, difference] = ["from_usd", "to_usd", "difference_usd"].map(|field| text(bridge, field));
    let moved = array(bridge, "drivers").iter().filter(|driver| driver["amount_usd"] != "0.00");
    let rows: Vec<_> = moved.map(|driver| [text(driver, "driver"), text(driver, "amount_usd")]).collect();
    let months = format!("the month before {from} USD, this month {to} USD: {difference} USD");
    if rows.is_empty() { months } else { format!("{months}, because of\n{}", table(&["driver", "amount"], rows)) }
}

fn compared(comparison: &Value) -> String {
    let words = array(comparison, "words").iter().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join("\n")
}
