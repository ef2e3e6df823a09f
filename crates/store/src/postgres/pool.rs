//! Connections, kept and bounded, and the transactions that are opened on them.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use insula_model::{Error, Result, TenantId};
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

use super::{
    PgTx, PostgresUrl,
    db::PgDb,
    error::{away, failed},
};
use crate::query::Db;

/// For whom a transaction acts. Nothing is readable without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The platform: who exists, what they may spend, what they spent.
    Control,
    /// The key store.
    Keys,
    /// One tenant, under row-level security.
    Tenant(TenantId),
}

/// What a transaction may do, and beside whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Sees one unchanging state and cannot write.
    Read,
    /// Writes. On the control tables and in the key store one at a time over all nodes, as on a file: management reads before it writes.
    Write,
    /// Writes beside others, and locks what it must by itself.
    Batch,
}

/// Taken by every [`Mode::Write`] on the control tables, to its end; and the same for the key store.
const CONTROL_WRITER_LOCK: i64 = 0x1a5a_0001;
const KEYS_WRITER_LOCK: i64 = 0x1a5a_0003;

/// How much longer than the server lets a statement take its answer is waited for. Then the connection counts as lost, however
/// alive it looks.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// What a pool is made with.
#[derive(Debug, Clone)]
pub(crate) struct PoolOptions {
    /// Where the database is.
    pub(crate) url: PostgresUrl,
    /// Connections at once.
    pub(crate) connections_max: usize,
    /// How long a connection may take to be made, and a caller to wait for one.
    pub(crate) connect_max: Duration,
    /// How long a statement may take.
    pub(crate) statement_max: Duration,
}

/// Connections to one database. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct PgPool(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// Where transactions that nobody ended are rolled back.
    runtime: Handle,
    /// How long anything may take, seen from here: longer than the server itself lets it.
    patience: Duration,
}

impl PgPool {
    /// A pool that connects when it is first used.
    pub(crate) fn new(options: &PoolOptions) -> Result<Self> {
        let config = options.url.configured(options.connect_max, options.statement_max);
        let kept = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match options.url.tls()? {
            Some(tls) => Manager::from_config(config, tls, kept),
            None => Manager::from_config(config, NoTls, kept),
        };
        let patience = Some(options.connect_max);
        let pool = Pool::builder(manager)
            .max_size(options.connections_max)
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;
        let patience = options.statement_max + ANSWER_MARGIN;
        Ok(Self(Arc::new(Inner { pool, runtime: Handle::current(), patience })))
    }

    /// What this database holds for `access`, for the query layer.
    pub(crate) fn db(&self, access: Access) -> Db {
        Db::Postgres(PgDb::new(self.clone(), access))
    }

    /// A transaction that acts for `access`.
    pub(crate) async fn begin(&self, access: Access, mode: Mode) -> Result<PgTx> {
        let connection = self.0.pool.get().await.map_err(unobtainable)?;
        // From here on whoever drops this future rolls back.
        let tx = PgTx::new(connection, self.0.runtime.clone(), access, self.0.patience);
        tx.batch(&opening(access, mode)).await?;
        Ok(tx)
    }

    /// Connections that are in use or at rest.
    #[cfg(test)]
    pub(crate) fn status(&self) -> (usize, usize) {
        let status = self.0.pool.status();
        (status.size, status.available)
    }

    /// Takes no more callers; connections in use end with their transactions.
    pub(crate) fn close(&self) {
        self.0.pool.close();
    }
}

/// Everything that a transaction needs before its first statement, in one round trip.
fn opening(access: Access, mode: Mode) -> String {
    let begin = match mode {
        Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        Mode::Write | Mode::Batch => "BEGIN",
    };
    let acting = acting(access);
    let lock = match (access, mode) {
        (Access::Control, Mode::Write) => CONTROL_WRITER_LOCK,
        (Access::Keys, Mode::Write) => KEYS_WRITER_LOCK,
        _ => return format!("{begin}; {acting}"),
    };
    format!("{begin}; {acting}; SELECT pg_advisory_xact_lock({lock})")
}

/// Makes the rest of the transaction act for `access`. Both settings end with the transaction.
pub(super) fn acting(access: Access) -> String {
    match access {
        Access::Control => "SET LOCAL ROLE insula_control".to_owned(),
        Access::Keys => "SET LOCAL ROLE insula_keys".to_owned(),
        // An id is sixteen bytes; written as hexadecimal digits it cannot say anything else.
        Access::Tenant(tenant) => {
            let id = u128::from_be_bytes(*tenant.as_bytes());
            format!("SET LOCAL ROLE insula_tenant; SELECT set_config('app.current_tenant', '{id:032x}', true)")
        }
    }
}

fn unobtainable(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => failed(error),
        PoolError::Closed => crate::control::stopped(),
        error => away().caused_by(error),
    }
}
