//! What is written to stderr while something runs. Ids and numbers, never content or secrets.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Format, Log};

/// Logs as the configuration says, from now until the process ends.
///
/// # Errors
/// When the level is no filter. A second call changes nothing.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let filter = filter(&log.level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Someone else's subscriber, such as a test's, stays.
    let _ = match log.format {
        Format::Human => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        Format::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
    Ok(())
}

/// Logs warnings and errors only: for commands that end by themselves.
pub fn init_quiet() {
    let filter = EnvFilter::new("warn");
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}

/// Reads `info`, or `info,insula_store=debug`.
pub fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder().parse(level).context("write a level such as `info`, or a filter such as `info,insula_store=debug`")
}
