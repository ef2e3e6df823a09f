//! Documents that the program itself writes, so that they cannot fall behind it.

use std::fs;

use anyhow::{Result, bail};

use crate::{run, workspace};

/// The document, and the command that prints it.
const DOCUMENTS: &[(&str, &[&str])] = &[("docs/configuration.md", &["config", "reference"])];

/// Writes the documents, or only compares them.
pub fn run(check: bool) -> Result<()> {
    for (path, words) in DOCUMENTS {
        let mut cargo = run::cargo();
        let wanted = run::captured(cargo.args(["run", "--quiet", "--package", "insula", "--"]).args(*words))?;
        let found = workspace::read(path).unwrap_or_default();
        if wanted == found {
            continue;
        }
        if check {
            bail!("{path} is not what the program writes; run `cargo xtask docs` and commit the change");
        }
        let file = workspace::root().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, wanted)?;
        eprintln!("wrote {path}");
    }
    Ok(())
}
