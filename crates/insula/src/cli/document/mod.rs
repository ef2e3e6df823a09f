//! `insula document`.

mod inspect;
mod reader;
pub(super) mod stored;

use clap::{Args, Subcommand};

use super::{exit::Failure, output::Output, target::Target};

pub use reader::serve;
pub(super) use stored::field;

/// Documents: a tenant's, which can be searched, and what can be read of a file. To an operator they show how they stand, not
/// what they hold.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    #[command(flatten)]
    target: Target,
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
    #[command(flatten)]
    Stored(stored::Action),
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
        Action::Stored(action) => stored::run(&args.target, action, out).await,
    }
}
