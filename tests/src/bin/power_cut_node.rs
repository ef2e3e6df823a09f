//! A node whose journal forgets what was not synced when it is killed, as a disk forgets when the power goes.
//!
//! It is the real node with another [`Disk`]: what is written stays in this process's memory until `sync_data`, names stay
//! there until `sync_dir`, and some of it gets through early, out of order or by half, because a kernel writes back when
//! it likes. `SIGKILL` then is a power cut. Arguments: `serve --config FILE`; `POWER_CUT_SEED` decides what gets through.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use insula::config::{Loaded, Sources};
use insula::node::{Node, World};
use insula::wire::Prices;
use insula_store::{Disk, DiskFile, RealDisk};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The share of writes that reach the disk without a sync, and of those that do so only by half.
const EARLY_SHARE: f64 = 0.2;
const HALF_SHARE: f64 = 0.3;

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args().skip_while(|word| word != "--config").nth(1).context("usage: serve --config FILE")?;
    let seed = std::env::var("POWER_CUT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    insula::wire::install_tls();
    let loaded = Loaded::from(&Sources { file: Some(file.into()), ..Sources::default() })?;
    let config = &loaded.config;
    let world = World { disk: Arc::new(ForgetfulDisk::new(&config.storage.data_dir, seed)?), ..World::default() };
    let serving = Node::open(config, Prices::Listed, world).await?.listen(config.server.listen).await?;
    println!("Ready  {}", serving.url());
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    stop.recv().await;
    serving.stop().await
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A disk that keeps its word about syncs, and no other.
struct ForgetfulDisk {
    names: Mutex<Names>,
    random: Arc<Mutex<SmallRng>>,
    /// Where files lie whose names are not durable yet.
    nursery: PathBuf,
    born: AtomicU64,
}

/// Names as this process sees them, where that differs from the disk.
#[derive(Default)]
struct Names {
    /// Files that were opened or made: what they are called now.
    files: HashMap<PathBuf, Arc<ForgetfulFile>>,
    /// Names that are gone, but not durably.
    gone: BTreeSet<PathBuf>,
    /// What `sync_dir` has to do, in order.
    changes: Vec<Change>,
}

enum Change {
    Make { from: PathBuf, to: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
}

impl ForgetfulDisk {
    fn new(data_dir: &Path, seed: u64) -> io::Result<Self> {
        let nursery = data_dir.with_extension("nursery");
        std::fs::create_dir_all(&nursery)?;
        let random = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed ^ u64::from(std::process::id()))));
        Ok(Self { names: Mutex::default(), random, nursery, born: AtomicU64::new(0) })
    }
}

impl Disk for ForgetfulDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let number = self.born.fetch_add(1, Ordering::Relaxed);
        let cradle = self.nursery.join(format!("{}-{number}", std::process::id()));
        let file = Arc::new(ForgetfulFile::new(RealDisk.create(&cradle, bytes)?, &self.random));
        let mut names = lock(&self.names);
        names.gone.remove(path);
        names.files.insert(path.to_owned(), Arc::clone(&file));
        names.changes.push(Change::Make { from: cradle, to: path.to_owned() });
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = lock(&self.names);
        if names.gone.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(file) = names.files.get(path) {
            return Ok(Arc::clone(file) as Arc<dyn DiskFile>);
        }
        let file = Arc::new(ForgetfulFile::new(RealDisk.open(path)?, &self.random));
        names.files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = lock(&self.names);
        match names.files.remove(from) {
            Some(file) => drop(names.files.insert(to.to_owned(), file)),
            None => {
                let file = Arc::new(ForgetfulFile::new(RealDisk.open(from)?, &self.random));
                names.files.insert(to.to_owned(), file);
            }
        }
        names.gone.insert(from.to_owned());
        names.gone.remove(to);
        names.changes.push(Change::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut names = lock(&self.names);
        names.files.remove(path);
        names.gone.insert(path.to_owned());
        names.changes.push(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = lock(&self.names);
        let mut found: BTreeSet<String> = RealDisk.list(dir)?.into_iter().collect();
        for path in &names.gone {
            if let Some(name) = name_in(dir, path) {
                found.remove(&name);
            }
        }
        found.extend(names.files.keys().filter_map(|path| name_in(dir, path)));
        Ok(found.into_iter().collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut names = lock(&self.names);
        for change in std::mem::take(&mut names.changes) {
            match change {
                Change::Make { from, to } | Change::Rename { from, to } => RealDisk.rename(&from, &to)?,
                Change::Remove(path) => RealDisk.remove(&path)?,
            }
        }
        names.gone.clear();
        RealDisk.sync_dir(dir)
    }
}

fn name_in(dir: &Path, path: &Path) -> Option<String> {
    (path.parent() == Some(dir)).then(|| path.file_name().map(|name| name.to_string_lossy().into_owned()))?
}

/// A file whose writes stay in memory until they are synced, but for those that slip through.
struct ForgetfulFile {
    disk: Arc<dyn DiskFile>,
    /// Unsynced writes in the order in which they came.
    waiting: Mutex<BTreeMap<u64, (u64, Vec<u8>)>>,
    came: AtomicU64,
    random: Arc<Mutex<SmallRng>>,
}

impl ForgetfulFile {
    fn new(disk: Arc<dyn DiskFile>, random: &Arc<Mutex<SmallRng>>) -> Self {
        Self { disk, waiting: Mutex::default(), came: AtomicU64::new(0), random: Arc::clone(random) }
    }
}

impl DiskFile for ForgetfulFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        waiting.insert(self.came.fetch_add(1, Ordering::Relaxed), (offset, buf.to_vec()));
        let mut random = lock(&self.random);
        if random.random_bool(EARLY_SHARE) {
            let through = if random.random_bool(HALF_SHARE) { buf.len() / 2 } else { buf.len() };
            self.disk.write_at(&buf[..through], offset)?;
        }
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let waiting = lock(&self.waiting);
        self.disk.read_at(buf, offset)?;
        let end = offset + buf.len() as u64;
        for (start, bytes) in waiting.values() {
            let (from, to) = ((*start).max(offset), (start + bytes.len() as u64).min(end));
            if from < to {
                let source = &bytes[(from - start) as usize..(to - start) as usize];
                buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // Held throughout, so that a later write cannot be overtaken by an earlier one of the same place. The page cache
        // outlives this process, so a real sync would only cost time.
        let mut waiting = lock(&self.waiting);
        for (offset, bytes) in waiting.values() {
            self.disk.write_at(bytes, *offset)?;
        }
        waiting.clear();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.disk.size()
    }
}
