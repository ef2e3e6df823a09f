//! Which crate may know which: `model <- {store, gate, providers} <- engine <- server <- insula`, `qdrant <- store`, `ingest <- engine` and `embedder <- insula`.

use toml::Table;

use super::Violation;
use crate::workspace::Source;

/// What a crate may depend on among our own, and what it must never pull in from outside.
struct Edges {
    name: &'static str,
    own: &'static [&'static str],
    never: &'static [&'static str],
}

const HTTP: &[&str] = &["axum", "http", "hyper", "hyper-util", "tower"];
const DATABASES: &[&str] = &["rusqlite", "sqlx", "tokio-postgres", "redis"];

const CRATES: &[Edges] = &[
    Edges {
        name: "insula-model",
        own: &[],
        never: &["tokio", "axum", "http", "hyper", "hyper-util", "tower", "rusqlite", "sqlx"],
    },
    // One of its engines is spoken to in gRPC, whose calls are written with the types of `http`; nothing of a server or a client is there.
    Edges { name: "insula-store", own: &["insula-model", "insula-qdrant"], never: &["axum", "hyper", "hyper-util", "tower"] },
    // Messages, and nothing that sends one.
    Edges { name: "insula-qdrant", own: &[], never: &["tokio", "h2", "http", "rusqlite", "tokio-postgres", "redis"] },
    Edges { name: "insula-gate", own: &["insula-model"], never: DATABASES },
    // Bytes in, text out: no tenants, no storage, no network.
    Edges {
        name: "insula-ingest",
        own: &[],
        never: &["tokio", "axum", "http", "hyper", "hyper-util", "tower", "rusqlite", "tokio-postgres", "redis"],
    },
    // Texts in, vectors out, as `insula-ingest`.
    Edges {
        name: "insula-embedder",
        own: &[],
        never: &["tokio", "axum", "http", "hyper", "hyper-util", "tower", "rusqlite", "tokio-postgres", "redis"],
    },
    Edges { name: "insula-providers", own: &["insula-model"], never: DATABASES },
    // Shares no code with `providers`: a mistake in one must not cancel itself out in the other.
    Edges { name: "insula-simulator", own: &[], never: DATABASES },
    Edges {
        name: "insula-engine",
        own: &["insula-model", "insula-store", "insula-gate", "insula-ingest", "insula-providers"],
        never: HTTP,
    },
    Edges { name: "insula-server", own: &["insula-model", "insula-engine"], never: DATABASES },
    Edges {
        name: "insula",
        own: &[
            "insula-model",
            "insula-store",
            "insula-gate",
            "insula-embedder",
            "insula-ingest",
            "insula-providers",
            "insula-simulator",
            "insula-engine",
            "insula-server",
        ],
        never: DATABASES,
    },
];

/// What every crate's tests may use.
const FOR_TESTS: &[&str] = &["insula-simulator", "insula-test-qdrant", "insula-test-services"];

/// Compares every crate's dependencies with the table. Tests may also use what is made for tests and what lies further below:
/// to try a server out one has to open a store.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let manifests = sources.iter().filter(|s| s.path.starts_with("crates/") && s.path.ends_with("/Cargo.toml"));
    manifests.flat_map(manifest).collect()
}

fn manifest(source: &Source) -> Vec<Violation> {
    let parsed: Table = match source.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Violation::at(source, 1, format!("not TOML: {error}"))],
    };
    let name = parsed.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()).unwrap_or_default();
    let Some(edges) = CRATES.iter().find(|edges| edges.name == name) else {
        return vec![Violation::at(
            source,
            1,
            format!("`{name}` is not in the table of xtask/src/tidy/edges.rs; say whom it may know"),
        )];
    };
    let mut violations = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = parsed.get(section).and_then(|d| d.as_table()) else { continue };
        for dependency in dependencies.keys() {
            let ours = dependency == "insula" || dependency.starts_with("insula-");
            let for_tests =
                section == "dev-dependencies" && (FOR_TESTS.contains(&dependency.as_str()) || is_below(dependency, edges));
            let known = !ours || for_tests || edges.own.contains(&dependency.as_str());
            if !known || edges.never.contains(&dependency.as_str()) {
                violations.push(Violation::at(
                    source,
                    line_of(&source.text, dependency),
                    format!("`{name}` must not know `{dependency}`"),
                ));
            }
        }
    }
    violations
}

/// Whether a crate is reached along the edges, in one step or more.
fn is_below(dependency: &str, from: &Edges) -> bool {
    from.own.iter().any(|own| {
        let next = CRATES.iter().find(|edges| edges.name == *own);
        *own == dependency || next.is_some_and(|next| is_below(dependency, next))
    })
}

/// The line on which a dependency is named; 1 where it is not found at a line's start.
fn line_of(text: &str, dependency: &str) -> usize {
    let named = |line: &str| line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    text.lines().position(named).map_or(1, |i| i + 1)
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_forbidden_edge_is_found() {
        let text = "[package]\nname = \"insula-providers\"\n\n[dependencies]\ninsula-model.workspace = true\ninsula-store.workspace = true\n";
        let found = check(&[sample("crates/providers/Cargo.toml", text)]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].advice.as_str()), (6, "`insula-providers` must not know `insula-store`"));
    }

    #[test]
    fn the_engine_knows_no_http_and_new_crates_need_a_place() {
        let engine =
            sample("crates/engine/Cargo.toml", "[package]\nname = \"insula-engine\"\n[dependencies]\nhyper.workspace = true\n");
        let new = sample("crates/new/Cargo.toml", "[package]\nname = \"insula-new\"\n");
        assert_eq!(check(&[engine, new]).len(), 2);
    }

    #[test]
    fn tests_may_reach_further_down_but_not_up() {
        let text =
            "[package]\nname = \"insula-server\"\n[dev-dependencies]\ninsula-store.workspace = true\ninsula.workspace = true\n";
        let found = check(&[sample("crates/server/Cargo.toml", text)]);
        assert_eq!(found.iter().map(|v| v.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn the_simulator_may_help_in_tests_only() {
        let text = "[package]\nname = \"insula-engine\"\n[dev-dependencies]\ninsula-simulator.workspace = true\n";
        assert!(check(&[sample("crates/engine/Cargo.toml", text)]).is_empty());
        let text = text.replace("dev-dependencies", "dependencies");
        assert_eq!(check(&[sample("crates/engine/Cargo.toml", &text)]).len(), 1);
    }
}
