//! `insula segment`.

use clap::Args;

use super::{
    defaults::{self, Action},
    exit::Failure,
    output::Output,
    target::Target,
    with_client,
};

/// Segments: groups of tenants; their limits, budgets and models come before those of plans.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SegmentArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

const AFTER_HELP: &str = r#"A segment in JSON, all of it optional:
  {"limits": {"weight": 4}, "budgets": [{"window": "day", "limit_usd": "5.00"}], "models": ["gpt-4o-mini"]}
Move a tenant there with `insula tenant update <tenant> --segment <name>`."#;

/// Runs it.
pub async fn run(args: SegmentArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| defaults::act(client, "segments", args.action, out).await).await
}
