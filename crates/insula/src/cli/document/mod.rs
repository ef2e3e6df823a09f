//! `insula document`.

mod inspect;
mod reader;

use clap::{Args, Subcommand};

use super::{exit::Failure, output::Output};

pub use reader::serve;

/// Documents: what can be read of them.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads a file as an upload would be read, and reports what is wrong with it. Needs no server.
    Inspect(inspect::InspectArgs),
    /// Reads one document from standard input, for the process that started it.
    #[command(hide = true)]
    Read,
}

impl DocumentArgs {
    /// Whether it is the child process that reads one document and does nothing else.
    pub fn is_reader(&self) -> bool {
        matches!(self.action, Action::Read)
    }
}

/// Runs it.
pub async fn run(args: DocumentArgs, out: Output) -> Result<(), Failure> {
    match args.action {
        Action::Inspect(args) => inspect::run(args, out).await,
        Action::Read => serve(),
    }
}
