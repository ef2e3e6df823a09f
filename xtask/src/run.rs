//! Starting other programs.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A command that runs at the workspace's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}

/// The cargo that runs us. What it told us of our own package is kept from it: build scripts that look at those variables (ring's
/// does) would run again, and half of all crates with them, whenever cargo is called by us and by hand in turn.
pub fn cargo() -> Command {
    without_package(command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// The command without what `cargo run` says of the package that it runs.
pub fn without_package(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it with our own terminal; an error when it fails.
pub fn check(command: &mut Command) -> Result<()> {
    let shown = show(command);
    eprintln!("    $ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// What a program prints on stdout; an error when it fails.
pub fn output(program: &str, args: &[&str]) -> Result<String> {
    captured(command(program).args(args))
}

/// What this command prints on stdout; an error with its stderr when it fails.
pub fn captured(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stderr(Stdio::piped()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not text"))
}

/// Whether this program can be started and ends well: how a tool is probed.
pub fn works(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    let probe = command(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
