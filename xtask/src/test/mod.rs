//! `cargo xtask test`: everything that must hold, in the order in which a failure is cheapest to learn of.

mod clients;
mod report;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{chaos, run, services::Services, tidy, tools, workspace};
use report::Report;

/// How to run the tests.
#[derive(Args)]
pub struct Options {
    /// What runs the Rust tests. `cargo` needs nothing installed, but runs them one crate after another.
    #[arg(long, value_enum, default_value = "nextest")]
    runner: Runner,
    /// Only this part; may be repeated. Continuous integration runs all.
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runner {
    /// cargo-nextest; built below `target/tools` where it is missing.
    Nextest,
    /// `cargo test`.
    Cargo,
}

/// Kill rounds of a run; `cargo xtask chaos` does more.
const CHAOS_ROUNDS: usize = 5;
/// The same with several nodes; the last of them pauses one.
const CLUSTER_CHAOS_ROUNDS: usize = 3;

/// A part of the whole.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Rules, formatting, lints.
    Tidy,
    /// Unit, property and black-box tests.
    Rust,
    /// What searches vectors, with a real Qdrant where one is named.
    Qdrant,
    /// The examples in the documentation.
    Doc,
    /// OpenAI's and Anthropic's SDKs for Python.
    Python,
    /// OpenAI's SDK for Node.
    Node,
    /// Kills under load.
    Kill,
    /// Kills of one of several nodes.
    KillCluster,
    /// Kills that lose what was not synced.
    PowerCut,
    /// The local embedder, which the ordinary build leaves out. Last, because it builds the program another way.
    LocalEmbedder,
}

/// Installs what is missing, runs everything, stops what it started, and sums up.
pub fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    let wanted = |step: Step| options.only.is_empty() || options.only.contains(&step);
    if wanted(Step::Tidy) {
        report.step("tidy", || tidy::run().map(|()| String::new()));
    }
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(|step| *step != Step::Tidy && wanted(*step)).collect();
    if steps.is_empty() {
        return report.finish();
    }
    build()?;
    // Without them nothing below can be trusted to have run, so nothing runs.
    let services = Services::start()?;
    let binary = workspace::target().join("debug").join("insula");
    for step in steps {
        match step {
            Step::Tidy => {}
            Step::Rust => report.step("rust tests", || rust_tests(options.runner, &services)),
            Step::Qdrant => report.step("real Qdrant", || real_qdrant(options.runner, &services)),
            Step::Doc => report.step("doc tests", || doc_tests(&services)),
            Step::Python => report.step("python SDKs", || clients::python(&binary)),
            Step::Node => report.step("node SDKs", || clients::node(&binary)),
            Step::Kill => report.step("kill -9", || chaos::start(&chaos::Options::new(CHAOS_ROUNDS), None)),
            Step::KillCluster => report.step("kill cluster", || {
                chaos::start(&chaos::Options::new(CLUSTER_CHAOS_ROUNDS).of_cluster(), Some(&services))
            }),
            Step::PowerCut => {
                report.step("power cut", || chaos::start(&chaos::Options::new(CHAOS_ROUNDS).with_power_cuts(), None));
            }
            Step::LocalEmbedder => report.step("local embedder", local_embedder),
        }
    }
    report.finish()
}

/// Builds the program and all tests in one go, so that nothing is compiled twice; without these nothing else makes sense.
fn build() -> Result<()> {
    eprintln!("\n=== build");
    run::check(run::cargo().args(["build", "--locked", "--workspace", "--all-targets", "--quiet"]))
}

fn rust_tests(runner: Runner, services: &Services) -> Result<String> {
    run::check(rust_runner(runner)?.envs(services.env())).map(|()| String::new())
}

/// Names a Qdrant for the cases that want a real one.
const QDRANT_VARIABLE: &str = "INSULA_TEST_QDRANT_URL";

/// The one suite that may be absent: no package brings a Qdrant along. A peer in the tests stands in for it everywhere else.
fn real_qdrant(runner: Runner, services: &Services) -> Result<String> {
    if std::env::var_os(QDRANT_VARIABLE).is_none() {
        return Ok(format!("NOT RUN: {QDRANT_VARIABLE} is not set; README.md says how to start one"));
    }
    let mut command = rust_runner(runner)?;
    match runner {
        Runner::Nextest => command.args(["-E", "test(/on_a_real_qdrant/)"]),
        Runner::Cargo => command.arg("on_a_real_qdrant"),
    };
    run::check(command.envs(services.env())).map(|()| String::new())
}

fn rust_runner(runner: Runner) -> Result<std::process::Command> {
    Ok(match runner {
        Runner::Nextest => {
            let mut nextest = run::without_package(run::command(tools::nextest()?));
            nextest.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--status-level", "fail"]);
            nextest
        }
        Runner::Cargo => {
            let mut cargo = run::cargo();
            cargo.args(["test", "--locked", "--workspace", "--all-targets", "--no-fail-fast"]);
            cargo
        }
    })
}

/// The examples in the documentation, which neither of the runners above runs.
fn doc_tests(services: &Services) -> Result<String> {
    let mut command = run::cargo();
    command.args(["test", "--locked", "--workspace", "--doc", "--quiet"]).envs(services.env());
    run::check(&mut command).map(|()| String::new())
}

/// The crate with its heavy half, that the program with it passes the lints, and a model from its directory to an answer. Alone, because its
/// dependencies would be built with everything else's features, and everything else with theirs.
fn local_embedder() -> Result<String> {
    const FEATURE: [&str; 2] = ["--features", "insula/local-embedder"];
    run::check(run::cargo().args(["test", "--locked", "--package", "insula-embedder", "--features", "model", "--quiet"]))?;
    let mut lints = run::cargo();
    lints.args(["clippy", "--locked", "--workspace", "--all-targets", "--quiet"]).args(FEATURE).args(["--", "-D", "warnings"]);
    run::check(&mut lints)?;
    let mut program = run::cargo();
    program.args(["test", "--locked", "--workspace", "--test", "local_embedder", "--quiet"]).args(FEATURE);
    run::check(&mut program).map(|()| String::new())
}
