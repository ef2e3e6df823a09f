//! `DIR/server.json`: how a command beside a running server finds it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::private_file;

/// Where the server that holds a data directory listens, and a credential that lives as long as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    /// Its address.
    pub url: String,
    /// An operator key that this very process knows and nothing stores.
    pub operator_key: String,
}

impl ServerFile {
    /// Reads it; `None` where there is none that can be read.
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(data_dir)).ok()?).ok()
    }

    /// Writes it for the owner only.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("cannot write server.json")?;
        private_file::replace(&path(data_dir), &text)
    }

    /// Removes it, when the server stops.
    pub fn remove(data_dir: &Path) {
        // A file that stays behind is harmless: its credential dies with the process.
        let _ = std::fs::remove_file(path(data_dir));
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("server.json")
}
