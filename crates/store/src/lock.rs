//! The data directory: where it may lie, and that one process at a time has it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::ErrorKind as IoErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use insula_model::{Error, ErrorKind, Result};
use rustix::fs::{FlockOperation, flock};

/// How long a process waits for the data directory of another.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// File systems on which SQLite's locks and our syncs mean nothing, by the magic number of `statfs(2)`.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// Where everything lies in the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The control database.
    pub(crate) fn control(&self) -> PathBuf {
        self.root.join("control.db")
    }

    /// The key store.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys").join("keys.db")
    }

    /// One directory per tenant.
    pub(crate) fn tenants(&self) -> PathBuf {
        self.root.join("tenants")
    }

    /// The data directory itself, with all links resolved.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// The data directory, held by this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    layout: Layout,
    /// The operating system gives the lock back when this is closed, also when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Makes the directory and what belongs in it, where absent, and takes it. `Conflict` while another process has it,
    /// `Invalid` on a network file system.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let unusable =
            |error| Error::invalid(format!("the data directory {} cannot be used: {error}", path.display())).caused_by(error);
        make_dir(path).map_err(unusable)?;
        let root = fs::canonicalize(path).map_err(unusable)?;
        refuse_network(&root)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(root.join("lock"))
            .map_err(unusable)?;
        if !is_taken(&lock) {
            let message = format!("the data directory {} is in use by another process", path.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let layout = Layout { root };
        for dir in [layout.tenants(), layout.root.join("keys")] {
            make_dir(&dir).map_err(unusable)?;
        }
        Ok(Self { layout, _lock: lock })
    }

    /// Where everything lies.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// Locks it, waiting for a moment: of a process that was killed a child may still have it, which was just about to become another program and
/// is killed a moment later.
fn is_taken(lock: &File) -> bool {
    let begun = Instant::now();
    while flock(lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if begun.elapsed() > TAKEN_WITHIN {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    true
}

/// A directory for its owner alone; one that exists is left as it is.
pub(crate) fn make_dir(path: &Path) -> std::io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(target_os = "linux")]
fn refuse_network(root: &Path) -> Result<()> {
    let kind = rustix::fs::statfs(root).map_err(Error::internal)?.f_type as u64 & 0xffff_ffff;
    match NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
        None => Ok(()),
        Some((_, name)) => Err(Error::invalid(format!(
            "the data directory {} lies on {name}, where locks and syncs cannot be relied on; use a local disk",
            root.display()
        ))),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_root: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let held = DataDir::take(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(*DataDir::take(&path).unwrap_err().kind(), ErrorKind::Conflict);
        drop(held);
        DataDir::take(&path).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn proc_is_local_but_cannot_be_written() {
        assert_eq!(*DataDir::take(Path::new("/proc/insula")).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
