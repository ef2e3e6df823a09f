//! The reference of all keys: what `insula config reference` prints and `docs/configuration.md` holds.

use std::fmt::Write;

use toml::{Table, Value};

use super::{
    Batches, Bounds, Budgets, Cache, Coordination, Durability, Embedder, Files, Knowledge, Log, Prices, Provider, Queue,
    Routing, Server, Storage, Vectors, Webhooks,
    section::{Key, Section},
};

/// One table of the file, as the reference shows it.
pub struct SectionSpec {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Whether it is written as `[[name]]`, once for each entry.
    pub repeated: bool,
    /// Its keys.
    pub keys: Vec<Key>,
    /// The values of the keys that have a default.
    pub defaults: Table,
}

/// All sections, in the order of the reference.
pub fn sections() -> Vec<SectionSpec> {
    vec![
        spec::<Server>("server", "Where the server listens and how it stops."),
        spec::<Storage>("storage", "Where the data lives."),
        spec::<Coordination>("coordination", "What nodes tell each other at once."),
        spec::<Durability>(
            "durability",
            "What survives a crash, and when. Embedded storage only: a shared database commits an attempt's record before the provider sees a byte.",
        ),
        spec::<Bounds>(
            "bounds",
            "The most of everything: what is over a bound is refused with a clear error, never queued without end.",
        ),
        spec::<Budgets>("budgets", "How spending is reserved."),
        spec::<Queue>("queue", "How requests wait for a fair turn and the provider's pace."),
        spec::<Routing>("routing", "How failed attempts are followed by others, and which models are not tried at all."),
        spec::<Cache>("cache", "What the answer cache may take. Which tenants have one their rules say (`insula cache set`)."),
        spec::<Files>("files", "What tenants upload: `/v1/files`."),
        spec::<Batches>("batches", "How batches are run: `/v1/batches`."),
        spec::<Knowledge>("knowledge", "What tenants hand in to be searched: `/api/v1/tenants/{tenant}/documents`."),
        spec::<Vectors>("vectors", "What searches the vectors of tenants' documents."),
        SectionSpec {
            repeated: true,
            ..spec::<Embedder>(
                "embedders",
                "What places texts among each other; one `[[embedders]]` table for each. `lexical-hashing-1` is built in, and every model of the price book that can embed may be named without an entry.",
            )
        },
        spec::<Webhooks>("webhooks", "How products are told what happens."),
        SectionSpec {
            repeated: true,
            ..spec::<Provider>("providers", "A model provider; one `[[providers]]` table for each. None is built in.")
        },
        spec::<Prices>("prices", "What models cost."),
        spec::<Log>("log", "What is written to stderr. Never content, never secrets."),
    ]
}

fn spec<S: Section + Default + serde::Serialize>(name: &'static str, about: &'static str) -> SectionSpec {
    // Every section is a plain struct of plain values, which always is a table.
    let defaults = Table::try_from(S::default()).unwrap_or_default();
    SectionSpec { name, about, repeated: false, keys: S::keys(), defaults }
}

/// Further names that environment variables of a key go by, shorter than the rule would make them.
pub const SHORT_NAMES: &[(&str, &str)] = &[
    ("server.listen", "INSULA_LISTEN"),
    ("storage.data_dir", "INSULA_DATA_DIR"),
    ("storage.postgres_url", "INSULA_POSTGRES_URL"),
    ("coordination.redis_url", "INSULA_REDIS_URL"),
];

/// The environment variables that set this key, the short name first.
pub fn variables(section: &str, key: &str) -> Vec<String> {
    let dotted = format!("{section}.{key}");
    let short = SHORT_NAMES.iter().filter(|(of, _)| *of == dotted).map(|(_, name)| (*name).to_owned());
    let long = format!("INSULA_{}_{}", section.to_uppercase(), key.to_uppercase());
    short.chain([long]).collect()
}

/// The whole reference as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    for section in sections() {
        let heading = if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        let _ = write!(out, "\n## `{heading}`\n{}\n\n| key | takes | default | |\n|---|---|---|---|\n", section.about);
        for key in &section.keys {
            let default = match section.defaults.get(key.name) {
                Some(Value::String(text)) if text.is_empty() => "required".to_owned(),
                Some(value) => format!("`{value}`"),
                None => "none".to_owned(),
            };
            let _ = writeln!(out, "| `{}` | {} | {default} | {} |", key.name, key.kind, key.doc);
        }
    }
    out
}

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask docs` from crates/insula/src/config. Change it there. -->
# Configuration
Flags win over environment variables, these over the file, the file over the defaults. `insula config show --origin` prints
what holds and where it comes from.

- **File:** `--config FILE` or `INSULA_CONFIG`; without either, `insula.toml` in the current directory where there is one.
  An unknown key or a value of the wrong kind is refused at start with its line, its column and the fix.
- **Environment:** `INSULA_<SECTION>_<KEY>`, such as `INSULA_LOG_LEVEL` for `level` in `[log]`; shorter names exist for
  `INSULA_LISTEN`, `INSULA_DATA_DIR`, `INSULA_POSTGRES_URL` and `INSULA_REDIS_URL`. Providers and embedders are set in the file only.
- **Secrets** need not stand in the file: a provider's key is named by the environment variable or the file that holds it, and
  URLs with a password are better set by their variable. `config show` masks passwords.
  `INSULA_ROOT_KEY` (base64 of 32 bytes) replaces the root key's file.
";

/// What to write behind a key such as `server.listen` or `providers.0.name`.
pub fn advise_value(dotted: &str) -> String {
    let mut parts = dotted.split('.');
    let section = parts.next().unwrap_or_default();
    let name = parts.next_back().unwrap_or_default();
    let sections = sections();
    let Some(section) = sections.iter().find(|spec| spec.name == section) else {
        return "docs/configuration.md shows how each key is written".to_owned();
    };
    let Some(key) = section.keys.iter().find(|key| key.name == name) else {
        let heading = if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        return format!("`{heading}` takes: {}", names(&section.keys));
    };
    let example = match section.defaults.get(name) {
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(value) => format!(", such as {value}"),
        None => String::new(),
    };
    let about = key.doc.split_once(". ").map_or(key.doc, |(first, _)| first).trim_end_matches('.');
    format!("{dotted} takes {}{example} ({about})", with_article(key.kind))
}

/// `address` as `an address`; choices stay as they are.
fn with_article(kind: &str) -> String {
    match kind {
        _ if kind.contains(" or ") || kind.starts_with('`') || kind == "text" => kind.to_owned(),
        _ if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// What an unknown key was probably meant to be.
pub fn advise_unknown(unknown: &str) -> String {
    let sections = sections();
    let known = sections.iter().flat_map(|spec| spec.keys.iter().map(|key| key.name).chain([spec.name]));
    let near = |name: &&str| name.starts_with(unknown) || distance(name, unknown) <= (unknown.len() / 2).max(1);
    match known.into_iter().filter(near).min_by_key(|name| distance(name, unknown)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "remove it; docs/configuration.md lists all keys".to_owned(),
    }
}

/// How many characters must be put in, taken out or replaced to make one word into the other (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == markdown(), "docs/configuration.md is not what the program writes; run `cargo xtask docs`");
    }

    #[test]
    fn every_key_is_documented_once() {
        for section in sections() {
            for key in &section.keys {
                assert!(key.doc.len() > 10 && key.doc.ends_with('.'), "{}.{} says too little", section.name, key.name);
                assert!(!key.doc.contains('|'), "{}.{} breaks the table", section.name, key.name);
            }
            // A default for a key that is not listed would be a key without documentation.
            assert!(section.defaults.keys().all(|name| section.keys.iter().any(|key| key.name == name)));
        }
    }

    #[test]
    fn distances() {
        assert_eq!((distance("listen", "lisen"), distance("", "abc"), distance("same", "same")), (1, 3, 0));
    }
}
