//! Where tenants' own data is kept: a file for each, or tables that they share under row-level security.

use std::sync::Arc;

use insula_model::{Result, TenantId};

use super::{TenantFiles, blobs::Blobs, slot::Pin};
use crate::{
    postgres::{Access, Mode, PgPool},
    query::Db,
};

/// All tenants' homes. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Homes {
    /// A file for each.
    Files(Arc<TenantFiles>),
    /// Shared tables. A tenant without a home there has no rows and gets none.
    Shared(PgPool),
}

/// One tenant's home, open.
#[derive(Clone)]
pub(crate) enum Home {
    /// Its file; open while this lives.
    File(Pin),
    /// Its rows.
    Shared(Db),
}

impl Home {
    /// The tenant's own data.
    pub(crate) fn db(&self) -> &Db {
        match self {
            Home::File(pin) => &pin.db,
            Home::Shared(db) => db,
        }
    }
}

impl Homes {
    /// Makes a tenant's home, unless it has one.
    pub(crate) async fn create(&self, tenant: TenantId) -> Result<()> {
        match self {
            Homes::Files(files) => files.create(tenant).await,
            Homes::Shared(pool) => {
                let tx = pool.begin(Access::Tenant(tenant), Mode::Write).await?;
                tx.run("INSERT INTO homes DEFAULT VALUES ON CONFLICT (tenant_id) DO NOTHING", &[]).await?;
                tx.commit().await
            }
        }
    }

    /// Opens a tenant's home. `NotFound` once erased.
    pub(crate) async fn open(&self, tenant: TenantId) -> Result<Home> {
        match self {
            Homes::Files(files) => files.pin(tenant).await.map(Home::File),
            // Whoever has a key has a home; rows of one that was erased meanwhile are gone.
            Homes::Shared(pool) => Ok(Home::Shared(pool.db(Access::Tenant(tenant)))),
        }
    }

    /// Where the chunks of a tenant's files lie.
    pub(crate) fn blobs(&self, tenant: TenantId) -> Blobs {
        match self {
            Homes::Files(files) => Blobs::Directory(files.blob_directory(tenant)),
            Homes::Shared(pool) => Blobs::Rows(pool.db(Access::Tenant(tenant))),
        }
    }

    /// Refuses a tenant that is being erased or was erased: for good, and first of all calls.
    pub(crate) fn refuse(&self, tenant: TenantId) {
        match self {
            Homes::Files(files) => files.refuse(tenant),
            // Its key is about to be destroyed, and nothing opens without it.
            Homes::Shared(_) => {}
        }
    }

    /// Ends the use of a refused tenant's home.
    pub(crate) async fn drain(&self, tenant: TenantId) -> Result<()> {
        match self {
            Homes::Files(files) => files.drain(tenant).await,
            // Writers wait for the home's row to go and are refused then.
            Homes::Shared(_) => Ok(()),
        }
    }

    /// Removes everything of a tenant that was drained, or never came to be.
    pub(crate) async fn remove(&self, tenant: TenantId) -> Result<()> {
        match self {
            Homes::Files(files) => files.remove(tenant).await,
            Homes::Shared(pool) => {
                let tx = pool.begin(Access::Tenant(tenant), Mode::Write).await?;
                // The policies know whose home it is; its rows in all other tables go with it.
                tx.run("DELETE FROM homes", &[]).await?;
                tx.commit().await
            }
        }
    }

    /// Whether anything of a tenant is there.
    pub(crate) async fn holds(&self, tenant: TenantId) -> Result<bool> {
        match self {
            Homes::Files(files) => files.holds(tenant).await,
            Homes::Shared(pool) => {
                let tx = pool.begin(Access::Tenant(tenant), Mode::Read).await?;
                Ok(!tx.rows("SELECT 1 FROM homes", &[]).await?.is_empty())
            }
        }
    }
}
