//! A node opens a data directory of its own.

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Error, Random, Result, Timestamp};
use rustix::process::{Resource, getrlimit};

use super::{
    Inner, Journal, Kept, Store, erase, provision,
    tidy::{Tidying, Unfinished},
};
use crate::{
    Control, Disk, StoreOptions, fold,
    lock::DataDir,
    query::waiting,
    tenants::{Bounds, Homes, TenantFiles},
    vault::KeyStore,
    vectors::Vectors,
};

/// How far ahead of the machine's clock stored time may lie.
const STORED_TIME_AHEAD_MAX: Duration = Duration::from_secs(60 * 60);

/// An open tenant file takes two descriptors: the file and its write-ahead log.
const DESCRIPTORS_PER_FILE: u64 = 2;

impl Store {
    /// Opens the store in its data directory, making what is absent, and finishes what the last process left undone:
    /// erasures, tenants half made, attempts and traces that stand only in the journal.
    ///
    /// `Conflict` while another process has the directory; `Invalid`, with what to do, on a network file system, with another
    /// root key than before, or when stored time lies more than an hour ahead of the clock; `Unavailable` where a newer
    /// version wrote the data. The clock never shows less than stored time afterwards.
    pub async fn open(
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: Arc<dyn Disk>,
    ) -> Result<Store> {
        // First of all: nothing below is touched while another process works on it.
        let StoreOptions { data_dir, root_key, segment_bytes, .. } = options;
        let StoreOptions { tenants_open_max, tenant_cache_bytes_max, index_bytes_max, .. } = options;
        let engine = options.vectors.engine(None, index_bytes_max).await?;
        let data_dir = Arc::new(waiting(move || DataDir::take(&data_dir)).await?);
        let layout = data_dir.layout().clone();

        let keys = KeyStore::open(layout.keys(), &root_key).await?;
        let control = Control::open(layout.control()).await?;
        raise_clock(&*clock, control.latest_time().await?)?;

        let bounds = Bounds { files_max: files_max(tenants_open_max), bytes_max: tenant_cache_bytes_max };
        let files = Arc::new(waiting(move || TenantFiles::new(layout.tenants(), bounds)).await?);
        let homes = Homes::Files(files.clone());
        let vectors = Arc::new(Vectors::new(engine, index_bytes_max));
        // Before anything is served or folded: a restored backup may hold tenants that were erased since.
        erase::replay(&control, &keys, &homes, &vectors, clock.now(), Timestamp::from_micros(i64::MAX)).await?;
        // No other process makes tenants in this directory.
        provision::finish_all(&control, &keys, &homes, &*random, Timestamp::from_micros(i64::MAX)).await?;

        let parts = fold::Parts {
            data_dir: data_dir.clone(),
            segment_bytes,
            control: control.clone(),
            tenants: files.clone(),
            clock: clock.clone(),
            random: random.clone(),
            disk,
        };
        let (journal, fold) = fold::start(parts).await?;
        let journal = Journal::from(journal);
        let keys = Arc::new(keys);
        let tidying = Tidying::start(Unfinished {
            control: control.clone(),
            keys: keys.clone(),
            homes: homes.clone(),
            vectors: vectors.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let kept = Kept::Alone { files, fold, tidying, data_dir };
        let inner = Inner { control, keys, homes, vectors, journal, root_key, clock, random, kept };
        Ok(Store(Arc::new(inner)))
    }
}

/// Lets the clock show at least `stored`; an error when that lies so far ahead that the clock must be wrong: windows and
/// expiries would be off by as much.
pub(crate) fn raise_clock(clock: &dyn Clock, stored: Timestamp) -> Result<()> {
    let now = clock.now();
    if stored > now.plus(STORED_TIME_AHEAD_MAX) {
        return Err(Error::invalid(format!(
            "the stored data reaches to {stored}, but this machine's clock shows {now}: set the clock, or wait until then"
        )));
    }
    clock.raise_to(stored);
    Ok(())
}

/// How many tenants' files may be open: as many as wanted, but no more descriptors than a third of what this process may have.
fn files_max(wanted: usize) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = descriptors / 3 / DESCRIPTORS_PER_FILE;
    wanted.min(usize::try_from(files).unwrap_or(usize::MAX)).max(1)
}
