//! Data on stdout, progress on stderr.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::exit::Failure;

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Writes JSON, or tables for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The server's JSON as it came, or what `human` makes of it.
    pub fn data(&self, body: &str, human: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        if self.json {
            return self.line(body.trim_end());
        }
        let value: Value =
            serde_json::from_str(body).map_err(|error| Failure::failed(format!("the answer is no JSON: {error}")))?;
        self.line(human(&value).trim_end())
    }

    /// One line of data.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        // A reader that has enough, such as `head`, is no failure.
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Data as it came; whether anybody still reads it.
    pub fn raw(&self, data: &[u8]) -> Result<bool, Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(data).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    /// Something about the data, for people only.
    #[expect(clippy::unused_self, reason = "reads as one with the others")]
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells why a command failed.
    pub fn failure(&self, failure: &Failure) {
        let text = if self.json { failure.json().to_string() } else { format!("error: {failure}") };
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Whether a person can be asked.
    pub fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// A table for people: a heading, then a line for each row.
pub fn table<R: AsRef<[String]>>(heading: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(heading.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.as_ref());
    }
    for (i, name) in heading.iter().enumerate() {
        if NUMBERS.contains(name)
            && let Some(column) = table.column_mut(i)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&table.to_string())
}

/// Columns that are read from the right.
const NUMBERS: &[&str] =
    &["requests", "attempts", "input", "cached", "output", "reasoning", "amount", "cost", "used", "reserved", "limit"];

/// Pairs of a name and a value, one a line.
pub fn pairs(rows: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([*name, value.as_str()]);
    }
    trimmed(&table.to_string())
}

/// Without the padding that tables put at both ends of a line.
fn trimmed(table: &str) -> String {
    let lines = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

/// The text of a field; nothing where it is absent.
pub fn text(value: &Value, field: &str) -> String {
    match value.pointer(&format!("/{field}")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) => {
            let pairs = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

/// The `data` of a list.
pub fn items(value: &Value) -> &[Value] {
    array(value, "data")
}

/// The array in a field; nothing where it is absent.
pub fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
