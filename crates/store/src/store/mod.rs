//! The store: all that this node keeps, opened and closed as one.

mod erase;
mod journal;
mod provision;

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Error, Random, Result, Tenant, TenantScope, Timestamp};
use rustix::process::{Resource, getrlimit};

pub use self::{
    erase::ErasureReceipt,
    journal::{Admission, Journal},
};
use crate::{
    Control, Disk, Durability, RootKey, StoreOptions, TenantSeals, TenantStore,
    fold::{self, Fold},
    lock::DataDir,
    query::waiting,
    tenants::{Bounds, Homes, TenantFiles},
    vault::KeyStore,
};

/// How far ahead of the machine's clock stored time may lie.
const STORED_TIME_AHEAD_MAX: Duration = Duration::from_secs(60 * 60);

/// An open tenant file takes two descriptors: the file and its write-ahead log.
const DESCRIPTORS_PER_FILE: u64 = 2;

/// All that this node keeps. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    control: Control,
    keys: KeyStore,
    homes: Homes,
    files: Arc<TenantFiles>,
    journal: Journal,
    fold: Fold,
    durability: Durability,
    root_key: RootKey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Last, so that the directory is given back after everything in it is closed.
    data_dir: Arc<DataDir>,
}

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
        let StoreOptions { data_dir, root_key, tenants_open_max, tenant_cache_bytes_max, durability, segment_bytes } = options;
        let data_dir = Arc::new(waiting(move || DataDir::take(&data_dir)).await?);
        let layout = data_dir.layout().clone();

        let keys = KeyStore::open(layout.keys(), &root_key).await?;
        let control = Control::open(layout.control()).await?;
        raise_clock(&*clock, control.latest_time().await?)?;

        let bounds = Bounds { files_max: files_max(tenants_open_max), bytes_max: tenant_cache_bytes_max };
        let files = Arc::new(waiting(move || TenantFiles::new(layout.tenants(), bounds)).await?);
        let homes = Homes::Files(files.clone());
        // Before anything is served or folded: a restored backup may hold tenants that were erased since.
        erase::replay(&control, &keys, &homes, clock.now()).await?;
        provision::finish_all(&control, &keys, &homes, &*random).await?;

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
        let inner = Inner { control, keys, homes, files, journal, fold, durability, root_key, clock, random, data_dir };
        Ok(Store(Arc::new(inner)))
    }

    /// Who exists, what they may spend, what they spent.
    pub fn control(&self) -> &Control {
        &self.0.control
    }

    /// Where attempts and traces are noted before anybody else learns of them.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// What is waited for before a provider is called: the journal leaves that to the caller.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// One tenant's own data: the only way in. Opens its file where it is not open, which takes about a millisecond.
    /// `NotFound` once erased, `Unavailable` where a newer version wrote the file or too many tenants are in use.
    pub async fn tenant(&self, scope: &TenantScope) -> Result<TenantStore> {
        let tenant = scope.tenant();
        // Whoever has no key does not exist, whatever lies on the disk.
        self.0.keys.seals(tenant).await?;
        let home = self.0.homes.open(tenant).await?;
        Ok(TenantStore { tenant, home, fold: self.0.fold.clone(), clock: self.0.clock.clone() })
    }

    /// What seals and opens one tenant's content, without opening its file. `NotFound` once erased.
    pub async fn seals(&self, scope: &TenantScope) -> Result<Arc<TenantSeals>> {
        self.0.keys.seals(scope.tenant()).await
    }

    /// Makes a tenant: its record, its key, its file. On return it survives a power cut. `Conflict` where its slug or external
    /// id is taken. What is interrupted is finished or taken back, at the latest by the next start.
    pub async fn create_tenant(&self, tenant: &Tenant) -> Result<()> {
        let (store, tenant) = (self.0.clone(), tenant.clone());
        detached(async move { provision::create(&store.control, &store.keys, &store.homes, &*store.random, &tenant).await })
            .await
    }

    /// Erases a tenant for good: takes it out of service, closes its file, destroys its key, drops its data and every record of
    /// it but ledger rows and accounts. Once it began it cannot be stopped; what is interrupted goes on with the next call or
    /// the next start. Asked again, it answers the first receipt. `NotFound` where there never was such a tenant.
    pub async fn erase_tenant(&self, scope: &TenantScope, now: Timestamp) -> Result<ErasureReceipt> {
        let (store, tenant) = (self.0.clone(), scope.tenant());
        detached(async move { erase::erase(&store.control, &store.keys, &store.homes, tenant, now).await }).await
    }

    /// A secret of the platform for one purpose, the same in every run: for hashing keys, signing tokens and the like.
    pub fn platform_secret(&self, purpose: &str) -> [u8; 32] {
        self.0.root_key.platform_secret(purpose)
    }

    /// Returns once everything that was settled so far is in the ledger: what reads of usage and spending need. A matter of
    /// milliseconds.
    pub async fn flush_ledger(&self) -> Result<()> {
        self.0.fold.flush_ledger().await
    }

    /// Returns once everything written so far is in the ledger and in the tenants' files. With thousands of tenants that are
    /// busy it takes seconds: one commit each.
    pub async fn flush(&self) -> Result<()> {
        self.0.fold.flush().await
    }

    /// Folds what is left, stops the threads, closes all files. Later calls are refused. The data directory is given back when
    /// the last clone is gone.
    pub async fn close(&self) -> Result<()> {
        let inner = &self.0;
        // Everything is closed, also where something before it failed; the first failure is told.
        let folded = inner.fold.stop().await;
        let tenants = inner.files.close().await;
        let control = inner.control.close().await;
        let keys = inner.keys.close().await;
        folded.and(tenants).and(control).and(keys)
    }
}

#[cfg(test)]
impl Store {
    /// The first `steps` of an erasure.
    pub(crate) async fn erase_halfway(&self, scope: &TenantScope, now: Timestamp, steps: usize) -> Result<()> {
        erase::halfway(&self.0.control, &self.0.keys, &self.0.homes, scope.tenant(), now, steps).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("data_dir", &self.0.data_dir).finish_non_exhaustive()
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

/// Runs work to its end even if the caller's future is dropped.
async fn detached<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(Error::internal)?
}
