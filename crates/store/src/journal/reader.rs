//! Reads records back, while the journal runs and after a crash alike.

use std::{io, ops::Range};

use super::{
    codec::{HEADER_BYTES, Header, Kind},
    segment::{RECORDS_START, Segment, SegmentHeader},
    writer::Cursor,
};

/// How much is read from the file at once.
const READ_BYTES: usize = 256 << 10;

/// Reads one segment from a cursor on.
pub(super) struct SegmentReader {
    segment: Segment,
    at: Cursor,
    buffer: Vec<u8>,
    /// Where in the file the buffer starts.
    buffer_start: u64,
}

/// A record in the reader's buffer.
pub(super) struct Found {
    pub(super) seq: u64,
    pub(super) kind: Kind,
    payload: Range<usize>,
}

impl SegmentReader {
    /// Reads `segment` from its first record on.
    pub(super) fn new(segment: Segment, header: SegmentHeader) -> Self {
        let at = Cursor { segment: segment.number, offset: RECORDS_START, next_seq: header.first_seq, check: header.previous };
        Self { segment, at, buffer: Vec::new(), buffer_start: RECORDS_START }
    }

    /// Where the next record stands.
    pub(super) fn cursor(&self) -> Cursor {
        self.at
    }

    /// Forgets what was read ahead: the writer may have written there since.
    pub(super) fn forget(&mut self) {
        self.buffer.clear();
        self.buffer_start = self.at.offset;
    }

    /// The next record; `None` where no record follows the one before.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        if !self.fill(HEADER_BYTES)? {
            return Ok(None);
        }
        let Some(header) = Header::parse(self.unread()) else { return Ok(None) };
        if !header.follows(self.at.next_seq, self.at.check) {
            return Ok(None);
        }
        let record_bytes = HEADER_BYTES + header.length as usize;
        if !self.fill(record_bytes)? {
            return Ok(None);
        }
        let start = self.skipped();
        let payload = start + HEADER_BYTES..start + record_bytes;
        if !header.holds(&self.buffer[payload.clone()]) {
            return Ok(None);
        }
        let kind = Kind::of(header.kind)
            .ok_or_else(|| io::Error::other("a newer version of Insula wrote this record; start that version again"))?;
        self.at.offset += record_bytes as u64;
        self.at.next_seq += 1;
        self.at.check = header.check;
        Ok(Some(Found { seq: header.seq, kind, payload }))
    }

    /// The payload of the record that `next` returned last.
    pub(super) fn payload(&self, found: &Found) -> &[u8] {
        &self.buffer[found.payload.clone()]
    }

    /// Bytes of the buffer that lie before the cursor.
    fn skipped(&self) -> usize {
        (self.at.offset - self.buffer_start) as usize
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.skipped()..]
    }

    /// Makes sure that `bytes` from the cursor on are in the buffer; false if the file ends before.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        if self.unread().len() >= bytes {
            return Ok(true);
        }
        let left = self.segment.bytes.saturating_sub(self.at.offset);
        if left < bytes as u64 {
            return Ok(false);
        }
        let wanted = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES.max(bytes));
        self.buffer.drain(..self.skipped());
        self.buffer_start = self.at.offset;
        let have = self.buffer.len();
        self.buffer.resize(wanted, 0);
        self.segment.file.read_at(&mut self.buffer[have..], self.at.offset + have as u64)?;
        Ok(true)
    }
}

/// Reads the whole journal in order, from its oldest record on.
pub(crate) struct Reader {
    segment: SegmentReader,
}

/// A record as the folder gets it.
pub(crate) struct RawRecord<'a> {
    /// Its place in the journal.
    pub(crate) seq: u64,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its content in postcard.
    pub(crate) payload: &'a [u8],
}

/// Why the journal cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// No record follows where one must.
    #[error("record {seq} is missing or damaged in segment {segment} at offset {offset}")]
    Damaged {
        /// The segment.
        segment: u64,
        /// Bytes from the front of its file.
        offset: u64,
        /// The record that should be there.
        seq: u64,
    },
    /// The file cannot be read.
    #[error("segment {segment} cannot be read at offset {offset}: {source}")]
    Io {
        /// The segment.
        segment: u64,
        /// Bytes from the front of its file.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}

impl Reader {
    /// Reads from the front of `oldest` on.
    pub(super) fn new(oldest: Segment) -> Result<Self, ReadError> {
        let number = oldest.number;
        match open(oldest, None) {
            Ok(Some(segment)) => Ok(Self { segment }),
            Ok(None) => Err(ReadError::Damaged { segment: number, offset: 0, seq: 0 }),
            Err(source) => Err(ReadError::Io { segment: number, offset: 0, source }),
        }
    }

    /// The sequence number of the record that comes next.
    pub(crate) fn next_seq(&self) -> u64 {
        self.segment.cursor().next_seq
    }

    /// The segment being read.
    pub(crate) fn segment(&self) -> u64 {
        self.segment.cursor().segment
    }

    /// Call it before reading up to a higher sequence number than before.
    pub(crate) fn refresh(&mut self) {
        self.segment.forget();
    }

    /// The next record, which must exist; `segment_of` finds the segment of a number.
    pub(super) fn next(&mut self, segment_of: impl Fn(u64) -> Option<Segment>) -> Result<RawRecord<'_>, ReadError> {
        let mut found = self.read()?;
        if found.is_none() {
            self.cross(segment_of)?;
            found = self.read()?;
        }
        match found {
            Some(found) => Ok(RawRecord { seq: found.seq, kind: found.kind, payload: self.segment.payload(&found) }),
            None => Err(self.damaged()),
        }
    }

    fn read(&mut self) -> Result<Option<Found>, ReadError> {
        let at = self.segment.cursor();
        self.segment.next().map_err(|source| ReadError::Io { segment: at.segment, offset: at.offset, source })
    }

    /// Goes on in the next segment, whose header must name the very record that comes next.
    fn cross(&mut self, segment_of: impl Fn(u64) -> Option<Segment>) -> Result<(), ReadError> {
        let at = self.segment.cursor();
        let next = segment_of(at.segment + 1).ok_or_else(|| self.damaged())?;
        let opened = open(next, Some(at));
        let opened = opened.map_err(|source| ReadError::Io { segment: at.segment + 1, offset: 0, source })?;
        self.segment = opened.ok_or_else(|| self.damaged())?;
        Ok(())
    }

    fn damaged(&self) -> ReadError {
        let at = self.segment.cursor();
        ReadError::Damaged { segment: at.segment, offset: at.offset, seq: at.next_seq }
    }
}

/// A reader of `segment` if it is in use and, where `after` is given, goes on from there.
fn open(segment: Segment, after: Option<Cursor>) -> io::Result<Option<SegmentReader>> {
    let header = SegmentHeader::read(&*segment.file)?.filter(|header| header.number == segment.number);
    let continues =
        |header: &SegmentHeader| after.is_none_or(|at| header.first_seq == at.next_seq && header.previous == at.check);
    Ok(header.filter(continues).map(|header| SegmentReader::new(segment, header)))
}
