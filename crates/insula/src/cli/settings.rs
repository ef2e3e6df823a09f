//! The flags of commands that read the configuration.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;

use super::exit::Failure;
use crate::config::{Flag, Loaded, Sources};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "insula.toml";

/// Where the configuration comes from, beside the environment.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Settings {
    /// The configuration file [env: INSULA_CONFIG] [default: insula.toml, where it exists].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory [env: INSULA_DATA_DIR] [default: data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address and port that the server listens on [env: INSULA_LISTEN] [default: 127.0.0.1:8420].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

impl Settings {
    /// Everything together; a failure says all that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.load_from(self.config.clone().or_else(default_file))
    }

    /// The same, from this file or from none.
    pub fn load_from(&self, file: Option<PathBuf>) -> Result<Loaded, Failure> {
        let mut flags = Vec::new();
        if let Some(dir) = &self.data_dir {
            let value = dir.to_str().ok_or_else(|| Failure::usage("the data directory's name is not UTF-8"))?;
            flags.push(Flag { flag: "--data-dir", key: "storage.data_dir", value: value.to_owned() });
        }
        if let Some(listen) = self.listen {
            flags.push(Flag { flag: "--listen", key: "server.listen", value: listen.to_string() });
        }
        // A variable that is not text is none of ours.
        let env = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let env = env.filter(|(_, value)| !value.is_empty()).collect();
        Loaded::from(&Sources { file, env, flags }).map_err(|problems| Failure::failed(problems.to_string()))
    }
}

/// The file that the environment names, or the one in the current directory.
fn default_file() -> Option<PathBuf> {
    match std::env::var_os("INSULA_CONFIG").filter(|name| !name.is_empty()) {
        Some(named) => Some(named.into()),
        None => Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists()).map(Path::to_path_buf),
    }
}
