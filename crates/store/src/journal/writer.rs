//! The end of the journal: where the next record goes. Everything here happens under one lock.

use std::{collections::VecDeque, io, sync::Arc};

use super::{
    codec,
    disk::DiskFile,
    room::{ATTEMPT_SLOT_BYTES, END_SLOT_BYTES, Place, Room},
    segment::{RECORDS_START, Segment, SegmentHeader},
};

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The segment.
    pub(crate) segment: u64,
    /// Bytes from the front of its file.
    pub(crate) offset: u64,
    /// The sequence number of the record that stands or will stand here.
    pub(crate) next_seq: u64,
    /// The check of the record before.
    pub(super) check: u32,
}

/// A segment with records.
pub(super) struct Begun {
    pub(super) segment: Segment,
    pub(super) first_seq: u64,
}

/// What is written, and what there is to write into.
pub(super) struct Writer {
    /// Segments with records, oldest first; the last is being written.
    pub(super) begun: VecDeque<Begun>,
    active: Segment,
    end: Cursor,
    /// Prepared segments in the order of their numbers.
    ready: Vec<Segment>,
    /// What each of `ready` takes, in bytes.
    ready_bytes: Vec<u64>,
    /// The first record of this run, until it is written.
    opening: Option<Vec<u8>>,
    /// Attempts that began and did not end.
    open: u64,
    /// Set when the journal closes: nothing is taken any more.
    pub(super) closed: bool,
}

/// What a write must leave room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// The END and an ordinary trace of every open attempt and of the one that begins.
    ForAttempts,
    /// The END of every open attempt, without the one that this write ends.
    ForOtherEnds,
    /// The END of every open attempt.
    ForEnds,
    /// Nothing: this is what the room was kept for.
    Nothing,
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("no room is left in the journal")]
    Full,
    #[error("the journal is closed")]
    Closed,
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl Writer {
    /// A writer that goes on at `end`, which lies in `active`, the last of `begun`. Before anything else it writes `opening`.
    pub(super) fn new(begun: VecDeque<Begun>, active: Segment, end: Cursor, ready: Vec<Segment>, opening: Vec<u8>) -> Self {
        let ready_bytes = ready.iter().map(usable).collect();
        Self { begun, active, end, ready, ready_bytes, opening: Some(opening), open: 0, closed: false }
    }

    /// Writes the first record of this run, unless that was done.
    pub(super) fn write_opening(&mut self) -> Result<u64, AppendError> {
        if let Some(mut opening) = self.opening.take()
            && let Err(error) = self.append_records(&mut opening, Leave::Nothing)
        {
            self.opening = Some(opening);
            return Err(error);
        }
        Ok(self.end.next_seq - 1)
    }

    /// Writes the encoded `records` in one piece, if that leaves the room asked for. Returns the last one's number.
    pub(super) fn append(&mut self, records: &mut [u8], leave: Leave) -> Result<u64, AppendError> {
        self.write_opening()?;
        self.append_records(records, leave)
    }

    fn append_records(&mut self, records: &mut [u8], leave: Leave) -> Result<u64, AppendError> {
        let place = self.place(records.len() as u64, leave).ok_or(AppendError::Full)?;
        if place == Place::Next {
            self.begin_next()?;
        }
        let (next_seq, check) = codec::seal(records, self.end.next_seq, self.end.check);
        // Inside the lock: were a later record on the disk before an earlier one, a crash between the two would lose
        // both, and the later one's caller was already told that it is safe.
        self.active.file.write_at(records, self.end.offset)?;
        self.end = Cursor { segment: self.end.segment, offset: self.end.offset + records.len() as u64, next_seq, check };
        Ok(next_seq - 1)
    }

    fn place(&self, bytes: u64, leave: Leave) -> Option<Place> {
        let room = Room { active: self.active.bytes.saturating_sub(self.end.offset), ready: &self.ready_bytes };
        match leave {
            Leave::ForAttempts => room.place_leaving(bytes, self.open + 1, ATTEMPT_SLOT_BYTES),
            Leave::ForOtherEnds => room.place_leaving(bytes, self.open.saturating_sub(1), END_SLOT_BYTES),
            Leave::ForEnds => room.place_leaving(bytes, self.open, END_SLOT_BYTES),
            Leave::Nothing => room.place(bytes),
        }
    }

    /// Goes on in the next prepared segment. The old one is synced first, so that a segment with a successor is whole
    /// and only the last one can be torn.
    fn begin_next(&mut self) -> Result<(), AppendError> {
        let next = self.ready.first().cloned().ok_or(AppendError::Full)?;
        if let Err(error) = self.active.file.sync_data() {
            super::fatal("the journal could not be synced", &error);
        }
        let end = Cursor { segment: next.number, offset: RECORDS_START, ..self.end };
        let header = SegmentHeader { number: next.number, first_seq: end.next_seq, previous: end.check };
        next.file.write_at(&header.encode(), 0)?;
        self.ready.remove(0);
        self.ready_bytes.remove(0);
        self.begun.push_back(Begun { segment: next.clone(), first_seq: end.next_seq });
        self.active = next;
        self.end = end;
        Ok(())
    }

    /// One more attempt is open.
    pub(super) fn opened(&mut self) {
        self.open += 1;
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Takes a prepared segment.
    pub(super) fn add_ready(&mut self, segment: Segment) {
        self.ready_bytes.push(usable(&segment));
        self.ready.push(segment);
    }

    /// How many segments are prepared.
    pub(super) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Whether another segment should be prepared: always one ahead, and so many that all open attempts and one more fit.
    pub(super) fn wants_segment(&self) -> bool {
        let slots: u64 = self.ready_bytes.iter().map(|bytes| bytes / ATTEMPT_SLOT_BYTES).sum();
        !self.closed && (self.ready.is_empty() || slots <= self.open)
    }

    /// The file being written, and the number of the last record in it.
    pub(super) fn written(&self) -> (Arc<dyn DiskFile>, u64) {
        (self.active.file.clone(), self.end.next_seq - 1)
    }
}

fn usable(segment: &Segment) -> u64 {
    segment.bytes.saturating_sub(RECORDS_START)
}
