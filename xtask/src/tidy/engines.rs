//! Nothing outside `store`, and the messages that it alone sends (`qdrant`), names a storage engine; only `wire.rs` and the configuration choose one.

use super::Violation;
use crate::workspace::Source;

/// Words of the engines, in lower case.
const ENGINES: &[&str] = &["sqlite", "postgres", "qdrant", "redis", "pgvector"];

/// Where they may be named.
const ALLOWED: &[&str] = &["crates/store/", "crates/qdrant/", "crates/insula/src/wire.rs", "crates/insula/src/config/"];

/// Finds an engine's name in the Rust code or the manifest of another crate.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let code = |s: &&Source| s.path.starts_with("crates/") && (s.is_rust() || s.path.ends_with("Cargo.toml"));
    let elsewhere = |s: &&Source| !ALLOWED.iter().any(|allowed| s.path.starts_with(allowed));
    let mut violations = Vec::new();
    for source in sources.iter().filter(code).filter(elsewhere) {
        for (number, line) in source.lines() {
            let lower = line.to_lowercase();
            if let Some(engine) = ENGINES.iter().find(|engine| lower.contains(**engine)) {
                violations.push(Violation::at(
                    source,
                    number,
                    format!("names `{engine}`; say it in crates/store, or say what it does"),
                ));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn an_engine_named_elsewhere_is_found() {
        let text = "fn save() {\n    rusqlite::Connection::open(\"x\");\n}\n";
        assert_eq!(check(&[sample("crates/engine/src/save.rs", text)])[0].line, 2);
        assert!(check(&[sample("crates/store/src/sqlite/connection.rs", text)]).is_empty());
    }
}
