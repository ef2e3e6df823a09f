//! `insula plan` and `insula segment`: two catalogues of named defaults, worked with alike.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// What stands in a plan.
pub const PLANS_HELP: &str = r#"A plan in JSON, all of it optional:
  {"limits": {"requests_per_minute": 60, "concurrency": 4},
   "budgets": [{"window": "month", "limit_usd": "20.00", "alert_at": [0.8]}],
   "models": ["gpt-4o-mini"],
   "prices": [{"model": "*", "input_usd_per_million": "2.00", "output_usd_per_million": "8.00"}]}
A price holds from `effective_from` on, where that is absent from the first day of this month. What it said before that day stays.
Give it to a tenant with `insula tenant update <tenant> --plan <name>`."#;

/// What stands in a segment.
pub const SEGMENTS_HELP: &str = r#"A segment in JSON, all of it optional:
  {"limits": {"weight": 4}, "budgets": [{"window": "day", "limit_usd": "5.00"}], "models": ["gpt-4o-mini"]}
Move a tenant there with `insula tenant update <tenant> --segment <name>`."#;

/// One of the two catalogues.
#[derive(Debug, Args)]
pub struct DefaultsArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

/// What can be done with one.
#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all of them.
    List,
    /// Shows one.
    Show {
        /// Its name.
        name: String,
    },
    /// Makes one or replaces it whole; what it says holds for its tenants at once.
    Set {
        /// Its name: a-z, 0-9 and hyphens.
        name: String,
        /// A JSON file with all that it is to say, such as `show --json` prints; `-` reads it from stdin.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Removes one that no tenant inherits from.
    Delete {
        /// Its name.
        name: String,
    },
}

/// Runs it below `/api/v1/{catalogue}`.
pub async fn run(args: DefaultsArgs, catalogue: &str, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, catalogue, args.action, out).await).await
}

async fn act(client: &Client, catalogue: &str, action: Action, out: Output) -> Result<(), Failure> {
    let path = |name: &str| format!("/api/v1/{catalogue}/{}", escape(name));
    match action {
        Action::List => out.data(&client.list(&format!("/api/v1/{catalogue}"), None).await?, list),
        Action::Show { name } => out.data(&client.get(&path(&name)).await?, show),
        Action::Set { name, file } => out.data(&client.put(&path(&name), &read_default(&file)?).await?, show),
        Action::Delete { name } => client.delete(&path(&name)).await.map(drop),
    }
}

/// What stands in a file, without what only the server says, so that a file may be what `show --json` printed.
fn read_default(file: &Path) -> Result<Value, Failure> {
    let mut value = read_json(file)?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|field, _| !["name", "version", "created_at"].contains(&field.as_str()));
    }
    Ok(value)
}

/// The JSON in a file; `-` stands for stdin.
pub fn read_json(file: &Path) -> Result<Value, Failure> {
    let unreadable = |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut content = String::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_string(&mut content).map(drop).map_err(unreadable)?,
        false => content = std::fs::read_to_string(file).map_err(unreadable)?,
    }
    serde_json::from_str(&content).map_err(|error| Failure::usage(format!("{} is no JSON: {error}", file.display())))
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|one| {
        [text(one, "name"), text(one, "limits"), budgets(one), models(one), text(one, "version"), text(one, "created_at")]
    });
    table(&["name", "limits", "budgets", "models", "version", "created"], rows)
}

fn show(one: &Value) -> String {
    pairs(&[
        ("name", text(one, "name")),
        ("limits", text(one, "limits")),
        ("budgets", budgets(one)),
        ("models", models(one)),
        ("routing", text(one, "routing")),
        ("cache", text(one, "cache")),
        ("embedder", text(one, "embedder")),
        ("prices", prices(one)),
        ("created_at", text(one, "created_at")),
        ("version", text(one, "version")),
    ])
}

/// Budgets such as `10.00 USD a month, 5000 tokens a day (soft)`.
fn budgets(one: &Value) -> String {
    joined(one, "budgets", budget_text)
}

/// A budget such as `10.00 USD a month`.
pub fn budget_text(budget: &Value) -> String {
    let (usd, tokens, window) = (text(budget, "limit_usd"), text(budget, "limit_tokens"), text(budget, "window"));
    let amount = match (usd.is_empty(), tokens.is_empty()) {
        (false, _) => format!("{usd} USD"),
        (true, false) => format!("{tokens} tokens"),
        // The operator's, for a tenant whose plan has prices of its own.
        (true, true) => "money".to_owned(),
    };
    let article = if window == "hour" { "an" } else { "a" };
    let soft = if budget["mode"] == "soft" { " (soft)" } else { "" };
    format!("{amount} {article} {window}{soft}")
}

fn models(one: &Value) -> String {
    match one["models"].is_array() {
        true => joined(one, "models", |model| model.as_str().unwrap_or_default().to_owned()),
        false => "all".to_owned(),
    }
}

fn prices(one: &Value) -> String {
    joined(one, "prices", |price| {
        let [model, input, output] =
            ["model", "input_usd_per_million", "output_usd_per_million"].map(|field| text(price, field));
        format!("{model} {input}/{output} USD a million")
    })
}

fn joined(one: &Value, field: &str, form: impl Fn(&Value) -> String) -> String {
    let parts: Vec<_> = one[field].as_array().into_iter().flatten().map(form).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn budgets_are_told_in_words() {
        assert_eq!(budget_text(&json!({"window": "month", "limit_usd": "10.00", "mode": "hard"})), "10.00 USD a month");
        assert_eq!(budget_text(&json!({"window": "hour", "limit_tokens": 5, "mode": "soft"})), "5 tokens an hour (soft)");
        assert_eq!(budget_text(&json!({"window": "day", "mode": "hard"})), "money a day");
    }

    #[test]
    fn what_was_shown_can_be_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plan.json");
        std::fs::write(&file, r#"{"name":"pro","limits":{"concurrency":4},"version":3,"created_at":"2026-01-01T00:00:00Z"}"#)
            .unwrap();
        assert_eq!(read_default(&file).unwrap(), json!({"limits": {"concurrency": 4}}));
        std::fs::write(&file, "{").unwrap();
        assert!(read_default(&file).is_err());
    }
}
