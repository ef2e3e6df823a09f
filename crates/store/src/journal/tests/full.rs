//! A full disk refuses what is new and never what was begun.

use insula_model::{ErrorKind, Result};

use super::{
    super::{Kind, decode, test_disk::TestDisk},
    open, read_all, samples,
};
use crate::records::TraceRecord;

/// Begins attempts until one is refused.
fn begin_until_refused(journal: &super::FileJournal, from: u64) -> u64 {
    let mut n = from;
    loop {
        match journal.begin(&samples::begin(n)) {
            Ok(_) => n += 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
                assert!(error.message().contains("room"), "{error}");
                return n;
            }
        }
    }
}

fn full_disk() -> (TestDisk, super::FileJournal) {
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    while disk.creates() < 2 {
        std::thread::yield_now();
    }
    disk.fill_up_to(0);
    (disk, journal)
}

#[test]
fn begins_are_refused_and_ends_are_not() -> Result<()> {
    let (disk, journal) = full_disk();
    let open_attempts = begin_until_refused(&journal, 0);
    assert!(open_attempts > 10);
    for n in 0..open_attempts {
        journal.end(&samples::end(n), Some(&samples::trace(n, 1_000)));
    }
    // Again, until really nothing fits; now each comes with more content than was set aside for it.
    let mut from = open_attempts;
    loop {
        let to = begin_until_refused(&journal, from);
        if to == from {
            break;
        }
        for n in from..to {
            journal.end(&samples::end(n), Some(&samples::trace(n, 9_000)));
        }
        from = to;
    }
    let read = read_all(&journal)?;
    let count = |kind| read.iter().filter(|r| r.1 == kind).count() as u64;
    assert_eq!((count(Kind::Begin), count(Kind::End), count(Kind::Trace)), (from, from, from));
    let bare = |r: &&(u64, Kind, Vec<u8>)| decode::<TraceRecord>(&r.2).is_ok_and(|trace| trace.sealed_detail.is_empty());
    assert!(read.iter().filter(|r| r.1 == Kind::Trace).any(|r| bare(&r)), "some lost their content");

    // And nothing of it is lost to the next run, which finds room for no attempt and starts all the same: what is folded makes room.
    let journal = open(&disk.after_kill(), 2)?;
    let again = read_all(&journal)?;
    assert!(again.starts_with(&read), "the same");
    assert!(again.iter().skip(read.len()).all(|r| r.1 == Kind::Opened), "and nothing else but that it opened");
    journal.retire_oldest()?;
    journal.begin(&samples::begin(from))?;
    let kinds: Vec<_> = read_all(&journal)?.iter().rev().take(2).map(|r| r.1).collect();
    assert_eq!(kinds, [Kind::Begin, Kind::Opened]);
    Ok(())
}

#[test]
fn requests_are_taken_again_when_there_is_room() -> Result<()> {
    let (disk, journal) = full_disk();
    let n = begin_until_refused(&journal, 0);
    disk.make_room();
    let begun = std::time::Instant::now();
    while journal.begin(&samples::begin(n)).is_err() {
        assert!(begun.elapsed().as_secs() < 10, "no segment was prepared");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn a_trace_too_long_for_a_segment_loses_its_content_only() -> Result<()> {
    let journal = open(&TestDisk::new(), 1)?;
    journal.begin(&samples::begin(3))?;
    journal.end(&samples::end(3), Some(&samples::trace(3, 100_000)));
    journal.trace(&samples::trace(6, 100_000));
    let read = read_all(&journal)?;
    let traces: Vec<TraceRecord> = read.iter().filter(|r| r.1 == Kind::Trace).map(|r| decode(&r.2).unwrap()).collect();
    assert_eq!(traces.len(), 2);
    for trace in traces {
        assert!(trace.sealed_detail.is_empty());
        assert_eq!(trace.idempotency.map(|entry| entry.sealed_transcript), Some(None));
    }
    Ok(())
}

#[test]
fn nothing_is_begun_while_stopping() -> Result<()> {
    let journal = open(&TestDisk::new(), 1)?;
    let seq = journal.begin(&samples::begin(1))?;
    journal.refuse();
    assert!(journal.begin(&samples::begin(2)).is_err());
    let end = journal.end(&samples::end(1), None);
    assert!(end > seq);
    journal.close();
    assert!(journal.is_synced(end));
    Ok(())
}
