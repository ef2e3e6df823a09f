//! Rows of the ledger as comma-separated values: <https://www.rfc-editor.org/rfc/rfc4180>.

use insula_engine::manage::export::LedgerEntry;
use insula_model::{Error, Result};

use super::row::Line;

/// The names of the columns.
const COLUMNS: [&str; 30] = [
    "id",
    "type",
    "time",
    "tenant",
    "key",
    "end_user",
    "plan",
    "request",
    "attempt",
    "operation",
    "cause",
    "provider",
    "model",
    "price_row",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "estimated",
    "outcome",
    "queued_ms",
    "settled_at",
    "tags",
    "cache_write_1h_tokens",
    "isolation_tokens",
    "isolation_cached_tokens",
    "isolation_usd",
    "credential",
];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes the names of the columns.
pub(super) fn heading(out: &mut String) {
    out.push_str(&COLUMNS.join(","));
    out.push_str("\r\n");
}

/// Writes a row: ids, words and numbers, and the tags as JSON.
pub(super) fn line(out: &mut String, entry: &LedgerEntry) -> Result<()> {
    let Line { id, kind, time, data } = Line::of(entry);
    let tags = serde_json::to_string(data.tags).map_err(Error::internal)?;
    let tokens = &data.tokens;
    let cells: [Cell<'_>; COLUMNS.len()] = [
        Cell::Text(&id),
        Cell::Text(kind),
        Cell::Number(time.0.to_string()),
        Cell::Text(&data.tenant),
        Cell::Text(data.key.as_deref().unwrap_or_default()),
        Cell::Text(data.end_user.as_deref().unwrap_or_default()),
        Cell::Text(data.plan.unwrap_or_default()),
        Cell::Text(&data.request),
        Cell::Text(&data.attempt),
        Cell::Text(data.operation),
        Cell::Text(data.cause),
        Cell::Text(data.provider),
        Cell::Text(data.model),
        Cell::Text(data.price_row),
        Cell::Number(tokens.input.to_string()),
        Cell::Number(tokens.cache_read.to_string()),
        Cell::Number(tokens.cache_write.to_string()),
        Cell::Number(tokens.output.to_string()),
        Cell::Number(tokens.reasoning.to_string()),
        Cell::Number(data.cost_usd.0.to_string()),
        Cell::Number(data.estimated.to_string()),
        Cell::Text(data.outcome),
        Cell::Number(data.queued_ms.to_string()),
        Cell::Number(data.settled_at.0.to_string()),
        Cell::Text(&tags),
        Cell::Number(tokens.cache_write_1h.to_string()),
        Cell::Number(data.isolation_tokens.to_string()),
        Cell::Number(data.isolation_cached_tokens.to_string()),
        Cell::Number(data.isolation_usd.0.to_string()),
        Cell::Text(data.credential),
    ];
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        cell.write(out);
    }
    out.push_str("\r\n");
    Ok(())
}

/// One value.
enum Cell<'a> {
    /// Anything.
    Text(&'a str),
    /// A number or a moment of our own making, which may begin with a minus.
    Number(String),
}

impl Cell<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Cell::Number(number) => out.push_str(number),
            Cell::Text(text) => write_text(out, text),
        }
    }
}

/// Quotes what must be quoted. A text that would be a formula gets an apostrophe, which spreadsheets do not show.
fn write_text(out: &mut String, text: &str) {
    let is_quoted = text.contains([',', '"', '\r', '\n']);
    if is_quoted {
        out.push('"');
    }
    if text.starts_with(FORMULA_STARTS) {
        out.push('\'');
    }
    match is_quoted {
        false => out.push_str(text),
        true => {
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_never_formulas() {
        for (text, want) in [
            ("sim-small", "sim-small"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("\r=1", "\"'\r=1\""),
            ("{\"team\":\"=1\"}", "\"{\"\"team\"\":\"\"=1\"\"}\""),
        ] {
            let mut out = String::new();
            write_text(&mut out, text);
            assert_eq!(out, want, "{text:?}");
        }
    }
}
