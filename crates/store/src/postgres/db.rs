//! What a database holds for somebody, as a [`Db`](crate::query::Db).

use insula_model::{Result, TenantScope};

use super::{
    PgTx,
    pool::{Access, Mode, PgPool},
};

/// The tables that one access reaches.
#[derive(Clone)]
pub(crate) struct PgDb {
    pool: PgPool,
    access: Access,
}

impl PgDb {
    pub(super) fn new(pool: PgPool, access: Access) -> Self {
        Self { pool, access }
    }

    /// A transaction that sees one unchanging state.
    pub(crate) async fn read(&self) -> Result<PgTx> {
        self.pool.begin(self.access, Mode::Read).await
    }

    /// A transaction that writes.
    pub(crate) async fn write(&self) -> Result<PgTx> {
        self.pool.begin(self.access, Mode::Write).await
    }

    /// The same database for reads on a tenant's behalf: row-level security then shows that tenant's rows alone.
    pub(crate) fn on_behalf(&self, scope: &TenantScope) -> Self {
        Self { pool: self.pool.clone(), access: Access::Tenant(scope.tenant()) }
    }

    /// Closes the pool where this is what it serves; a tenant's own view ends with its users.
    pub(crate) fn close(&self) {
        if !matches!(self.access, Access::Tenant(_)) {
            self.pool.close();
        }
    }
}
