//! What only the folder asks of the journal.

use std::time::Duration;

use insula_model::{Error, Result, TenantId};

use super::{FileJournal, RawRecord, ReadError, Reader, Seq, keeper, open};

/// A segment that is written to its end.
pub(crate) struct Complete {
    /// The segment.
    pub(crate) segment: u64,
    /// Its last record.
    pub(crate) last_seq: u64,
}

impl FileJournal {
    /// The last record written so far.
    pub(crate) fn written(&self) -> Seq {
        Seq(self.0.shared.progress.written())
    }

    /// A record at or behind this tenant's latest trace of this run.
    pub(crate) fn latest_trace(&self, tenant: TenantId) -> Seq {
        Seq(self.0.shared.marks.latest(tenant))
    }

    /// A reader at the oldest record.
    pub(crate) fn reader(&self) -> Result<Reader> {
        let oldest = self.0.shared.writer.lock().begun.front().map(|begun| begun.segment.clone());
        let oldest = oldest.ok_or_else(|| Error::internal("the journal has no segment"))?;
        Reader::new(oldest).map_err(|error| self.damage(&error))
    }

    /// Reads on; the record must have been synced.
    pub(crate) fn read<'a>(&self, reader: &'a mut Reader) -> Result<RawRecord<'a>, ReadError> {
        let segment_of = |number| {
            let writer = self.0.shared.writer.lock();
            writer.begun.iter().map(|begun| &begun.segment).find(|segment| segment.number == number).cloned()
        };
        reader.next(segment_of)
    }

    /// The error of a reader in words for the operator, with the file's path.
    pub(crate) fn damage(&self, error: &ReadError) -> Error {
        let (ReadError::Damaged { segment, offset, .. } | ReadError::Io { segment, offset, .. }) = error;
        open::damaged(&self.0.shared.dir, *segment, *offset, &error.to_string())
    }

    /// The last record that survives a loss of power.
    pub(crate) fn synced_seq(&self) -> u64 {
        self.0.shared.progress.synced()
    }

    /// Lets the folder's thread sleep until record `seq` is synced, for `at_most`, or until it is woken.
    pub(crate) fn sleep_until_synced(&self, seq: u64, at_most: Option<Duration>, has_work: impl FnOnce() -> bool) {
        self.0.shared.progress.sleep_folder(seq, at_most, has_work);
    }

    /// Wakes the folder's thread.
    pub(crate) fn wake_folder(&self) {
        self.0.shared.progress.wake_folder();
    }

    /// The oldest segment, if it is written to its end.
    pub(crate) fn oldest_complete(&self) -> Option<Complete> {
        let writer = self.0.shared.writer.lock();
        let next = writer.begun.get(1)?;
        Some(Complete { segment: writer.begun.front()?.segment.number, last_seq: next.first_seq - 1 })
    }

    /// How many segments hold records.
    pub(crate) fn segment_count(&self) -> usize {
        self.0.shared.writer.lock().begun.len()
    }

    /// Gives up the oldest segment: nothing in it is needed any more.
    pub(crate) fn retire_oldest(&self) -> Result<()> {
        keeper::retire(&self.0.shared)
    }
}
