//! `insula serve`.

use clap::Args;

use super::{exit::Failure, output::Output, settings::Settings, signals::Signals};
use crate::{
    config::Config,
    logging,
    node::{Node, Serving, World},
    wire::Prices,
};

/// Runs the server with the configuration that flags, environment and file give.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Runs it until it is asked to stop.
pub async fn run(args: ServeArgs, out: Output) -> Result<(), Failure> {
    let config = args.settings.load()?.config;
    logging::init(&config.log)?;
    let signals = Signals::listen()?;
    let serving = start(&config).await?;
    out.line(&format!("Ready  {}", serving.url()))?;
    let dir = config.storage.data_dir.display();
    if serving.engine().directory.operator_keys().await.map_err(anyhow::Error::new)?.is_empty() {
        out.line(&format!("Next:  insula operator create NAME --data-dir {dir}   (prints the first operator key)"))?;
    } else {
        out.line(&format!("Next:  insula tenant list --data-dir {dir}"))?;
    }
    until_signal(serving, signals, out).await
}

/// Opens the node, listens, and tells commands beside it where.
pub async fn start(config: &Config) -> anyhow::Result<Serving> {
    let node = Node::open(config, Prices::Listed, World::default()).await?;
    node.listen(config.server.listen).await
}

/// Serves until the first signal, then drains.
pub async fn until_signal(serving: Serving, mut signals: Signals, out: Output) -> Result<(), Failure> {
    signals.first().await;
    out.note("stopping: requests under way may end; a second signal ends at once");
    signals.end_at_the_next();
    Ok(serving.stop().await?)
}
