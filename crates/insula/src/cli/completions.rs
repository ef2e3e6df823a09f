//! `insula completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, exit::Failure, output::Output};

/// Completions for a shell, to be sourced from its start-up file.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

/// Runs it.
pub fn run(args: &CompletionsArgs, out: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "insula", &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())
}
