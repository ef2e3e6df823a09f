//! Finds the segments on the disk and the end of the journal in the last of them.

use std::{collections::VecDeque, path::Path};

use insula_model::{Error, ErrorKind, Result};

use super::{
    disk::Disk,
    reader::SegmentReader,
    segment::{self, RECORDS_START, Segment, SegmentHeader},
    writer::{Begun, Cursor},
};

/// What a start finds.
pub(super) struct Opened {
    /// Segments with records, oldest first, at least one.
    pub(super) begun: VecDeque<Begun>,
    /// Segments prepared for use.
    pub(super) ready: Vec<Segment>,
    /// Behind the last valid record.
    pub(super) end: Cursor,
}

/// Opens the journal in `dir`, or makes its first segment. What follows the last valid record of the last segment was
/// torn by a crash or is left from an earlier use of the file; it is passed over. Earlier segments were synced before
/// their successor began, so there the reader takes a bad record for the damage it is.
pub(super) fn open(disk: &dyn Disk, dir: &Path, segment_bytes: u64) -> Result<Opened> {
    let mut files = files(disk, dir)?;
    let in_use = files.iter().rposition(|(_, header)| header.is_some()).map_or(0, |last| last + 1);
    let ready = files.split_off(in_use).into_iter().map(|(segment, _)| segment).collect::<Vec<_>>();
    let mut begun = VecDeque::new();
    for (segment, header) in files {
        let Some(header) = header else {
            return Err(damaged(dir, segment.number, 0, "its header is damaged"));
        };
        begun.push_back((segment, header));
    }
    let ready = contiguous(disk, dir, begun.back().map(|(s, _)| s.number), ready)?;
    if begun.is_empty() {
        return first(disk, dir, segment_bytes, ready);
    }
    if let Some(((before, _), _)) = begun.iter().zip(begun.iter().skip(1)).find(|((a, _), (b, _))| a.number + 1 != b.number) {
        return Err(damaged(dir, before.number + 1, 0, "the file is missing"));
    }
    let end = find_end(dir, &begun)?;
    let begun = begun.into_iter().map(|(segment, header)| Begun { segment, first_seq: header.first_seq }).collect();
    Ok(Opened { begun, ready, end })
}

/// All segments by number, each with its header if it is in use.
fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<(Segment, Option<SegmentHeader>)>> {
    let names = disk.list(dir).map_err(|e| unusable(dir, &e))?;
    if names.iter().any(|name| dir.join(name) == segment::unfinished(dir)) {
        disk.remove(&segment::unfinished(dir)).map_err(|e| unusable(dir, &e))?;
    }
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let open = |number| {
        let path = segment::path(dir, number);
        let file = disk.open(&path).map_err(|e| unusable(&path, &e))?;
        let bytes = file.size().map_err(|e| unusable(&path, &e))?;
        let header = SegmentHeader::read(&*file).map_err(|e| unusable(&path, &e))?;
        // A recycled file still has the header of its former number: it is only prepared.
        let header = header.filter(|header| header.number == number);
        Ok((Segment { number, file, bytes }, header))
    };
    numbers.into_iter().map(open).collect()
}

/// Of the prepared segments those that follow `last` without a gap; the others are removed.
fn contiguous(disk: &dyn Disk, dir: &Path, last: Option<u64>, ready: Vec<Segment>) -> Result<Vec<Segment>> {
    let mut next = last.map_or_else(|| ready.first().map_or(1, |segment| segment.number), |last| last + 1);
    let mut kept = Vec::new();
    for segment in ready {
        if segment.number == next && segment.bytes > RECORDS_START {
            next += 1;
            kept.push(segment);
        } else {
            let path = segment::path(dir, segment.number);
            disk.remove(&path).map_err(|e| unusable(&path, &e))?;
        }
    }
    Ok(kept)
}

/// Begins an empty journal.
fn first(disk: &dyn Disk, dir: &Path, segment_bytes: u64, mut ready: Vec<Segment>) -> Result<Opened> {
    let segment = if ready.is_empty() {
        create(disk, dir, 1, segment_bytes).map_err(|e| unusable(&segment::path(dir, 1), &e))?
    } else {
        ready.remove(0)
    };
    let header = SegmentHeader { number: segment.number, first_seq: 1, previous: 0 };
    segment.file.write_at(&header.encode(), 0).map_err(|e| unusable(dir, &e))?;
    let end = Cursor { segment: segment.number, offset: RECORDS_START, next_seq: 1, check: 0 };
    Ok(Opened { begun: VecDeque::from([Begun { segment, first_seq: 1 }]), ready, end })
}

/// Prepares a new segment: it has its name only once it is whole and durable.
pub(super) fn create(disk: &dyn Disk, dir: &Path, number: u64, bytes: u64) -> std::io::Result<Segment> {
    let unfinished = segment::unfinished(dir);
    let made = disk.create(&unfinished, bytes).and_then(|file| {
        file.sync_data()?;
        disk.rename(&unfinished, &segment::path(dir, number))?;
        disk.sync_dir(dir)?;
        Ok(Segment { number, file, bytes })
    });
    if made.is_err() {
        // On a full disk the part that fitted must not stay in the way of others. That it was renamed and only the
        // folder could not be synced is the one case in which there is nothing to remove.
        let _ = disk.remove(&unfinished);
    }
    made
}

/// Reads the last segment to its end and makes it durable: what is behind it from now on must not survive alone.
fn find_end(dir: &Path, begun: &VecDeque<(Segment, SegmentHeader)>) -> Result<Cursor> {
    let Some((segment, header)) = begun.back() else {
        return Err(Error::internal("a journal without segments has no end"));
    };
    let path = segment::path(dir, segment.number);
    let mut reader = SegmentReader::new(segment.clone(), *header);
    while reader.next().map_err(|e| damaged(dir, segment.number, reader.cursor().offset, &e.to_string()))?.is_some() {}
    segment.file.sync_data().map_err(|e| unusable(&path, &e))?;
    Ok(reader.cursor())
}

/// The journal cannot be trusted: the message names the file and the place in it.
pub(super) fn damaged(dir: &Path, segment: u64, offset: u64, what: &str) -> Error {
    let path = segment::path(dir, segment);
    Error::new(
        ErrorKind::Internal,
        format!(
            "the journal is damaged: {} at offset {offset}: {what}. Restore the data directory from a backup; what was \
             spent since would otherwise be forgotten",
            path.display()
        ),
    )
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("the journal cannot be used: {}: {error}", path.display()))
}
