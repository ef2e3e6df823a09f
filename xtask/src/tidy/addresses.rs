//! What is tracked names no machine and no package mirror: it must build the same for everyone.

use super::Violation;
use crate::workspace::Source;

/// Beginnings of paths that exist on one machine only. Put together here, so that this file does not find itself.
const MACHINE_PATHS: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Where packages come from is the package manager's own setting.
const REGISTRIES: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("files.", "pythonhosted.org"),
    concat!("pypi.", "org/simple"),
    concat!("--index", "-url"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
];

/// The one source that Cargo.lock may name for what is not ours.
const CARGO_SOURCE: &str = concat!("source = \"registry+https://github.com/rust-lang/", "crates.io-index\"");

/// Finds them, and lock files that remember where they were made.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    sources.iter().flat_map(|source| source.lines().filter_map(|(number, line)| line_of(source, number, line))).collect()
}

fn line_of(source: &Source, number: usize, line: &str) -> Option<Violation> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
        return Some(Violation::at(source, number, format!("`{path}` is a path of one machine")));
    }
    if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
        return Some(Violation::at(source, number, format!("`{host}` fixes where packages come from")));
    }
    let line = line.trim_start();
    if name == "package-lock.json" && line.starts_with("\"resolved\": \"http") {
        return Some(Violation::at(source, number, "made without `omit-lockfile-registry-resolved`"));
    }
    if name == "Cargo.lock" && line.starts_with("source = ") && line != CARGO_SOURCE {
        return Some(Violation::at(source, number, "comes from elsewhere than the public registry"));
    }
    if source.path.starts_with(".cargo/") && line.starts_with("[source") {
        return Some(Violation::at(source, number, "replaces the package source; keep that in your own cargo home"));
    }
    None
}

/// The path stands on its own: not the middle of a longer one such as `docs/work/`, nor of a URL.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn machine_paths_and_mirrors_are_found() {
        let text = format!(
            "see {}me/notes\n\"https://{}/x.tgz\"\nhttps://example.org{}page\n",
            MACHINE_PATHS[0], REGISTRIES[0], MACHINE_PATHS[3]
        );
        let lines: Vec<usize> = check(&[sample("README.md", &text)]).iter().map(|v| v.line).collect();
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn lock_files_name_no_mirror() {
        let npm = sample("tests/clients/node/package-lock.json", "  \"resolved\": \"http://mirror/openai.tgz\",\n");
        let cargo = sample("Cargo.lock", &format!("{CARGO_SOURCE}\nsource = \"registry+https://mirror/index\"\n"));
        let config = sample(".cargo/config.toml", "[source.crates-io]\n");
        assert_eq!(check(&[npm, cargo, config]).len(), 3);
    }
}
