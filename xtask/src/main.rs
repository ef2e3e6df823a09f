//! The developer's commands: `cargo xtask test`, `services`, `tidy`, `docs`, `chaos`, `bench`.
//!
//! `test` is what continuous integration runs and what the README promises: it installs what is missing below `target/`,
//! starts what it needs, runs everything and stops it again. The others are its parts, for the hours in between.

mod bench;
mod chaos;
mod dev_server;
mod docs;
mod run;
mod services;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of Insula.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything that must hold before a change goes in.
    Test(test::Options),
    /// Runs a private PostgreSQL and a private Redis until Ctrl-C and prints how a single test finds them.
    Services,
    /// Formatting, lints, the rules of the house, generated documents.
    Tidy,
    /// Writes the generated documents, such as docs/configuration.md.
    Docs {
        /// Writes nothing; fails when a document is not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Kills a server at random moments under load and compares its ledger with the provider's log.
    Chaos(chaos::Options),
    /// Measures what the README promises.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match run_command(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test(options) => test::run(&options),
        Command::Services => services::run(),
        Command::Tidy => tidy::run().and_then(|()| docs::run(true)),
        Command::Docs { check } => docs::run(check),
        Command::Chaos(options) => chaos::run(&options),
        Command::Bench(options) => bench::run(&options),
    }
}
