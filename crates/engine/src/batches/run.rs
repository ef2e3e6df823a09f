//! One batch: from where it stands as far as it gets, and then given back.

use std::{sync::Arc, time::Duration};

use insula_model::{BatchStatus, BatchTimes, BatchWait, Error, ErrorKind, Result, TenantScope, Timestamp};
use insula_store::{BatchRow, BatchRun, TenantSeals, TenantStore};

use super::{
    ErrorDialect,
    detail::{Detail, Finding},
    execute,
    finish::{self, Ending},
    lines::Lines,
    validate,
    watch::{Stop, Watch},
};
use crate::{
    Engine,
    directory::{BatchOwner, TenantCredential},
    files,
};

/// A batch whose row is not there after so long never came to be.
const ROW_LATE_MAX: Duration = Duration::from_secs(60);

/// After how long a batch that came to a halt is taken up again.
const AGAIN_SOON: Duration = Duration::from_secs(1);
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(5);
const AGAIN_WHEN_SUSPENDED: Duration = Duration::from_secs(5);
const AGAIN_WITHOUT_MONEY: Duration = Duration::from_secs(15);

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

/// What becomes of a batch when this node lays it down.
pub(super) enum Laid {
    /// It is over, or was never there.
    Over,
    /// It goes on at this time.
    Until(Timestamp),
    /// It is another node's.
    Lost,
}

/// Runs a batch as far as it gets.
pub(super) async fn run(engine: Arc<Engine>, dialect: ErrorDialect, claim: BatchRun) {
    let watch = Watch::begin(Arc::clone(&engine), claim);
    let laid = match carry_on(&engine, dialect, &claim, &watch).await {
        Ok(laid) => laid,
        // Erased, or about to be: its rows go with it.
        Err(error) if *error.kind() == ErrorKind::NotFound => Laid::Over,
        Err(error) => {
            tracing::warn!(batch = %claim.batch, %error, source = ?error.private_source(), "a batch came to a halt; it is tried again");
            Laid::Until(engine.clock.now().plus(AGAIN_AFTER_FAILURE))
        }
    };
    let claim = watch.end().await;
    let control = engine.store.control();
    let given_back = match laid {
        Laid::Over => control.forget_batch(claim.batch).await,
        Laid::Until(at) => control.renew_batch(&claim, at).await.map(drop),
        Laid::Lost => Ok(()),
    };
    if let Err(error) = given_back {
        tracing::warn!(batch = %claim.batch, %error, "a batch cannot be given back; its claim runs out");
    }
}

async fn carry_on(engine: &Arc<Engine>, dialect: ErrorDialect, claim: &BatchRun, watch: &Watch) -> Result<Laid> {
    let scope = engine.directory.batch_scope(claim.tenant)?;
    let (store, seals) = (engine.store.tenant(&scope).await?, engine.store.seals(&scope).await?);
    let now = engine.clock.now();
    let Some(row) = store.batch(claim.batch).await? else {
        let is_late = now > claim.queued_at.plus(ROW_LATE_MAX);
        return Ok(if is_late { Laid::Over } else { Laid::Until(now.plus(AGAIN_SOON)) });
    };
    let detail = Detail::open(&seals, &row)?;
    let (tenant, end_user) = (claim.tenant, detail.end_user.clone());
    let request_tag = engine.directory.tenant(tenant).ok_or_else(Error::not_found)?.request_tag;
    let owner = BatchOwner { tenant, key: row.key_id, behind: row.behind, end_user };
    let mut batch = Running { engine: Arc::clone(engine), dialect, scope, store, seals, row, detail, owner, request_tag };
    match batch.row.status {
        BatchStatus::Validating if batch.is_expired() => finish::end(&batch, Ending::Expired).await,
        BatchStatus::Validating => {
            validate::validate(&mut batch, watch).await?;
            match batch.row.status {
                BatchStatus::InProgress => batch.advance(watch).await,
                BatchStatus::Failed => Ok(Laid::Over),
                // Stopped or cancelled meanwhile.
                _ => Ok(Laid::Until(now)),
            }
        }
        BatchStatus::InProgress => batch.advance(watch).await,
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
            // Why decides what follows, which the next look finds out.
            Some(Stop::Withdrawn) => Ok(Laid::Until(self.engine.clock.now())),
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
