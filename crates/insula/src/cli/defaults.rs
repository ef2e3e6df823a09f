//! What `insula plan` and `insula segment` have in common: a catalogue of named defaults.

use std::{io::Read, path::PathBuf};

use clap::Subcommand;
use serde_json::Value;

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, pairs, table, text},
};

/// What can be done with one.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists all of them.
    List,
    /// Shows one.
    Show {
        /// Its name.
        name: String,
    },
    /// Makes one or replaces it whole; its tenants have what it says at once.
    Set {
        /// Its name: a-z, 0-9 and hyphens.
        name: String,
        /// A JSON file of what it is to be; `-` reads it from stdin.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Removes one that no tenant has.
    Delete {
        /// Its name.
        name: String,
    },
}

/// Does it below `/api/v1/{catalogue}`.
pub async fn act(client: &Client, catalogue: &str, action: Action, out: Output) -> Result<(), Failure> {
    let path = |name: &str| format!("/api/v1/{catalogue}/{}", escape(name));
    match action {
        Action::List => out.data(&client.list(&format!("/api/v1/{catalogue}"), None).await?, list),
        Action::Show { name } => out.data(&client.get(&path(&name)).await?, show),
        Action::Set { name, file } => out.data(&client.put(&path(&name), &read(&file)?).await?, show),
        Action::Delete { name } => client.delete(&path(&name)).await.map(drop),
    }
}

/// What stands in a file, without what only the server says, so that a file may be what `show --json` printed.
fn read(file: &PathBuf) -> Result<Value, Failure> {
    let unreadable = |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut content = String::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_string(&mut content).map(drop).map_err(unreadable)?,
        false => content = std::fs::read_to_string(file).map_err(unreadable)?,
    }
    let mut value: Value =
        serde_json::from_str(&content).map_err(|error| Failure::usage(format!("{} is no JSON: {error}", file.display())))?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|field, _| !["name", "version", "created_at"].contains(&field.as_str()));
    }
    Ok(value)
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
        ("cache", text(one, "cache")),
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
    let (usd, window) = (text(budget, "limit_usd"), text(budget, "window"));
    let amount = if usd.is_empty() { format!("{} tokens", text(budget, "limit_tokens")) } else { format!("{usd} USD") };
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
    }

    #[test]
    fn what_was_shown_can_be_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plan.json");
        std::fs::write(&file, r#"{"name":"pro","limits":{"concurrency":4},"version":3,"created_at":"2026-01-01T00:00:00Z"}"#)
            .unwrap();
        assert_eq!(read(&file).unwrap(), json!({"limits": {"concurrency": 4}}));
        std::fs::write(&file, "{").unwrap();
        assert!(read(&file).is_err());
    }
}
