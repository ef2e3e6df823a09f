//! What the suites need on the machine. Missing things are installed below `target/`, or with apt-get where that may be
//! used; else the message says what to install.

use std::{ffi::OsString, fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{run, workspace};

/// The nextest to run: the machine's own, or one built once below `target/tools`.
pub fn nextest() -> Result<OsString> {
    if run::works("cargo-nextest", &["nextest", "--version"]) {
        return Ok("cargo-nextest".into());
    }
    let tools = workspace::target().join("tools");
    let built = tools.join("bin").join("cargo-nextest");
    if !run::works(&built, &["nextest", "--version"]) {
        eprintln!("cargo-nextest is missing; building it once in {} (`--runner cargo` does without)", tools.display());
        // Unoptimised and unable to update itself: it starts processes, and it is built in a third of the time.
        let mut install = run::cargo();
        install.args(["install", "--locked", "--debug", "--quiet", "--no-default-features", "--features", "default-no-update"]);
        install.arg("--root").arg(&tools).arg("cargo-nextest");
        run::check(&mut install).context("cannot build cargo-nextest; install it or pass `--runner cargo`")?;
    }
    Ok(built.into())
}

/// A virtual environment with what `requirements` lists; the path of its python.
pub fn python(requirements: &str) -> Result<PathBuf> {
    let venv = workspace::target().join("venv");
    let python = venv.join("bin").join("python");
    if !run::works(&python, &["-m", "pip", "--version"]) {
        let create = || run::works("python3", &["-m", "venv", "--clear", &venv.to_string_lossy()]);
        if !create() {
            apt("python3 with venv", &["python3", "python3-venv"])?;
            if !create() {
                bail!("`python3 -m venv` fails; run it by hand to see why");
            }
        }
    }
    let wanted = workspace::read(requirements)?;
    let stamp = venv.join("requirements.installed");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(wanted.as_str()) {
        let mut pip = run::command(&python);
        run::check(pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            requirements,
        ]))?;
        fs::write(stamp, wanted)?;
    }
    Ok(python)
}

/// The packages that the lock file in `folder` lists, installed beside it.
pub fn node_packages(folder: &str) -> Result<()> {
    if !(run::works("node", &["--version"]) && run::works("npm", &["--version"])) {
        apt("node and npm", &["nodejs", "npm"])?;
    }
    let wanted = workspace::read(&format!("{folder}/package-lock.json"))?;
    let stamp = workspace::root().join(folder).join("node_modules").join(".installed-lock");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(wanted.as_str()) {
        run::check(run::command("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder]))?;
        fs::write(stamp, wanted)?;
    }
    Ok(())
}

/// Installs Debian packages where that is allowed; else says what to install.
fn apt(what: &str, packages: &[&str]) -> Result<()> {
    let advice = format!("{what} is missing; install it: apt-get install {}", packages.join(" "));
    if !run::works("apt-get", &["--version"]) {
        bail!("{advice}");
    }
    let root = run::output("id", &["-u"])?.trim() == "0";
    if !root && !run::works("sudo", &["-n", "true"]) {
        bail!("{advice}");
    }
    let apt_get = |words: &[&str]| {
        let mut command = if root { run::command("env") } else { run::command("sudo") };
        let prefix: &[&str] = if root { &[] } else { &["-n", "env"] };
        run::check(command.args(prefix).args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(words))
    };
    eprintln!("{what} is missing; installing {}", packages.join(" "));
    apt_get(&["update", "--quiet"])?;
    apt_get(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())
}
