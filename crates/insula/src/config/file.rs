//! The configuration file: what it says, and on which line each key stands.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Table,
    de::{DeTable, DeValue},
};

use super::{Config, problem::Problem, reference};

/// A file that was read and understood. Not for `Debug`: its values may be secrets.
#[derive(Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub values: Table,
    places: Places,
}

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl ConfigFile {
    /// Reads the file; unknown keys and values of the wrong kind are refused with their place.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let text = fs::read_to_string(path).map_err(|error| {
            Problem::new(format!("{}: cannot be read: {error}", path.display())).fix("name another file with --config")
        })?;
        Self::parse(path, &text)
    }

    /// Reads `text` as if it stood in `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problem> {
        let places = Places::of(text);
        // The file alone must be a configuration: this finds what is wrong while its place is still known.
        let checked = toml::from_str::<Config>(text).map(drop).and_then(|()| toml::from_str::<Table>(text));
        match checked {
            Ok(values) => Ok(Self { path: path.to_owned(), values, places }),
            Err(error) => Err(explain(path, text, &places, &error)),
        }
    }

    /// Where a key such as `server.listen` or `providers.0.name` stands.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.places.starts.get(key).copied()
    }
}

/// A parser's error with its place and what to write instead. The line itself is not shown: it may hold a secret.
fn explain(path: &Path, text: &str, places: &Places, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let Place { line, column } = place_of(text, span.start);
    let problem = Problem::new(format!("{}:{line}:{column}: {}", path.display(), without_text(error.message())));
    let unknown = text.get(span.clone()).unwrap_or_default();
    if error.message().starts_with("unknown field") {
        return problem.fix(reference::advise_unknown(unknown));
    }
    if error.message().ends_with("map, expected a sequence") {
        return problem.fix("write it with two brackets, such as [[providers]], once for each entry");
    }
    match places.key_around(&span) {
        Some(key) => problem.fix(reference::advise_value(key)),
        None => problem.fix("docs/configuration.md shows how each key is written"),
    }
}

/// A parser's message, which repeats a text of the wrong kind, without that text: it may be an address with a password.
fn without_text(message: &str) -> Cow<'_, str> {
    match message.strip_prefix("invalid type: string ").and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((_, expected)) => format!("invalid type: text, expected {expected}").into(),
        None => message.into(),
    }
}

/// Where the keys of a file stand and which part of the text belongs to each.
#[derive(Debug, Clone, Default)]
struct Places {
    starts: BTreeMap<String, Place>,
    spans: Vec<(String, Range<usize>)>,
}

impl Places {
    fn of(text: &str) -> Self {
        let mut places = Places::default();
        // What does not parse has no places; the error tells its own.
        if let Ok(table) = DeTable::parse(text) {
            places.walk(text, "", table.get_ref());
        }
        places
    }

    fn walk(&mut self, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            self.starts.insert(key.clone(), place_of(text, name.span().start));
            self.spans.push((key.clone(), name.span().start..value.span().end));
            self.descend(text, &key, value.get_ref());
        }
    }

    fn descend(&mut self, text: &str, key: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(inner) => self.walk(text, &format!("{key}."), inner),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.descend(text, &format!("{key}.{i}"), item.get_ref());
                }
            }
            _ => {}
        }
    }

    /// The innermost key around this part of the text.
    fn key_around(&self, span: &Range<usize>) -> Option<&str> {
        let around = self.spans.iter().filter(|(_, own)| own.start <= span.start && span.end <= own.end);
        around.min_by_key(|(_, own)| own.len()).map(|(key, _)| key.as_str())
    }
}

fn place_of(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        ConfigFile::parse(Path::new("insula.toml"), text).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_value_is_refused_with_place_and_fix() {
        let said = refusal("[server]\nlisten = \"localhost\"\n");
        assert!(said.starts_with("insula.toml:2:10: invalid"), "{said}");
        assert!(said.contains("fix: server.listen takes an address"), "{said}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let said = refusal("# a comment\n[server]\n  lisen = \"127.0.0.1:1\"\n");
        assert!(said.starts_with("insula.toml:3:3: unknown field `lisen`"), "{said}");
        assert!(said.contains("did you mean `listen`?"), "{said}");
    }

    #[test]
    fn broken_syntax_and_secrets_are_refused_without_showing_the_line() {
        assert!(refusal("[server\n").starts_with("insula.toml:1:"));
        let said =
            refusal("[[providers]]\nname = \"openai\"\nbase_url = \"https://api.openai.com/v1\"\napi_key = \"sk-secret\"\n");
        assert!(said.starts_with("insula.toml:4:1: unknown field `api_key`"), "{said}");
        assert!(said.contains("did you mean `api_key_env`") && !said.contains("sk-secret"), "{said}");
    }

    #[test]
    fn keys_know_their_place() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n[[providers]]\nname = \"a\"\nbase_url = \"http://a/v1\"\n";
        let file = ConfigFile::parse(Path::new("insula.toml"), text).unwrap();
        assert_eq!(file.place("server.listen"), Some(Place { line: 2, column: 1 }));
        assert_eq!(file.place("providers.0.base_url"), Some(Place { line: 5, column: 1 }));
    }
}
