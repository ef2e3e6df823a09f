//! What a tenant's caller may do with batches.

use std::collections::BTreeMap;

use insula_model::{
    BatchId, BatchStatus, BatchTimes, BatchWait, Error, ErrorKind, FileId, FilePurpose, Operation, Result, RunKind,
    TenantScope, Timestamp,
};
use insula_store::{BatchRow, TenantSeals};

use super::detail::{Detail, Finding};
use crate::{Engine, directory::TenantCredential, files};

/// Notes of a batch, and the characters of their names and values: as many as OpenAI's `metadata` may have.
const METADATA_MAX: usize = 16;
const METADATA_NAME_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 512;

/// A batch as its tenant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchView {
    /// Its id.
    pub id: BatchId,
    /// What each of its lines asks for.
    pub operation: Operation,
    /// How it stands.
    pub status: BatchStatus,
    /// What it waits for, where it does.
    pub waiting: Option<BatchWait>,
    /// Its requests.
    pub input_file: FileId,
    /// The answers, once it is over and has any.
    pub output_file: Option<FileId>,
    /// What became of requests without an answer, once it is over and has any.
    pub error_file: Option<FileId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its time runs out.
    pub expires_at: Timestamp,
    /// When it came to stand as it did.
    pub times: BatchTimes,
    /// Its lines; 0 until they are counted.
    pub total: u64,
    /// Lines that were answered.
    pub completed: u64,
    /// Lines that were not, and will not be.
    pub failed: u64,
    /// The caller's notes.
    pub metadata: BTreeMap<String, String>,
    /// What is wrong with it.
    pub errors: Vec<Finding>,
}

impl BatchView {
    pub(crate) fn open(row: BatchRow, seals: &TenantSeals) -> Result<Self> {
        let Detail { metadata, errors, .. } = Detail::open(seals, &row)?;
        Ok(Self {
            id: row.id,
            operation: row.operation,
            status: row.status,
            waiting: row.waiting,
            input_file: row.input_file,
            output_file: row.output_file,
            error_file: row.error_file,
            created_at: row.created_at,
            expires_at: row.expires_at,
            times: row.times,
            total: row.total,
            completed: row.completed,
            failed: row.failed,
            metadata,
            errors,
        })
    }
}

/// What a new batch is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Its requests.
    pub input_file: FileId,
    /// What each of them asks for.
    pub operation: Operation,
    /// The caller's notes.
    pub metadata: BTreeMap<String, String>,
    /// Labels for the bill of each line.
    pub tags: BTreeMap<String, String>,
}

/// Asks for a batch. Its lines are checked and executed later, in the name of this credential.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such file; [`ErrorKind::Invalid`] where the file is not for batches, or a
/// note is too long; [`ErrorKind::RateLimited`] where too many of the tenant's batches are not over.
pub async fn create(engine: &Engine, credential: &TenantCredential, new: NewBatch) -> Result<BatchView> {
    check_metadata(&new.metadata)?;
    let scope = &credential.scope;
    let file = files::find(engine, scope, new.input_file).await.map_err(|error| error.at("input_file_id"))?;
    if file.purpose != FilePurpose::Batch {
        return Err(Error::invalid("the file is not for batches: upload it with the purpose `batch`").at("input_file_id"));
    }
    let (id, now) = (engine.ids.batch(), engine.clock.now());
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let end_user = credential.end_user.clone();
    let detail = Detail { metadata: new.metadata, tags: new.tags, end_user, errors: Vec::new() };
    let row = BatchRow {
        id,
        operation: new.operation,
        status: BatchStatus::Validating,
        waiting: None,
        input_file: file.id,
        output_file: None,
        error_file: None,
        created_at: now,
        expires_at: now.plus(engine.settings.batches.window),
        times: BatchTimes::default(),
        total: 0,
        completed: 0,
        failed: 0,
        key_id: credential.key.as_ref().map(|key| key.record.id),
        behind: credential.behind,
        sealed_detail: detail.seal(engine, &seals, id)?,
    };
    // Noted to be run before it is there: a run without a batch is forgotten, a batch without a run would stand still for good.
    engine.store.control().queue_run(RunKind::Batch, scope.tenant(), *id.as_bytes(), now).await?;
    let active_max = engine.settings.batches.active_per_tenant_max;
    if !store.insert_batch(&row, active_max).await? {
        engine.store.control().forget_run(*id.as_bytes()).await?;
        let kind = ErrorKind::RateLimited { retry_after: RETRY_AFTER };
        return Err(Error::new(kind, format!("{active_max} batches of this tenant are not over; wait for one, or cancel one")));
    }
    engine.batches.wake();
    BatchView::open(row, &seals)
}

/// When a caller may come again who has too many batches.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(60);

/// One batch.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn find(engine: &Engine, scope: &TenantScope, id: BatchId) -> Result<BatchView> {
    let row = engine.store.tenant(scope).await?.batch(id).await?.ok_or_else(no_such_batch)?;
    BatchView::open(row, &*engine.store.seals(scope).await?)
}

/// At most `limit` of a tenant's batches, the newest first, from the one behind `after` on; and whether more follow.
pub async fn list(engine: &Engine, scope: &TenantScope, after: Option<BatchId>, limit: u32) -> Result<(Vec<BatchView>, bool)> {
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let mut rows = store.batches(after, limit.saturating_add(1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let batches = rows.into_iter().map(|row| BatchView::open(row, &seals)).collect::<Result<_>>()?;
    Ok((batches, more))
}

/// Stops a batch: what is under way comes to its end, the rest is not begun. One that is or is being cancelled stays so.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id; [`ErrorKind::Conflict`] where it is over, or about to be.
pub async fn cancel(engine: &Engine, scope: &TenantScope, id: BatchId) -> Result<BatchView> {
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    loop {
        let row = store.batch(id).await?.ok_or_else(no_such_batch)?;
        match row.status {
            BatchStatus::Cancelling | BatchStatus::Cancelled => return BatchView::open(row, &seals),
            BatchStatus::Validating | BatchStatus::InProgress => {}
            status => {
                let message = format!("a batch that is `{}` cannot be cancelled", status.name());
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        let times = BatchTimes { cancelling_at: Some(engine.clock.now()), ..row.times };
        let cancelling = BatchRow { status: BatchStatus::Cancelling, waiting: None, times, ..row.clone() };
        if store.move_batch(&cancelling, row.status).await? {
            engine.batches.wake();
            return BatchView::open(cancelling, &seals);
        }
    }
}

/// Another tenant's batch, one that never was, and a text that is no id: all the same.
pub fn no_such_batch() -> Error {
    Error::new(ErrorKind::NotFound, "no such batch; GET /v1/batches lists them")
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    let fits = |(name, value): (&String, &String)| {
        name.chars().count() <= METADATA_NAME_CHARS_MAX && value.chars().count() <= METADATA_VALUE_CHARS_MAX
    };
    if metadata.len() <= METADATA_MAX && metadata.iter().all(fits) {
        return Ok(());
    }
    let message = format!(
        "`metadata` takes at most {METADATA_MAX} notes, with names of up to {METADATA_NAME_CHARS_MAX} and values of up to \
         {METADATA_VALUE_CHARS_MAX} characters"
    );
    Err(Error::invalid(message).at("metadata"))
}
