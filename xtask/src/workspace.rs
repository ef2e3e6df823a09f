//! Where the workspace is and which files belong to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::run;

/// The workspace's folder.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A text file of the project: what it says and where it is, relative to the root, with forward slashes.
pub struct Source {
    /// Such as `crates/model/src/lib.rs`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Whether this is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The lines before a closing test module: what ships.
    pub fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let count = self.text[..tests].lines().count();
        self.lines().take(count)
    }
}

/// Every text file that is tracked or would be: what `git add .` takes.
pub fn sources() -> Result<Vec<Source>> {
    let listed = run::output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut sources = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // Deleted but not yet staged, or not text: neither is ours to judge.
        let Ok(bytes) = fs::read(root().join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    if sources.is_empty() {
        bail!("git lists no files; run this inside a clone of the repository");
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// Reads a file below the root.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}
