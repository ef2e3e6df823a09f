//! A disk in memory that can lose power, be full, and be copied as a crash would leave it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// What is lost or kept as one by a loss of power; small, so that records are torn often.
pub(crate) const PAGE_BYTES: usize = 512;

#[derive(Clone)]
pub(crate) struct TestDisk(Arc<State>);

struct State {
    names: Mutex<Names>,
    /// No file is created that would bring the disk above this.
    bytes_max: AtomicU64,
    fail_syncs: AtomicBool,
    creates: AtomicU64,
}

#[derive(Default)]
struct Names {
    current: BTreeMap<PathBuf, Arc<MemFile>>,
    durable: BTreeMap<PathBuf, Arc<MemFile>>,
}

struct MemFile {
    disk: std::sync::Weak<State>,
    contents: Mutex<Contents>,
}

struct Contents {
    current: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl TestDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            names: Mutex::default(),
            bytes_max: AtomicU64::new(u64::MAX),
            fail_syncs: AtomicBool::new(false),
            creates: AtomicU64::new(0),
        }))
    }

    /// From now on the disk holds at most what it holds and `more` bytes.
    pub(crate) fn fill_up_to(&self, more: u64) {
        self.0.bytes_max.store(self.used() + more, SeqCst);
    }

    pub(crate) fn make_room(&self) {
        self.0.bytes_max.store(u64::MAX, SeqCst);
    }

    pub(crate) fn fail_syncs(&self) {
        self.0.fail_syncs.store(true, SeqCst);
    }

    /// How many files were created, not counting recycled ones.
    pub(crate) fn creates(&self) -> u64 {
        self.0.creates.load(SeqCst)
    }

    fn used(&self) -> u64 {
        self.0.names.lock().current.values().map(|f| f.contents.lock().current.len() as u64).sum()
    }

    /// The disk as it is found after the process was killed. What still runs goes on writing to the old one, in vain.
    pub(crate) fn after_kill(&self) -> Self {
        self.copy(|_| true, |names| &names.current)
    }

    /// The disk as it is found after power was lost: of what was not synced, those pages for which `keep` says so.
    pub(crate) fn after_power_loss(&self, keep: impl FnMut(usize) -> bool) -> Self {
        self.copy(keep, |names| &names.durable)
    }

    fn copy(&self, mut keep: impl FnMut(usize) -> bool, names: impl Fn(&Names) -> &BTreeMap<PathBuf, Arc<MemFile>>) -> Self {
        let disk = Self::new();
        disk.0.bytes_max.store(self.0.bytes_max.load(SeqCst), SeqCst);
        for (path, file) in names(&self.0.names.lock()) {
            let contents = file.contents.lock();
            let mut bytes = contents.durable.clone();
            for &page in &contents.dirty {
                if keep(page) {
                    copy_page(&contents.current, &mut bytes, page);
                }
            }
            let copy = disk.file(bytes);
            let mut names = disk.0.names.lock();
            names.current.insert(path.clone(), copy.clone());
            names.durable.insert(path.clone(), copy);
        }
        disk
    }

    fn file(&self, bytes: Vec<u8>) -> Arc<MemFile> {
        let contents = Contents { current: bytes.clone(), durable: bytes, dirty: BTreeSet::new() };
        Arc::new(MemFile { disk: Arc::downgrade(&self.0), contents: Mutex::new(contents) })
    }

    /// Changes a file's bytes in place, as damage would.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut [u8])) {
        let file = self.0.names.lock().current[path].clone();
        let mut contents = file.contents.lock();
        change(&mut contents.current);
        contents.durable = contents.current.clone();
    }

    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        self.0.names.lock().current[path].contents.lock().current.clone()
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.0.names.lock().current.keys().cloned().collect()
    }
}

fn copy_page(from: &[u8], to: &mut [u8], page: usize) {
    let range = page * PAGE_BYTES..((page + 1) * PAGE_BYTES).min(from.len());
    to[range.clone()].copy_from_slice(&from[range]);
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Disk for TestDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        if self.used() + bytes > self.0.bytes_max.load(SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.creates.fetch_add(1, SeqCst);
        let file = self.file(vec![0; bytes as usize]);
        self.0.names.lock().current.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.0.names.lock().current.get(path).ok_or_else(missing)?.clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.0.names.lock();
        let file = names.current.remove(from).ok_or_else(missing)?;
        names.current.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.names.lock().current.remove(path).map(drop).ok_or_else(missing)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = self.0.names.lock();
        let inside = names.current.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut names = self.0.names.lock();
        names.durable = names.current.clone();
        Ok(())
    }
}

impl DiskFile for MemFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut contents = self.contents.lock();
        let offset = offset as usize;
        contents.current[offset..offset + buf.len()].copy_from_slice(buf);
        contents.dirty.extend(offset / PAGE_BYTES..=(offset + buf.len() - 1) / PAGE_BYTES);
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let contents = self.contents.lock();
        let end = offset as usize + buf.len();
        let bytes = contents.current.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.upgrade().is_some_and(|disk| disk.fail_syncs.load(SeqCst)) {
            return Err(io::Error::other("the disk does not answer"));
        }
        let mut contents = self.contents.lock();
        let Contents { current, durable, dirty } = &mut *contents;
        for page in std::mem::take(dirty) {
            copy_page(current, durable, page);
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.contents.lock().current.len() as u64)
    }
}
