//! The store: all that this node keeps, opened and closed as one.

mod erase;
mod join;
mod journal;
mod open;
mod provision;
mod tidy;

use std::sync::Arc;

use insula_model::{Budget, Clock, Error, Random, Result, Tenant, TenantId, TenantScope, Timestamp};

pub(crate) use self::open::raise_clock;
use self::tidy::Tidying;
pub use self::{
    erase::ErasureReceipt,
    journal::{Admission, Journal},
};
use crate::{
    Control, RootKey, TenantSeals, TenantStore,
    cluster::{Cluster, register::Register, sweeper::Sweeper},
    fold::Fold,
    lock::DataDir,
    postgres::{Access, PgPool},
    tenants::{Arriving, Homes, TenantFiles},
    vault::KeyStore,
    vectors::Vectors,
};

/// All that this node keeps. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    control: Control,
    keys: Arc<KeyStore>,
    homes: Homes,
    vectors: Arc<Vectors>,
    journal: Journal,
    root_key: RootKey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    kept: Kept,
}

/// Who keeps all this.
enum Kept {
    /// This node alone, in its data directory.
    Alone {
        files: Arc<TenantFiles>,
        fold: Fold,
        /// Last, so that the directory is given back after everything in it is closed.
        data_dir: Arc<DataDir>,
    },
    /// A database that several nodes share.
    Together { pool: PgPool, register: Register, cluster: Cluster, sweeper: Sweeper, tidying: Tidying },
}

impl Store {
    /// Who exists, what they may spend, what they spent.
    pub fn control(&self) -> &Control {
        &self.0.control
    }

    /// The same on connections that no request waits for: for work that the whole node depends on.
    pub fn upkeep(&self) -> Control {
        match &self.0.kept {
            Kept::Alone { .. } => self.0.control.clone(),
            Kept::Together { cluster, .. } => Control::over(cluster.pool().db(Access::Control)),
        }
    }

    /// Where attempts and traces are noted before anybody else learns of them.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// This node among the others that share its storage; absent where it is alone.
    pub fn cluster(&self) -> Option<&Cluster> {
        match &self.0.kept {
            Kept::Alone { .. } => None,
            Kept::Together { cluster, .. } => Some(cluster),
        }
    }

    /// One tenant's own data: the only way in. Opens its file where it is not open, which takes about a millisecond.
    /// `NotFound` once erased, `Unavailable` where a newer version wrote the file or too many tenants are in use.
    pub async fn tenant(&self, scope: &TenantScope) -> Result<TenantStore> {
        let tenant = scope.tenant();
        // Whoever has no key does not exist, whatever lies on the disk.
        self.0.keys.seals(tenant).await?;
        let home = self.0.homes.open(tenant).await?;
        let arriving = match &self.0.kept {
            Kept::Alone { fold, .. } => Arriving::Fold(fold.clone()),
            Kept::Together { register, .. } => Arriving::Register(register.clone()),
        };
        let blobs = self.0.homes.blobs(tenant);
        let (clock, vectors) = (self.0.clock.clone(), self.0.vectors.clone());
        Ok(TenantStore { tenant, home, blobs, arriving, clock, vectors })
    }

    pub(crate) fn vectors(&self) -> &Arc<Vectors> {
        &self.0.vectors
    }

    /// Forgets what this node holds in memory of the documents of tenants that are not there any more.
    pub fn retain_documents(&self, is_there: impl Fn(TenantId) -> bool) {
        self.0.vectors.retain(is_there);
    }

    /// Forgets what this node holds in memory of a tenant's documents.
    pub fn forget_documents(&self, tenant: TenantId) {
        self.0.vectors.forget(tenant);
    }

    /// What seals and opens one tenant's content, without opening its file. `NotFound` once erased.
    pub async fn seals(&self, scope: &TenantScope) -> Result<Arc<TenantSeals>> {
        self.0.keys.seals(scope.tenant()).await
    }

    /// Makes a tenant: its record, its key, its file. On return it survives a power cut. `Conflict` where its slug or external
    /// id is taken, `Invalid` where its plan or segment is unknown. Answers the budgets that it inherits. What is interrupted is
    /// finished or taken back, at the latest by the next start.
    pub async fn create_tenant(&self, tenant: &Tenant) -> Result<Vec<Budget>> {
        let (store, tenant) = (self.0.clone(), tenant.clone());
        detached(async move { provision::create(&store.control, &store.keys, &store.homes, &*store.random, &tenant).await })
            .await
    }

    /// Forgets what is cached of a tenant's keys: somebody else may have destroyed them.
    pub async fn forget_seals(&self, tenant: TenantId) {
        self.0.keys.forget(tenant).await;
    }

    /// The first step of an erasure alone: notes it and takes the tenant out of service, so that everybody can be told before
    /// [`Store::erase_tenant`] destroys anything. `NotFound` where there never was such a tenant.
    pub async fn begin_erasure(&self, scope: &TenantScope, now: Timestamp) -> Result<()> {
        let (store, tenant) = (self.0.clone(), scope.tenant());
        detached(async move { store.control.begin_erasure(tenant, now).await.map(drop) }).await
    }

    /// Erases a tenant for good: takes it out of service, closes its file, destroys its key, drops its data and every record of
    /// it but ledger rows and accounts. Once it began it cannot be stopped; what is interrupted goes on with the next call or
    /// the next start. Asked again, it answers the first receipt. `NotFound` where there never was such a tenant.
    pub async fn erase_tenant(&self, scope: &TenantScope, now: Timestamp) -> Result<ErasureReceipt> {
        let (store, tenant) = (self.0.clone(), scope.tenant());
        detached(async move { erase::erase(&store.control, &store.keys, &store.homes, &store.vectors, tenant, now).await })
            .await
    }

    /// A secret of the platform for one purpose, the same in every run: for hashing keys, signing tokens and the like.
    pub fn platform_secret(&self, purpose: &str) -> [u8; 32] {
        self.0.root_key.platform_secret(purpose)
    }

    /// Returns once everything that was settled so far is in the ledger: what reads of usage and spending need. A matter of
    /// milliseconds.
    pub async fn flush_ledger(&self) -> Result<()> {
        match &self.0.kept {
            Kept::Alone { fold, .. } => fold.flush_ledger().await,
            Kept::Together { register, .. } => register.flush_ends().await,
        }
    }

    /// Returns once everything written so far is in the ledger and in the tenants' files. With thousands of tenants that are
    /// busy it takes seconds: one commit each.
    pub async fn flush(&self) -> Result<()> {
        match &self.0.kept {
            Kept::Alone { fold, .. } => fold.flush().await,
            Kept::Together { register, .. } => register.flush().await,
        }
    }

    /// Folds what is left, stops the threads, closes all files. Later calls are refused. The data directory is given back when
    /// the last clone is gone.
    pub async fn close(&self) -> Result<()> {
        let inner = &self.0;
        // Everything is closed, also where something before it failed; the first failure is told.
        let settled = match &inner.kept {
            Kept::Alone { fold, files, .. } => {
                let folded = fold.stop().await;
                folded.and(files.close().await)
            }
            Kept::Together { pool, register, cluster, sweeper, tidying } => {
                tidying.stop();
                sweeper.stop();
                register.close().await;
                let left = cluster.leave().await;
                pool.close();
                left
            }
        };
        let control = inner.control.close().await;
        let keys = inner.keys.close().await;
        settled.and(control).and(keys)
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
        let mut shown = f.debug_struct("Store");
        if let Kept::Alone { data_dir, .. } = &self.0.kept {
            shown.field("data_dir", data_dir);
        }
        shown.finish_non_exhaustive()
    }
}

/// Runs work to its end even if the caller's future is dropped.
async fn detached<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(Error::internal)?
}
