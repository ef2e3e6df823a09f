//! Which server a data command speaks to.
//!
//! Flags win over the environment: `--url`, then `--data-dir`, then `INSULA_URL`, then `INSULA_DATA_DIR`, then `./data`.
//! For a data directory that a server holds, `server.json` in it says where the server listens and with which local
//! credential; a directory that nobody holds is opened in this process, and the same call is made there. Where nodes share
//! their storage, this process is a node of its own for that moment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use http::{HeaderMap, Method};

use super::{
    client::Client,
    exit::{Code, Failure},
    settings::Settings,
};
use crate::{
    config::Config,
    node::{Node, World},
    server_file::{self, ServerFile},
    wire::Prices,
};

/// How long a server that holds the directory may take to say where it listens.
const STARTING_MAX: Duration = Duration::from_secs(5);

/// Where to find the server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server")]
pub struct Target {
    /// The server's address, such as http://127.0.0.1:8420 [env: INSULA_URL].
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The key to present to --url; a tenant's admin key works for its own tenant [env: INSULA_OPERATOR_KEY].
    #[arg(long, global = true, value_name = "KEY", hide_env_values = true)]
    pub operator_key: Option<String>,
    /// The server's data directory instead of --url, whether the server runs or not [env: INSULA_DATA_DIR] [default: data].
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "url")]
    pub data_dir: Option<PathBuf>,
    /// Whether a directory without data is made into one with.
    #[arg(skip)]
    may_make: bool,
}

/// Where a target leads.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Url(String),
    DataDir(PathBuf),
}

impl Target {
    /// The same, where `may_make` says whether a directory without data is made into one with.
    pub fn or_new(mut self, may_make: bool) -> Self {
        self.may_make = may_make;
        self
    }

    /// A client for the server that this names.
    pub async fn connect(&self) -> Result<Client, Failure> {
        match self.place(|name| std::env::var(name).ok()) {
            Place::Url(url) => {
                let key = self.operator_key.clone().or_else(|| std::env::var("INSULA_OPERATOR_KEY").ok());
                let missing = || Failure::new(Code::NotAuthorised, "no key: pass --operator-key or set INSULA_OPERATOR_KEY");
                Client::network(&url, Some(key.ok_or_else(missing)?))
            }
            Place::DataDir(dir) => {
                if self.operator_key.is_some() {
                    return Err(Failure::usage("--operator-key goes with --url or INSULA_URL; a data directory needs no key"));
                }
                let config = config(&dir)?;
                // A server that runs here may have been told of shared storage where this command was not.
                let has_data = config.storage.is_shared() || dir.join("control.db").exists() || server_file::is_held(&dir);
                if !self.may_make && !has_data {
                    let advice = "start `insula dev` or `insula serve` first, or name another with --data-dir";
                    return Err(Failure::failed(format!("{} holds no data; {advice}", dir.display())));
                }
                reach(&dir, &config).await
            }
        }
    }

    fn place(&self, env: impl Fn(&str) -> Option<String>) -> Place {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        if let Some(url) = &self.url {
            return Place::Url(url.clone());
        }
        if let Some(dir) = &self.data_dir {
            return Place::DataDir(dir.clone());
        }
        if let Some(url) = set("INSULA_URL") {
            return Place::Url(url);
        }
        Place::DataDir(set("INSULA_DATA_DIR").map_or_else(|| PathBuf::from("data"), PathBuf::from))
    }
}

/// A client for whoever holds this data directory: a server, or else this process.
pub async fn at_data_dir(dir: &Path) -> Result<Client, Failure> {
    reach(dir, &config(dir)?).await
}

async fn reach(dir: &Path, config: &Config) -> Result<Client, Failure> {
    let deadline = tokio::time::Instant::now() + STARTING_MAX;
    loop {
        match open(dir, config).await {
            Ok(node) => {
                let key = node.local_key().to_owned();
                return Ok(Client::in_process(node, key));
            }
            Err(error) if !is_conflict(&error) => return Err(error.into()),
            Err(error) if tokio::time::Instant::now() > deadline => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(client) = running(dir).await {
            return Ok(client);
        }
        // A server that has just started, or has just ended: one of the two is about to be true.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A node in this process. Shared storage could be opened beside a server, but the server that runs here is the shorter way.
async fn open(dir: &Path, config: &Config) -> anyhow::Result<Node> {
    if config.storage.is_shared() && server_file::is_held(dir) {
        return Err(server_file::in_use(dir).into());
    }
    Node::open(config, Prices::Listed, World::default()).await
}

/// The server that holds the directory, once it answers.
async fn running(dir: &Path) -> Option<Client> {
    let file = ServerFile::read(dir)?;
    let client = Client::network(&file.url, Some(file.operator_key)).ok()?;
    let answer = client.call(Method::GET, "/livez", HeaderMap::new(), None).await;
    answer.is_ok_and(|reply| reply.status.is_success()).then_some(client)
}

/// The configuration as a server of this directory would have it, but for providers: nothing is sent from here, so a
/// missing key of theirs is no obstacle.
fn config(dir: &Path) -> Result<Config, Failure> {
    let settings = Settings { data_dir: Some(dir.to_owned()), ..Settings::default() };
    let mut config = settings.load()?.config;
    config.providers.clear();
    Ok(config)
}

fn is_conflict(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<insula_model::Error>().map(insula_model::Error::kind);
    kind == Some(&insula_model::ErrorKind::Conflict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        let env = |name: &str| match name {
            "INSULA_URL" => Some("http://env".to_owned()),
            "INSULA_DATA_DIR" => Some("env-dir".to_owned()),
            _ => None,
        };
        let target = |url: Option<&str>, dir: Option<&str>| Target {
            url: url.map(str::to_owned),
            data_dir: dir.map(PathBuf::from),
            operator_key: None,
            may_make: false,
        };
        assert_eq!(target(Some("http://flag"), None).place(env), Place::Url("http://flag".into()));
        assert_eq!(target(None, Some("flag-dir")).place(env), Place::DataDir("flag-dir".into()));
        assert_eq!(target(None, None).place(env), Place::Url("http://env".into()));
        assert_eq!(target(None, None).place(|_| None), Place::DataDir("data".into()));
    }
}
