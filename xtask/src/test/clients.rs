//! The vendors' own SDKs against a running `insula dev`.
//!
//! A suite is a program in `tests/clients/<language>`: it takes the addresses and keys of `dev.env` from its environment,
//! prints `N passed, M failed` as its last line and exits with something else than 0 on a failure.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{dev_server::DevServer, run, tools};

/// The suite of openai-python, anthropic-python and LangChain.
pub fn python(binary: &Path) -> Result<String> {
    let python = tools::python("tests/clients/python/requirements.txt")?;
    against_dev(binary, "python", run::command(python).arg("tests/clients/python/run.py"))
}

/// The suite of openai-node and the Vercel AI SDK.
pub fn node(binary: &Path) -> Result<String> {
    tools::node_packages("tests/clients/node")?;
    against_dev(binary, "node", run::command("node").arg("tests/clients/node/run.mjs"))
}

/// Runs a suite against a server of its own; its last line.
fn against_dev(binary: &Path, name: &str, suite: &mut Command) -> Result<String> {
    let server = DevServer::start(binary, name)?;
    let output = suite.envs(server.env()).stderr(std::process::Stdio::inherit()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    eprint!("{printed}");
    let last = printed.lines().next_back().unwrap_or_default().to_owned();
    if !output.status.success() {
        bail!("{last} ({})", output.status);
    }
    if !last.contains(" passed, 0 failed") || last.starts_with("0 passed") {
        bail!("the suite does not say that it passed: {last:?}");
    }
    server.stop()?;
    Ok(last)
}
