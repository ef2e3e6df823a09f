//! A transaction that is over, one way or the other, before its connection serves anybody else.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};

use deadpool_postgres::Object;
use insula_model::{Error, Result};
use tokio::runtime::Handle;
use tokio_postgres::{
    Row, Statement,
    types::{ToSql, Type},
};

use super::{
    Access,
    error::{away, failed},
    pool::acting,
};
use crate::query::{self, Rec, Val, postgres_sql};

/// A transaction. Dropped without [`PgTx::commit`], at whatever moment, it is rolled back; its connection goes back to the
/// pool only when the server has confirmed that, and is closed where it does not.
pub(crate) struct PgTx {
    /// Absent once it has gone back to the pool.
    connection: Option<Object>,
    runtime: Handle,
    access: Access,
    /// A statement failed: the server would answer a COMMIT with a silent ROLLBACK.
    broken: AtomicBool,
    /// An answer did not come: the connection is of no more use.
    lost: AtomicBool,
    /// How long an answer is waited for.
    patience: Duration,
}

impl PgTx {
    pub(super) fn new(connection: Object, runtime: Handle, access: Access, patience: Duration) -> Self {
        let (broken, lost) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { connection: Some(connection), runtime, access, broken, lost, patience }
    }

    /// All rows of a query in the common dialect.
    pub(crate) async fn all<T: Rec>(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<Vec<T>> {
        let rows = self.in_dialect(sql, args).await?;
        rows.iter().map(|row| T::read(&query::Row::Postgres(row))).collect()
    }

    /// Runs a statement in the common dialect; how many rows it changed.
    pub(crate) async fn exec(&mut self, sql: &'static str, args: &[Val<'_>]) -> Result<u64> {
        let statement = self.prepared(self.dialect(sql), &kinds(args)).await?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        self.noted(self.connection()?.execute(&statement, &args)).await
    }

    /// Runs a statement once for each of `rows`; how many rows it changed together.
    pub(crate) async fn exec_all(&mut self, sql: &'static str, rows: &[Vec<Val<'_>>]) -> Result<u64> {
        let Some(first) = rows.first() else { return Ok(0) };
        let statement = self.prepared(self.dialect(sql), &kinds(first)).await?;
        let connection = self.connection()?;
        let mut changed = 0;
        for some in rows.chunks(PIPELINED_MAX) {
            let asked = some.iter().map(|row| {
                let statement = &statement;
                async move {
                    let args: Vec<&(dyn ToSql + Sync)> = row.iter().map(|arg| arg as _).collect();
                    connection.execute(statement, &args).await
                }
            });
            changed += self.noted(all_of(asked)).await?;
        }
        Ok(changed)
    }

    async fn in_dialect(&self, sql: &'static str, args: &[Val<'_>]) -> Result<Vec<Row>> {
        let statement = self.prepared(self.dialect(sql), &kinds(args)).await?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        self.noted(self.connection()?.query(&statement, &args)).await
    }

    /// Runs a statement of this engine alone; how many rows it changed. Several that are polled together go out together.
    pub(crate) async fn run(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        let statement = self.prepared(sql, &[]).await?;
        self.noted(self.connection()?.execute(&statement, params)).await
    }

    /// All rows of a query of this engine alone.
    pub(crate) async fn rows(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let statement = self.prepared(sql, &[]).await?;
        self.noted(self.connection()?.query(&statement, params)).await
    }

    /// Has these statements ready, so that they go out in the order in which they are polled: one that must be prepared first
    /// is sent only when that is answered.
    pub(crate) async fn prepare(&self, statements: &[&'static str]) -> Result<()> {
        for sql in statements {
            self.prepared(sql, &[]).await?;
        }
        Ok(())
    }

    /// Statements without parameters, in one round trip.
    pub(crate) async fn batch(&self, sql: &str) -> Result<()> {
        self.noted(self.connection()?.batch_execute(sql)).await
    }

    /// The following statements act for `access`.
    pub(crate) async fn act_as(&self, access: Access) -> Result<()> {
        self.batch(&acting(access)).await
    }

    /// Makes it durable: on return it survives a power cut. An error leaves open whether it was committed only where the
    /// connection broke.
    pub(crate) async fn commit(mut self) -> Result<()> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Error::internal("a transaction with a failed statement was to be committed"));
        }
        self.batch("COMMIT").await?;
        // Over and confirmed: the next caller may have the connection.
        drop(self.connection.take());
        Ok(())
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::internal("a transaction was used after its end"))
    }

    fn dialect(&self, sql: &'static str) -> &'static str {
        postgres_sql(sql, matches!(self.access, Access::Tenant(_)))
    }

    async fn prepared(&self, sql: &'static str, types: &[Type]) -> Result<Statement> {
        self.noted(self.connection()?.prepare_typed_cached(sql, types)).await
    }

    /// Waits for an answer, and notes what became of it.
    async fn noted<T>(&self, asked: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
        let answer = tokio::time::timeout(self.patience, asked).await;
        let answer = answer.map_err(|late| {
            self.lost.store(true, Ordering::Relaxed);
            away().caused_by(late)
        });
        let answer = answer.and_then(|answer| answer.map_err(failed));
        answer.inspect_err(|_| self.broken.store(true, Ordering::Relaxed))
    }
}

/// Statements that go out before the first of their answers is waited for.
const PIPELINED_MAX: usize = 256;

/// Polls all in their order, so that they go out in it, until each has its answer; their sum, or what failed first.
async fn all_of<F>(asked: impl Iterator<Item = F>) -> std::result::Result<u64, tokio_postgres::Error>
where
    F: Future<Output = std::result::Result<u64, tokio_postgres::Error>>,
{
    let mut asked: Vec<_> = asked.map(|one| Some(Box::pin(one))).collect();
    let mut sum = 0;
    poll_fn(|context| {
        for slot in &mut asked {
            let Some(one) = slot else { continue };
            match one.as_mut().poll(context) {
                Poll::Ready(Ok(changed)) => {
                    sum += changed;
                    *slot = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        if asked.iter().all(Option::is_none) { Poll::Ready(Ok(sum)) } else { Poll::Pending }
    })
    .await
}

fn kinds(args: &[Val<'_>]) -> Vec<Type> {
    args.iter().map(Val::pg_type).collect()
}

impl Drop for PgTx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if connection.is_closed() || self.lost.load(Ordering::Relaxed) {
            drop(Object::take(connection));
            return;
        }
        // The client sends in order and reads every answer, whoever waits for it: behind this ROLLBACK the connection is idle.
        let patience = self.patience;
        self.runtime.spawn(async move {
            let over = tokio::time::timeout(patience, connection.batch_execute("ROLLBACK")).await;
            if !matches!(over, Ok(Ok(()))) {
                drop(Object::take(connection));
            }
        });
    }
}
