//! Finding the program under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names the program to test, as `cargo xtask test` does once it has built it; else the one beside the tests is taken.
const OVERRIDE: &str = "INSULA_BIN";

/// The `insula` program: `target/<profile>/insula` beside this very test, built by `cargo build` beforehand.
///
/// Panics when it is missing, or older than a file that it was built from: a test of yesterday's program proves nothing.
pub fn insula() -> PathBuf {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        return path.into();
    }
    let path = sibling("insula");
    assert!(path.exists(), "{} is missing: run `cargo build --package insula` first", path.display());
    if let Some(newer) = newer_source(&path) {
        let (path, newer) = (path.display(), newer.display());
        panic!("{path} is older than {newer}: run `cargo build --package insula` first");
    }
    path
}

/// Another program of this package or of the workspace, built in the same profile.
pub fn sibling(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // target/<profile>/deps/it-1234 for a test, target/<profile>/chaos for a program.
    let folder = own.parent().unwrap();
    let profile = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    profile.join(name)
}

/// The first file that cargo lists as an input of `program` and that changed after it was built.
fn newer_source(program: &Path) -> Option<PathBuf> {
    let built = modified(program)?;
    let listed = fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, inputs) = listed.split_once(": ")?;
    inputs.split_whitespace().map(PathBuf::from).find(|input| modified(input).is_some_and(|changed| changed > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
