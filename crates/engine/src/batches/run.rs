//! One batch: from where it stands as far as it gets.

use std::{sync::Arc, time::Duration};

use insula_model::{BatchId, BatchStatus, BatchTimes, BatchWait, Error, ErrorKind, Result, TenantScope};
use insula_store::{BatchRow, Run, TenantSeals, TenantStore};

use super::{
    ErrorDialect,
    detail::{Detail, Finding},
    execute,
    finish::{self, Ending},
    lines::Lines,
    validate,
};
use crate::{
    Engine,
    directory::{BatchOwner, TenantCredential},
    files,
    runs::{Laid, Perform, Stop, Watch},
};

/// After how long a batch is taken up again that has to wait.
const AGAIN_WHEN_SUSPENDED: Duration = Duration::from_secs(5);
const AGAIN_WITHOUT_MONEY: Duration = Duration::from_secs(15);
const AGAIN_WHEN_REFUSED: Duration = Duration::from_secs(15);

/// A batch that is this node's.
pub(super) struct Running {
    pub engine: Arc<Engine>,
    pub dialect: ErrorDialect,
    pub scope: TenantScope,
    pub store: TenantStore,
    pub seals: Arc<TenantSeals>,
    pub row: BatchRow,
    pub detail: Detail,
    pub owner: BatchOwner,
    pub request_tag: [u8; 4],
}

/// Runs batches, with errors in their output as this dialect has them.
pub(super) fn perform(dialect: ErrorDialect) -> Perform {
    Arc::new(move |engine, run, watch| Box::pin(carry_on(engine, dialect, run, watch)))
}

/// Runs a batch as far as it gets.
async fn carry_on(engine: Arc<Engine>, dialect: ErrorDialect, run: Run, watch: Watch) -> Result<Laid> {
    let scope = engine.directory.job_scope(run.tenant, "batch")?;
    let (store, seals) = (engine.store.tenant(&scope).await?, engine.store.seals(&scope).await?);
    let now = engine.clock.now();
    let Some(row) = store.batch(BatchId::from_bytes(run.id)).await? else { return Ok(Laid::without_row(&run, now)) };
    let detail = Detail::open(&seals, &row)?;
    let (tenant, end_user) = (run.tenant, detail.end_user.clone());
    let request_tag = engine.directory.tenant(tenant).ok_or_else(Error::not_found)?.request_tag;
    let owner = BatchOwner { tenant, key: row.key_id, behind: row.behind, end_user };
    let mut batch = Running { engine, dialect, scope, store, seals, row, detail, owner, request_tag };
    match batch.row.status {
        BatchStatus::Validating if batch.is_expired() => finish::end(&batch, Ending::Expired).await,
        BatchStatus::Validating => {
            validate::validate(&mut batch, &watch).await?;
            match batch.row.status {
                BatchStatus::InProgress => batch.advance(&watch).await,
                BatchStatus::Failed => Ok(Laid::Over),
                // Stopped or cancelled meanwhile.
                _ => Ok(Laid::Until(now)),
            }
        }
        BatchStatus::InProgress => batch.advance(&watch).await,
        BatchStatus::Finalizing => finish::end(&batch, Ending::Completed).await,
        BatchStatus::Cancelling => finish::end(&batch, Ending::Cancelled).await,
        BatchStatus::Failed | BatchStatus::Completed | BatchStatus::Expired | BatchStatus::Cancelled => Ok(Laid::Over),
    }
}

impl Running {
    /// Whether its time has run out.
    pub fn is_expired(&self) -> bool {
        self.engine.clock.now() >= self.row.expires_at
    }

    /// Executes lines until all are done, or something stops it.
    async fn advance(&mut self, watch: &Watch) -> Result<Laid> {
        let now = self.engine.clock.now();
        if self.is_expired() {
            return finish::end(self, Ending::Expired).await;
        }
        if let Err(error) = self.credential() {
            return self.without_credential(error).await;
        }
        let Some(lines) = self.lines().await? else { return finish::end(self, Ending::FileGone).await };
        match execute::execute(self, lines, watch).await? {
            None => self.finalize().await,
            Some(Stop::Lost) => Ok(Laid::Lost),
            Some(Stop::Expired) => finish::end(self, Ending::Expired).await,
            Some(Stop::Cancelled) => self.end_cancelled().await,
            Some(Stop::Node) => Ok(Laid::Until(now)),
            Some(Stop::Withdrawn) => match self.credential() {
                Err(error) => self.without_credential(error).await,
                // It still holds: whoever looked again at once might find the same without end.
                Ok(_) => self.wait(BatchWait::Unavailable, AGAIN_WHEN_REFUSED).await,
            },
            Some(Stop::Budget) => self.wait(BatchWait::Budget, AGAIN_WITHOUT_MONEY).await,
        }
    }

    /// Its lines from the first on; `None` where its file is gone.
    pub async fn lines(&self) -> Result<Option<Lines>> {
        match files::read(&self.engine, &self.scope, self.row.input_file).await {
            Ok((_, reader)) => Ok(Some(Lines::new(reader, self.engine.settings.batches.line_bytes_max))),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What its lines are sent with.
    pub fn credential(&self) -> Result<TenantCredential> {
        self.engine.directory.for_batch(&self.owner)
    }

    /// Nothing can be sent in its caller's name: for the moment, or ever again.
    async fn without_credential(&self, error: Error) -> Result<Laid> {
        match error.kind() {
            ErrorKind::Suspended => self.wait(BatchWait::Suspended, AGAIN_WHEN_SUSPENDED).await,
            ErrorKind::Unavailable { retry_after } => self.wait(BatchWait::Unavailable, *retry_after).await,
            ErrorKind::Unauthenticated => finish::end(self, Ending::Withdrawn).await,
            _ => Err(error),
        }
    }

    async fn wait(&self, what: BatchWait, wait: Duration) -> Result<Laid> {
        self.store.note_batch_waits(self.row.id, Some(what)).await?;
        Ok(Laid::Until(self.engine.clock.now().plus(wait).min(self.row.expires_at)))
    }

    async fn finalize(&mut self) -> Result<Laid> {
        let times = BatchTimes { finalizing_at: Some(self.engine.clock.now()), ..self.row.times };
        if !self.shift(BatchStatus::Finalizing, times).await? {
            return Ok(Laid::Until(self.engine.clock.now()));
        }
        finish::end(self, Ending::Completed).await
    }

    /// It was cancelled while its lines were under way: what is stored says when.
    async fn end_cancelled(&mut self) -> Result<Laid> {
        match self.store.batch(self.row.id).await? {
            Some(row) => self.row = row,
            None => return Ok(Laid::Over),
        }
        finish::end(self, Ending::Cancelled).await
    }

    /// Moves it on; false where somebody else has.
    async fn shift(&mut self, status: BatchStatus, times: BatchTimes) -> Result<bool> {
        let moved = BatchRow { status, times, waiting: None, ..self.row.clone() };
        let is_ours = self.store.move_batch(&moved, self.row.status).await?;
        if is_ours {
            self.row = moved;
        }
        Ok(is_ours)
    }

    /// Its file is right and has so many lines.
    pub async fn accept(&mut self, total: u64) -> Result<()> {
        self.row.total = total;
        let times = BatchTimes { in_progress_at: Some(self.engine.clock.now()), ..self.row.times };
        self.shift(BatchStatus::InProgress, times).await.map(drop)
    }

    /// Its file is wrong.
    pub async fn refuse(&mut self, errors: Vec<Finding>) -> Result<()> {
        self.detail.errors = errors;
        self.row.sealed_detail = self.detail.seal(&self.engine, &self.seals, self.row.id)?;
        let times = BatchTimes { failed_at: Some(self.engine.clock.now()), ..self.row.times };
        self.shift(BatchStatus::Failed, times).await.map(drop)
    }
}
