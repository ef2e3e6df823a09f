//! `DIR/server.json`: how a command beside a running server finds it.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use insula_model::{Error, ErrorKind};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::private_file;

/// How long whoever only looks may have the lock, and how often that is waited for.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS_MAX: u32 = 10;

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

/// A data directory that one server has, until this is dropped or its process ends. Embedded storage sees to that by itself, with
/// the same file; with shared storage nothing else keeps two servers from writing one `server.json`.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock lasts as long as the open file")] File);

impl Held {
    /// Takes it. `Conflict` while another process has it.
    pub async fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let unusable = || format!("cannot use {}", data_dir.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(data_dir.join("lock"));
        let file = file.with_context(unusable)?;
        for _ in 0..LOOKS_MAX {
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(Self(file));
            }
            // A command that looks whether somebody is here has the lock for a moment.
            tokio::time::sleep(LOOK).await;
        }
        Err(in_use(data_dir).into())
    }
}

/// Whether a process has the data directory. Changes nothing in it.
pub fn is_held(data_dir: &Path) -> bool {
    let Ok(file) = File::open(data_dir.join("lock")) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Why a data directory cannot be taken.
pub fn in_use(data_dir: &Path) -> Error {
    Error::new(ErrorKind::Conflict, format!("the data directory {} is in use by another process", data_dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_is_held_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_held(dir.path()), "nobody ever was here");
        let held = Held::take(dir.path()).await.unwrap();
        assert!(is_held(dir.path()));
        let refused = Held::take(dir.path()).await.unwrap_err();
        assert_eq!(refused.downcast_ref::<Error>().unwrap().kind(), &ErrorKind::Conflict);
        drop(held);
        assert!(!is_held(dir.path()));
        Held::take(dir.path()).await.unwrap();
    }
}
