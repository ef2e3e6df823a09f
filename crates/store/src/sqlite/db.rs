//! One SQLite file as a [`Db`](crate::query::Db): a writer, perhaps some readers, and transactions on them.

use std::sync::Arc;

use insula_model::{Error, Result};
use rusqlite::{Connection, params_from_iter};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::error::failed;
use crate::query::{Rec, Row, Val, sqlite_sql, waiting};

/// A connection, or what to say to whoever still asks for it.
enum Link {
    Open(Connection),
    Closed(fn() -> Error),
}

type Shared = Arc<Mutex<Link>>;

/// One SQLite file. All clones share its connections.
#[derive(Clone)]
pub(crate) struct SqliteDb {
    writer: Shared,
    /// Empty where one connection does everything (a tenant's file is locked to it).
    readers: Arc<[Shared]>,
    /// One permit for each reader that is free.
    free_readers: Arc<Semaphore>,
}

impl SqliteDb {
    /// A database with one connection that writes and others that only read.
    pub(crate) fn new(writer: Connection, readers: Vec<Connection>) -> Self {
        let share = |connection| Arc::new(Mutex::new(Link::Open(connection)));
        let free_readers = Arc::new(Semaphore::new(readers.len()));
        Self { writer: share(writer), readers: readers.into_iter().map(share).collect(), free_readers }
    }

    /// A transaction on a reader, or on the only connection.
    pub(crate) async fn read(&self) -> Result<SqliteTx> {
        const BEGIN: &str = "PRAGMA query_only = 1; BEGIN";
        let Some(first) = self.readers.first() else {
            return SqliteTx::begin(self.writer.clone().lock_owned().await, None, BEGIN);
        };
        let permit = self.free_readers.clone().acquire_owned().await.map_err(Error::internal)?;
        // Whoever has a permit finds a free reader, unless the database is being closed.
        let free = self.readers.iter().find_map(|reader| reader.clone().try_lock_owned().ok());
        let link = match free {
            Some(link) => link,
            None => first.clone().lock_owned().await,
        };
        SqliteTx::begin(link, Some(permit), BEGIN)
    }

    /// A transaction on the writer.
    pub(crate) async fn write(&self) -> Result<SqliteTx> {
        let link = self.writer.clone().lock_owned().await;
        SqliteTx::begin(link, None, "PRAGMA query_only = 0; BEGIN IMMEDIATE")
    }

    /// Closes all connections once their transactions are over.
    pub(crate) async fn close(&self, refusal: fn() -> Error) -> Result<()> {
        for link in self.readers.iter().chain([&self.writer]) {
            let mut link = link.clone().lock_owned().await;
            waiting(move || match std::mem::replace(&mut *link, Link::Closed(refusal)) {
                Link::Open(connection) => connection.close().map_err(|(_, error)| failed(error)),
                Link::Closed(_) => Ok(()),
            })
            .await?;
        }
        Ok(())
    }

    /// Moves everything from the write-ahead log into the file and empties the log.
    pub(crate) async fn truncate_wal(&self) -> Result<()> {
        let link = self.writer.clone().lock_owned().await;
        waiting(move || connection(&link)?.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(failed)).await
    }

    /// What the only connection may take in memory, in bytes: an estimate, because SQLite's own figure can only be had through
    /// unsafe calls.
    pub(crate) async fn memory_bytes(&self) -> Result<u64> {
        let link = self.writer.clone().lock_owned().await;
        let pragma = |sql| connection(&link)?.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed);
        let page_bytes = pragma("PRAGMA page_size")?.unsigned_abs();
        let file_bytes = pragma("PRAGMA page_count")?.unsigned_abs() * page_bytes;
        // A negative setting counts KiB, a positive one pages.
        let cache_bytes = match pragma("PRAGMA cache_size")? {
            kib @ ..0 => kib.unsigned_abs() * 1024,
            pages => pages.unsigned_abs() * page_bytes,
        };
        Ok(CONNECTION_BYTES + file_bytes.min(cache_bytes))
    }

    /// The lines of `PRAGMA integrity_check`, without its `ok`.
    pub(crate) async fn damages(&self) -> Result<Vec<String>> {
        let tx = self.read().await?;
        let mut check = tx.connection()?.prepare("PRAGMA integrity_check").map_err(failed)?;
        let lines = check.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let lines = lines.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

/// What a connection takes besides its page cache: SQLite's lookaside memory, the index of the write-ahead log (on the heap
/// where the file is locked to this process), the parsed schema and the prepared statements.
const CONNECTION_BYTES: u64 = 128 * 1024;

fn connection(link: &Link) -> Result<&Connection> {
    match link {
        Link::Open(connection) => Ok(connection),
        Link::Closed(refusal) => Err(refusal()),
    }
}

/// A transaction on one connection, which it holds alone.
pub(crate) struct SqliteTx {
    /// Before the permit, so that it is free when the permit is.
    link: OwnedMutexGuard<Link>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl SqliteTx {
    fn begin(link: OwnedMutexGuard<Link>, permit: Option<OwnedSemaphorePermit>, sql: &str) -> Result<Self> {
        connection(&link)?.execute_batch(sql).map_err(failed)?;
        Ok(Self { link, _permit: permit })
    }

    fn connection(&self) -> Result<&Connection> {
        connection(&self.link)
    }

    pub(crate) fn all<T: Rec>(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sqlite_sql(sql)).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(args)).map_err(failed)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            records.push(T::read(&Row::Sqlite(row))?);
        }
        Ok(records)
    }

    pub(crate) fn exec(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<u64> {
        let mut statement = self.connection()?.prepare_cached(sqlite_sql(sql)).map_err(failed)?;
        statement.execute(params_from_iter(args)).map(|rows| rows as u64).map_err(failed)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        // A failed commit leaves the transaction open; dropping `self` rolls it back.
        waiting(move || self.connection()?.execute_batch("COMMIT").map_err(failed)).await
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Link::Open(connection) = &*self.link else { return };
        if connection.is_autocommit() {
            return;
        }
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            // A connection in an unknown state serves nobody again.
            tracing::error!(%error, "a rollback failed; the connection is closed");
            *self.link = Link::Closed(|| Error::internal("the connection was closed after a failed rollback"));
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_model::ErrorKind;

    use crate::{
        query::{Db, Rec, Row, args},
        sqlite::in_memory,
    };

    struct Count(i64);

    impl Rec for Count {
        fn read(row: &Row<'_>) -> insula_model::Result<Self> {
            row.get("n").map(Count)
        }
    }

    async fn count(db: &Db) -> i64 {
        db.read().await.unwrap().one::<Count>("SELECT COUNT(*) AS n FROM t", &[]).await.unwrap().0
    }

    async fn table() -> Db {
        let db = in_memory().unwrap();
        let mut tx = db.write().await.unwrap();
        tx.exec("CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT", &[]).await.unwrap();
        tx.commit().await.unwrap();
        db
    }

    #[tokio::test]
    async fn a_dropped_transaction_leaves_nothing() {
        let db = table().await;
        let mut tx = db.write().await.unwrap();
        tx.exec("INSERT INTO t (id) VALUES ($1)", args![1_i64]).await.unwrap();
        drop(tx);
        assert_eq!(count(&db).await, 0);
    }

    #[tokio::test]
    async fn futures_dropped_anywhere_leave_a_clean_connection() {
        let db = table().await;
        for polls in 0..40_i64 {
            let writes = {
                let db = db.clone();
                async move {
                    let mut tx = db.write().await.unwrap();
                    for id in 0..20_i64 {
                        tx.exec("INSERT INTO t (id) VALUES ($1)", args![polls * 100 + id]).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    tx.commit().await.unwrap();
                }
            };
            let task = tokio::spawn(writes);
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            task.abort();
            let _ = task.await;
            assert_eq!(count(&db).await % 20, 0, "all of a transaction or none of it");
        }
    }

    #[tokio::test]
    async fn a_read_cannot_write() {
        let db = table().await;
        let mut tx = db.read().await.unwrap();
        assert!(tx.exec("INSERT INTO t (id) VALUES ($1)", args![1_i64]).await.is_err());
        drop(tx);
        let mut tx = db.write().await.unwrap();
        tx.exec("INSERT INTO t (id) VALUES ($1)", args![1_i64]).await.unwrap();
        let twice = tx.exec("INSERT INTO t (id) VALUES ($1)", args![1_i64]).await.unwrap_err();
        assert_eq!(*twice.kind(), ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn a_closed_database_says_why() {
        let db = table().await;
        db.close(insula_model::Error::not_found).await.unwrap();
        assert_eq!(db.read().await.err().map(|e| e.kind().clone()), Some(ErrorKind::NotFound));
    }
}
