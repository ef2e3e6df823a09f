//! `insula config`.

use clap::{Args, Subcommand};

use super::{
    exit::Failure,
    output::{Output, table},
    settings::Settings,
};
use crate::config::{reference, show};

/// The configuration: what holds, and what there is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows every key with its value.
    Show {
        /// Also where each value comes from: default, file, environment or flag.
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Prints the reference of all keys as Markdown.
    Reference,
}

/// Runs it.
pub fn run(args: ConfigArgs, out: Output) -> Result<(), Failure> {
    match args.action {
        Action::Show { settings, origin } => {
            let rows = show::rows(&settings.load()?);
            if out.is_json() {
                return out.line(&serde_json::json!({ "data": rows }).to_string());
            }
            let cells = rows.into_iter().map(|row| {
                let mut cells = vec![row.key, row.value.unwrap_or_else(|| "none".to_owned())];
                cells.extend(origin.then_some(row.origin));
                cells
            });
            let heading: &[&str] = if origin { &["key", "value", "origin"] } else { &["key", "value"] };
            out.line(&table(heading, cells))
        }
        Action::Reference => out.line(reference::markdown().trim_end()),
    }
}
