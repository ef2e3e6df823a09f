//! What holds and where it comes from: `insula config show --origin`.

use serde::Serialize;
use toml::{Table, Value};

use super::{Loaded, Origin, reference::sections};

/// One key as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Such as `server.listen`.
    pub key: String,
    /// The value as the file would have it; absent when there is none.
    pub value: Option<String>,
    /// `default`, `file insula.toml:2:1`, `env INSULA_LISTEN` or `flag --listen`.
    pub origin: String,
}

/// Every key, in the order of the reference. Nothing secret: providers' keys are named, not written, and an address shows a mask in
/// its password's place.
pub fn rows(loaded: &Loaded) -> Vec<Shown> {
    // A configuration is plain tables of plain values, which always is a table.
    let values = Table::try_from(&loaded.config).unwrap_or_default();
    let mut rows = Vec::new();
    for section in sections() {
        let entries: Vec<(String, &Value)> = match values.get(section.name) {
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(i, item)| (format!("{}.{i}", section.name), item)).collect()
            }
            Some(table) => vec![(section.name.to_owned(), table)],
            None => Vec::new(),
        };
        for (prefix, table) in entries {
            for key in &section.keys {
                let dotted = format!("{prefix}.{}", key.name);
                let origin: &Origin = loaded.origin(&dotted);
                rows.push(Shown { value: table.get(key.name).map(Value::to_string), origin: origin.to_string(), key: dotted });
            }
        }
    }
    rows
}
