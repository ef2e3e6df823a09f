//! `cargo xtask bench`: the figures of the README, measured on this machine.
//!
//! The measuring is done by programs of the tests' package; this builds them and the server for release and starts one.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{run, services::Services, workspace};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Which figures.
    what: What,
    /// Further arguments for the measurement, such as `--count 1000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Creates 10,000 tenants and uses each once.
    Tenants,
    /// From the start to the first served request, and the memory of an idle server.
    Start,
    /// CPU per request beside nginx.
    Overhead,
    /// What routing and translation add to a request, beside nginx.
    Translation,
    /// The ledger, usage, statements, the export and the provider's log over 50,000 mixed requests: they agree or it fails.
    Bill,
    /// A batch of 10,000 lines whose server is killed 10 times: each line once in the output, each call billed once, or it fails.
    Batch,
    /// Who gets how much of a provider beside whom, its pace, and how many it is found to bear.
    Fairness,
    /// Documents of many tenants while the server is killed (`many`), and a thousand pages (`pages`).
    Knowledge,
    /// How well and how fast vectors are found, beside comparing all of them.
    Vectors,
    /// A minute without PostgreSQL under load: who is refused, when all is served again, what is billed.
    Outage,
}

/// How long PostgreSQL is away, in seconds; `tests/cluster/outage.rs` reads it.
const OUTAGE: (&str, &str) = ("INSULA_TEST_OUTAGE_SECONDS", "60");

/// Cargo's names of a profile and of its folder.
const RELEASE: [&str; 2] = ["release", "release"];
const DEV: [&str; 2] = ["dev", "debug"];

/// Builds everything, for release where speed is measured, and measures.
pub fn run(options: &Options) -> Result<()> {
    let (program, first, [profile, folder]) = match options.what {
        What::Tenants => ("bench", Some("tenants"), RELEASE),
        What::Start => ("bench", Some("start"), RELEASE),
        What::Bill => ("bench", Some("bill"), DEV),
        What::Batch => ("bench", Some("batch"), DEV),
        What::Overhead => ("overhead", None, RELEASE),
        What::Translation => ("translation", None, RELEASE),
        What::Fairness => ("fairness", None, RELEASE),
        What::Knowledge => ("knowledge", None, RELEASE),
        What::Vectors => ("vectors", None, RELEASE),
        What::Outage => return outage(options),
    };
    // Only what is needed: each program is linked with optimisation over all crates.
    let build = ["build", "--locked", "--profile", profile, "--package", "insula", "--package", "insula-tests"];
    run::check(run::cargo().args(build).args(["--bin", "insula", "--bin", program]))?;
    let mut measure = run::command(workspace::target().join(folder).join(program));
    run::check(measure.args(first).args(&options.arguments))
}

/// A test of the suite, for longer than in the suite. Nothing of it is about speed, so nothing is built for release.
fn outage(options: &Options) -> Result<()> {
    let services = Services::start()?;
    run::check(run::cargo().args(["build", "--locked", "--package", "insula"]))?;
    let mut test = run::cargo();
    test.args(["test", "--locked", "--package", "insula-tests", "--test", "it", "--"]);
    test.args(["cluster::outage::storage_goes_and_comes_back", "--exact", "--nocapture"]).args(&options.arguments);
    run::check(test.env(OUTAGE.0, OUTAGE.1).envs(services.env()))
}
