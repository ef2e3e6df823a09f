//! `insula plan`.

use clap::Args;

use super::{
    defaults::{self, Action},
    exit::Failure,
    output::Output,
    target::Target,
    with_client,
};

/// Plans: limits, budgets and models that tenants inherit, and what they are charged.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PlanArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

const AFTER_HELP: &str = r#"A plan in JSON, all of it optional:
  {"limits": {"requests_per_minute": 60, "concurrency": 4},
   "budgets": [{"window": "month", "limit_usd": "20.00", "alert_at": [0.8]}],
   "models": ["gpt-4o-mini"],
   "prices": [{"model": "*", "input_usd_per_million": "2.00", "output_usd_per_million": "8.00"}]}
A price holds from `effective_from` on, where that is absent from the first day of this month. What it said before that day stays.
Give it to a tenant with `insula tenant update <tenant> --plan <name>`."#;

/// Runs it.
pub async fn run(args: PlanArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| defaults::act(client, "plans", args.action, out).await).await
}
