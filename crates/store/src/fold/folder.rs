//! The folder's work: reads synced records in order and moves them where they are kept.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use insula_model::{Clock, Error, ErrorKind, Result, TenantId, Timestamp};

use super::{inbox::Inbox, open_attempts::OpenAttempts, sorter::Sorter, target::Target};
use crate::{
    control::{FoldBatch, Position},
    journal::{FileJournal, Reader},
    records::TraceRecord,
};

/// A batch is applied when it has this many rows.
pub(super) const BATCH_ROWS_MAX: usize = 2_000;

/// A position without rows is stored only once it moved this far: nothing is lost by reading these records again.
const POSITION_LAG_MAX: u64 = 10_000;

/// More segments than this are not kept for the sake of tenants whose files cannot be written.
const SEGMENTS_KEPT_MAX: usize = 32;

/// For how long traces that are due are written before other work is looked at.
const WRITE_DUE_MAX: Duration = Duration::from_millis(50);

/// Moves records from the journal to the ledger and to the tenants' files. Owned by one thread.
pub(super) struct Folder {
    pub(super) journal: FileJournal,
    pub(super) reader: Reader,
    pub(super) sorter: Sorter,
    pub(super) target: Arc<dyn Target>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inbox: Arc<Inbox>,
}

/// Why records could not be folded.
#[derive(Debug)]
pub(super) enum FoldError {
    /// The journal is damaged: there is no going on.
    Damaged(Error),
    /// The ledger could not be written, most likely for want of room: it is tried again.
    Failed(Error),
}

impl From<FoldError> for Error {
    fn from(error: FoldError) -> Error {
        let (FoldError::Damaged(error) | FoldError::Failed(error)) = error;
        error
    }
}

impl Folder {
    /// A folder that goes on where `target` says.
    pub(super) fn new(journal: FileJournal, target: Arc<dyn Target>, clock: Arc<dyn Clock>, inbox: Arc<Inbox>) -> Result<Self> {
        let applied = target.position()?;
        let open = OpenAttempts::new(target.open_attempts()?);
        let reader = journal.reader()?;
        let (first, last) = (reader.next_seq(), journal.written().get());
        if applied.seq > last || applied.seq + 1 < first {
            let message = format!(
                "the ledger has the journal up to record {}, but the journal holds records {first} to {last}: its folder \
                 is missing, damaged or from another time. Restore the data directory as a whole",
                applied.seq
            );
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let sorter = Sorter { open, applied, batch: FoldBatch::default(), latest: Timestamp::default() };
        Ok(Self { journal, reader, sorter, target, clock, inbox })
    }

    /// Reads up to the last synced record. Traces are written as their tenants' buffers fill, rows as the batch fills.
    pub(super) fn read_synced(&mut self) -> Result<(), FoldError> {
        let last = self.journal.synced_seq();
        self.reader.refresh();
        while self.reader.next_seq() <= last {
            if self.sorter.batch.rows.len() >= BATCH_ROWS_MAX {
                self.apply()?;
            }
            let record = self.journal.read(&mut self.reader);
            let record = record.map_err(|error| FoldError::Damaged(self.journal.damage(&error)))?;
            let seq = record.seq;
            // Its checksum is right, so this is not damage but a form that this version does not know.
            let trace = self.sorter.take(&record).map_err(|error| {
                let message = format!("record {seq} of the journal cannot be read by this version of Insula: {error}");
                FoldError::Damaged(Error::new(ErrorKind::Internal, message))
            })?;
            let Some(trace) = trace else { continue };
            let tenant = trace.tenant;
            if self.inbox.pending.lock().push(trace, seq, self.clock.elapsed()) {
                // A failure is logged there; the traces are kept.
                let _ = self.write_traces(tenant);
            }
            self.keep_bound();
        }
        self.inbox.set_read(last);
        Ok(())
    }

    /// Applies what was read, where there is reason to.
    pub(super) fn apply(&mut self) -> Result<(), FoldError> {
        let batch = &self.sorter.batch;
        let lag = self.position().seq - self.sorter.applied.seq;
        if batch.rows.is_empty() && batch.carried.is_empty() && batch.closed.is_empty() && lag < POSITION_LAG_MAX {
            return Ok(());
        }
        self.apply_anyway()
    }

    /// Applies what was read and the position, even if only that moved.
    pub(super) fn apply_anyway(&mut self) -> Result<(), FoldError> {
        let position = self.position();
        self.sorter.batch.position = position;
        self.sorter.batch.latest_time = self.sorter.latest;
        self.target.apply(&self.sorter.batch).map_err(FoldError::Failed)?;
        self.sorter.open.carried(&self.sorter.batch.carried);
        self.sorter.applied = position;
        self.sorter.batch = FoldBatch::default();
        Ok(())
    }

    /// How far everything is once the batch is applied.
    fn position(&self) -> Position {
        let read = self.reader.next_seq() - 1;
        let pending = self.inbox.pending.lock().oldest_seq();
        // A start reads again what is folded: both numbers stand still until it has come as far.
        let seq = read.max(self.sorter.applied.seq);
        let traces_seq = pending.map_or(read, |oldest| oldest - 1).max(self.sorter.applied.traces_seq);
        Position { seq, traces_seq }
    }

    /// Writes a tenant's pending traces into its file; keeps them if that fails.
    pub(super) fn write_traces(&self, tenant: TenantId) -> Result<()> {
        write_out(&self.inbox, &*self.clock, tenant, |traces| self.target.apply_traces(tenant, traces))
    }

    /// Writes those traces that waited long enough; not all at once if that takes long, because others wait for this
    /// thread.
    pub(super) fn write_due(&self) {
        let begun = Instant::now();
        let due = self.inbox.pending.lock().due(self.clock.elapsed());
        for tenant in due {
            let _ = self.write_traces(tenant);
            if begun.elapsed() > WRITE_DUE_MAX {
                break;
            }
        }
    }

    /// Writes all pending traces; the first error if some could not be.
    pub(super) fn write_all(&self) -> Result<()> {
        let mut result = Ok(());
        let all = self.inbox.pending.lock().all();
        for tenant in all {
            result = result.and(self.write_traces(tenant));
        }
        result
    }

    /// Keeps the memory of pending traces bounded: the largest are written, and what cannot be is dropped.
    pub(super) fn keep_bound(&self) {
        if !self.inbox.pending.lock().is_over_bound() {
            return;
        }
        let largest = self.inbox.pending.lock().largest();
        for tenant in largest {
            if self.write_traces(tenant).is_err() {
                self.drop_traces(tenant, "too many traces wait for files that cannot be written");
            }
        }
    }

    fn drop_traces(&self, tenant: TenantId, why: &str) {
        tracing::error!(%tenant, "a tenant's pending traces are dropped: {why}");
        self.inbox.pending.lock().forget(tenant);
    }

    /// Gives up segments of which nothing is needed any more: rows in the ledger, traces in their files, and what is
    /// still open carried by the control database.
    pub(super) fn retire(&mut self) -> Result<(), FoldError> {
        while let Some(oldest) = self.journal.oldest_complete() {
            if self.reader.segment() <= oldest.segment {
                return Ok(());
            }
            if self.journal.segment_count() > SEGMENTS_KEPT_MAX {
                let failing = self.inbox.pending.lock().failing_up_to(oldest.last_seq);
                for tenant in failing {
                    self.drop_traces(tenant, "its file cannot be written and the journal grows too long");
                }
            }
            if self.inbox.pending.lock().oldest_seq().is_some_and(|seq| seq <= oldest.last_seq) {
                return Ok(());
            }
            self.sorter.batch.carried = self.sorter.open.to_carry(oldest.last_seq);
            // Everything that was read, also behind this segment: an attempt that began in it may have ended since, and its
            // row be known only here.
            let all_applied = self.sorter.applied.seq + 1 == self.reader.next_seq();
            if !self.sorter.batch.carried.is_empty() || !all_applied {
                let applied = self.apply_anyway();
                // What could not be carried may end before it is tried again.
                self.sorter.batch.carried.clear();
                applied?;
            }
            self.journal.retire_oldest().map_err(FoldError::Failed)?;
        }
        Ok(())
    }
}

/// Hands a tenant's pending traces to `write`, without holding any lock meanwhile.
pub(super) fn write_out(
    inbox: &Inbox,
    clock: &dyn Clock,
    tenant: TenantId,
    write: impl FnOnce(&[TraceRecord]) -> Result<()>,
) -> Result<()> {
    let Some(taken) = inbox.pending.lock().take(tenant) else { return Ok(()) };
    let written = write(&taken.traces);
    let mut pending = inbox.pending.lock();
    match &written {
        Ok(()) => pending.written(&taken),
        Err(error) => {
            let cause = error.private_source().map(ToString::to_string);
            tracing::warn!(%tenant, %error, cause, "a tenant's traces could not be written; they are kept and tried again");
            pending.failed(taken, clock.elapsed());
        }
    }
    written
}
