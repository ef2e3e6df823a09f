//! The disk as the journal sees it: a seam at which a test can lose power.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// How much is written at once when a new file is filled with zeros. A page: what is filled in large pieces is kept in
/// large pieces in memory, and every small record written later would walk all blocks of its piece.
const FILL_BYTES: usize = 1 << 12;

/// Where the journal keeps its files.
pub trait Disk: Send + Sync + 'static {
    /// Makes a file of exactly `bytes` zeros whose room is really taken, replacing what has that name. A full disk is an
    /// error here and never later, when one of these bytes is overwritten. Durable after the file's `sync_data` and the
    /// folder's `sync_dir`.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists for reading and overwriting.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, atomically. Handles that are open go on to mean the same file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes every change of names in `dir` so far survive a loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file of fixed length, read and overwritten in place by any number of threads.
pub trait DiskFile: Send + Sync + 'static {
    /// Overwrites `buf.len()` bytes at `offset`. They survive the end of the process once this returns, and a loss of
    /// power once a later `sync_data` returned.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `buf` from `offset`; an error if the file ends before.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes what was written before the call survive a loss of power.
    fn sync_data(&self) -> io::Result<()>;

    /// How long the file is, in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // Asking for the room first fails at once on a full disk, before anything is filled; a file system that cannot
        // do it takes the room while it is filled.
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        // Room that was only reserved costs a commit of the file system's own journal at each first write: written
        // zeros make a later fdatasync several times cheaper.
        let zeros = vec![0; FILL_BYTES];
        let mut filled = 0;
        while filled < bytes {
            let some = usize::try_from(bytes - filled).unwrap_or(FILL_BYTES).min(FILL_BYTES);
            file.write_all_at(&zeros[..some], filled)?;
            filled += some as u64;
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
