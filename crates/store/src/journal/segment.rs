//! One file of the journal: its name and the 64 bytes in front of its records.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::disk::DiskFile;

/// Where the first record stands.
pub(super) const RECORDS_START: u64 = 64;

const MAGIC: &[u8; 8] = b"INSULAJ1";
const VERSION: u32 = 1;
/// Magic, version, number, first sequence number, check of the record before, and the CRC of these.
const HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 4 + 4;

/// A segment's file.
#[derive(Clone)]
pub(super) struct Segment {
    /// Its number, which is also its name.
    pub(super) number: u64,
    /// Its file.
    pub(super) file: Arc<dyn DiskFile>,
    /// The file's length in bytes.
    pub(super) bytes: u64,
}

/// What a segment in use says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The number under which it was begun.
    pub(super) number: u64,
    /// The sequence number of its first record.
    pub(super) first_seq: u64,
    /// The check of the record before the first: the chain goes on across files.
    pub(super) previous: u32,
}

impl SegmentHeader {
    /// The bytes at the front of the file.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.previous.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file; `None` if there is none: a file prepared and never used, or whose header was not yet
    /// on the disk when power was lost.
    pub(super) fn read(file: &dyn DiskFile) -> io::Result<Option<Self>> {
        if file.size()? < RECORDS_START {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_at(&mut bytes, 0)?;
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let short = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        if bytes[..8] != MAGIC[..] || short(32) != crc32fast::hash(&bytes[..32]) {
            return Ok(None);
        }
        if short(8) != VERSION {
            return Err(io::Error::other(format!("journal format {} is not known to this version of Insula", short(8))));
        }
        Ok(Some(Self { number: number(12), first_seq: number(20), previous: short(28) }))
    }
}

/// The file of segment `number`.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.seg"))
}

/// The number in a file's name; `None` for other files.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".seg").filter(|digits| digits.len() >= 12)?.parse().ok()
}

/// A file under preparation; one that is found at a start is left from a start that was cut short.
pub(super) fn unfinished(dir: &Path) -> PathBuf {
    dir.join("unfinished.tmp")
}
