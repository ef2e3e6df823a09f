//! Kills a server at random moments under load and compares its ledger with the provider's log. See `cargo xtask chaos`.

use anyhow::Result;
use clap::Parser;
use insula_tests::chaos::{self, Options};

#[derive(Parser)]
#[command(name = "chaos")]
struct Args {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> Result<()> {
    chaos::run(&Args::parse().options).await
}
