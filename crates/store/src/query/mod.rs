//! The query layer: SQL written once, in the dialect that SQLite and PostgreSQL share, and run on whichever engine holds
//! the data.
//!
//! A [`Db`] is one database: the control database, the key store or one tenant's own. It hands out transactions ([`Tx`]),
//! and a `Tx` runs statements with `$1`-style parameters ([`args!`](crate::query::args)) and reads rows into records
//! ([`rec!`](crate::query::rec)). A transaction that is dropped without [`Tx::commit`] is rolled back, also when the future
//! that held it was dropped half way.
//!
//! Queries keep to what both engines understand: `ON CONFLICT`, `RETURNING`, `CAST(.. AS BIGINT)`, no `->>`, no
//! two-argument `MAX`. A query of a tenant's tables never names the tenant: the database it runs on knows whose it is.

mod record;
mod rewrite;
mod value;
mod waiting;

pub(crate) use record::{Rec, Row, rec};
use rewrite::{POSTGRES_COMPLETE_BELOW, SQLITE_COMPLETE_BELOW};
pub(crate) use rewrite::{postgres_sql, sqlite_sql};
pub(crate) use value::{Field, Val, args};
pub(crate) use waiting::{aside, block_on, waiting};

use insula_model::{Error, Result, TenantScope};

use crate::{
    postgres::{PgDb, PgTx},
    sqlite::{SqliteDb, SqliteTx},
};

/// One database, whichever engine runs it. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Db {
    /// A SQLite file.
    Sqlite(SqliteDb),
    /// What a PostgreSQL database holds for somebody.
    Postgres(PgDb),
}

impl Db {
    /// A transaction that sees one unchanging state and cannot write.
    pub(crate) async fn read(&self) -> Result<Tx> {
        match self {
            Db::Sqlite(db) => db.read().await.map(Tx::Sqlite),
            Db::Postgres(db) => db.read().await.map(|tx| Tx::Postgres(Box::new(tx))),
        }
    }

    /// A transaction that writes; waits for its turn.
    pub(crate) async fn write(&self) -> Result<Tx> {
        match self {
            Db::Sqlite(db) => db.write().await.map(Tx::Sqlite),
            Db::Postgres(db) => db.write().await.map(|tx| Tx::Postgres(Box::new(tx))),
        }
    }

    /// The same database for reads on a tenant's behalf. Where several tenants share tables, the engine itself then shows
    /// that tenant's rows alone, whatever the query says.
    pub(crate) fn on_behalf(&self, scope: &TenantScope) -> Db {
        match self {
            Db::Sqlite(_) => self.clone(),
            Db::Postgres(db) => Db::Postgres(db.on_behalf(scope)),
        }
    }

    /// Closes the database; whoever still holds it gets `refusal` from now on.
    pub(crate) async fn close(&self, refusal: fn() -> Error) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.close(refusal).await,
            Db::Postgres(db) => {
                db.close();
                Ok(())
            }
        }
    }

    /// Removes deleted content from every file that the engine keeps beside the main one.
    pub(crate) async fn forget_deleted(&self) -> Result<()> {
        match self {
            Db::Sqlite(db) => db.truncate_wal().await,
            // Row versions are the server's to vacuum; what they hold is sealed with a key that is gone.
            Db::Postgres(_) => Ok(()),
        }
    }

    /// What the open database takes in this process's memory, in bytes, as far as it is known.
    pub(crate) async fn memory_bytes(&self) -> Result<u64> {
        match self {
            Db::Sqlite(db) => db.memory_bytes().await,
            Db::Postgres(_) => Ok(0),
        }
    }

    /// What the engine finds wrong with its own files; empty when they are sound.
    pub(crate) async fn damages(&self) -> Result<Vec<String>> {
        match self {
            Db::Sqlite(db) => db.damages().await,
            Db::Postgres(_) => Ok(Vec::new()),
        }
    }
}

/// A transaction; rolled back unless committed.
pub(crate) enum Tx {
    /// On a SQLite file.
    Sqlite(SqliteTx),
    /// On a PostgreSQL database.
    Postgres(Box<PgTx>),
}

impl Tx {
    /// All rows of a query.
    pub(crate) async fn all<T: Rec>(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<Vec<T>> {
        match self {
            Tx::Sqlite(tx) => tx.all(sql, args),
            Tx::Postgres(tx) => tx.all(sql, args).await,
        }
    }

    /// The only row of a query; `NotFound` when there is none.
    pub(crate) async fn one<T: Rec>(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<T> {
        self.optional(sql, args).await?.ok_or_else(Error::not_found)
    }

    /// The first row of a query, if there is one.
    pub(crate) async fn optional<T: Rec>(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// Runs a statement; how many rows it changed. `Conflict` when a unique value is taken.
    pub(crate) async fn exec(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<u64> {
        match self {
            Tx::Sqlite(tx) => tx.exec(sql, args),
            Tx::Postgres(tx) => tx.exec(sql, args).await,
        }
    }

    /// Runs a statement once for each of `rows`, in their order; how many rows it changed together. Over a network they go out
    /// without waiting for each other's answers.
    pub(crate) async fn exec_all(&mut self, sql: &'static str, rows: &[Vec<Val<'_>>]) -> Result<u64> {
        match self {
            Tx::Sqlite(tx) => rows.iter().try_fold(0, |changed, row| Ok(changed + tx.exec(sql, row)?)),
            Tx::Postgres(tx) => tx.exec_all(sql, rows).await,
        }
    }

    /// Below which `entry` this transaction sees all of the ledger that there will ever be.
    pub(crate) async fn complete_below(&mut self) -> Result<u64> {
        struct Below {
            entry: u64,
        }
        rec!(Below { entry });
        let sql = match self {
            Tx::Sqlite(_) => SQLITE_COMPLETE_BELOW,
            Tx::Postgres(_) => POSTGRES_COMPLETE_BELOW,
        };
        Ok(self.one::<Below>(sql, &[]).await?.entry)
    }

    /// Makes it durable: on return it survives a power cut.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
    }
}
