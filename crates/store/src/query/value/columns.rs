//! A column of every kind on both engines, for values to pass through.

use std::{fmt::Debug, time::Duration};

use insula_model::Result;
use tokio::runtime::Runtime;

use super::{Field, Val};
use crate::{
    postgres::{Access, PgPool, PoolOptions, tests::scratch::Scratch},
    query::{Db, Rec, Row, block_on},
    sqlite::in_memory,
};

struct One<T>(T);

impl<T: Field> Rec for One<T> {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(One(row.get("value")?))
    }
}

/// Columns of both engines.
pub(super) struct Columns {
    runtime: Runtime,
    shared: Db,
    _scratch: Scratch,
}

impl Columns {
    pub(super) fn make() -> Self {
        let runtime = Runtime::new().unwrap();
        let (shared, scratch) = runtime.block_on(async {
            let scratch = Scratch::migrated().await;
            let table = "CREATE TABLE insula_control.t (int BIGINT, text TEXT, bytes BYTEA); \
                GRANT SELECT, INSERT ON insula_control.t TO insula_control";
            scratch.administer().await.batch_execute(table).await.unwrap();
            let options = PoolOptions {
                url: scratch.url(&scratch.app()),
                connections_max: 1,
                connect_max: Duration::from_secs(10),
                statement_max: Duration::from_secs(10),
            };
            (PgPool::new(&options).unwrap().db(Access::Control), scratch)
        });
        Self { runtime, shared, _scratch: scratch }
    }

    /// Writes a value into a column and reads it back, on each engine. Both must read the same.
    pub(super) fn through<T: Field + PartialEq + Debug>(&self, value: &T) -> Result<T> {
        let file = block_on(async {
            let mut tx = in_memory()?.write().await?;
            tx.exec("CREATE TABLE t (value ANY) STRICT", &[]).await?;
            tx.exec("INSERT INTO t (value) VALUES ($1)", &[value.bind()]).await?;
            tx.one::<One<T>>("SELECT value FROM t", &[]).await.map(|one| one.0)
        })?;
        let shared = self.runtime.block_on(async {
            let bound = value.bind();
            let (insert, select) = match &bound {
                Val::Int(_) => ("INSERT INTO t (int) VALUES ($1)", "SELECT int AS value FROM t"),
                Val::Text(_) => ("INSERT INTO t (text) VALUES ($1)", "SELECT text AS value FROM t"),
                Val::Bytes(_) => ("INSERT INTO t (bytes) VALUES ($1)", "SELECT bytes AS value FROM t"),
            };
            let mut tx = self.shared.write().await?;
            tx.exec(insert, &[bound]).await?;
            // Rolled back, so that the next value is alone again.
            tx.one::<One<T>>(select, &[]).await.map(|one| one.0)
        })?;
        assert_eq!(file, shared, "the engines differ");
        Ok(file)
    }
}
