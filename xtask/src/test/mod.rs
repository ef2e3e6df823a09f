//! `cargo xtask test`: everything that must hold, in the order in which a failure is cheapest to learn of.

mod clients;
mod report;
mod tools;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{run, tidy, workspace};
use report::Report;

/// How to run the tests.
#[derive(Args)]
pub struct Options {
    /// What runs the Rust tests. `cargo` needs nothing installed, but runs them one crate after another.
    #[arg(long, value_enum, default_value = "nextest")]
    runner: Runner,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runner {
    /// cargo-nextest; built below `target/tools` where it is missing.
    Nextest,
    /// `cargo test`.
    Cargo,
}

/// Installs what is missing, runs everything, stops what it started, and sums up.
pub fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    report.step("tidy", || tidy::run().map(|()| String::new()));
    let binary = build()?;
    report.step("rust tests", || rust_tests(options.runner, &binary));
    report.step("openai-python", || clients::python(&binary));
    report.step("openai-node", || clients::node(&binary));
    report.finish()
}

/// Builds the program and all tests; without these nothing else makes sense.
fn build() -> Result<PathBuf> {
    run::check(run::cargo().args(["build", "--locked", "--package", "insula"]))?;
    run::check(run::cargo().args(["test", "--locked", "--workspace", "--no-run", "--quiet"]))?;
    Ok(workspace::target().join("debug").join("insula"))
}

fn rust_tests(runner: Runner, binary: &PathBuf) -> Result<String> {
    let mut command = match runner {
        Runner::Nextest => {
            let mut nextest = run::command(tools::nextest()?);
            nextest.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--status-level", "fail"]);
            nextest
        }
        Runner::Cargo => {
            let mut cargo = run::cargo();
            cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
            cargo
        }
    };
    run::check(command.env("INSULA_BIN", binary)).map(|()| String::new())?;
    // nextest does not run the examples in the documentation.
    if matches!(runner, Runner::Nextest) {
        run::check(run::cargo().args(["test", "--locked", "--workspace", "--doc", "--quiet"]))?;
    }
    Ok(String::new())
}
