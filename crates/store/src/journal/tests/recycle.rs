//! Files are used again, and what was in them before is not.

use insula_model::Result;

use super::{
    super::{Kind, segment, test_disk::TestDisk},
    open, read_all, samples,
};

/// Fills segments until `segments` are in use.
fn fill(journal: &super::FileJournal, from: u64, segments: usize) -> Result<u64> {
    let mut n = from;
    while journal.segment_count() < segments {
        journal.begin(&samples::begin(n))?;
        journal.end(&samples::end(n), Some(&samples::trace(n, 200)));
        n += 1;
    }
    Ok(n)
}

#[test]
fn files_go_round() -> Result<()> {
    let disk = TestDisk::new();
    let journal = open(&disk, 1)?;
    let mut n = 0;
    for _ in 0..20 {
        n = fill(&journal, n, 3)?;
        while journal.segment_count() > 1 {
            journal.retire_oldest()?;
        }
        let read = read_all(&journal)?;
        assert!(read.iter().zip(read.iter().skip(1)).all(|(a, b)| a.0 + 1 == b.0));
    }
    assert!(disk.creates() <= 12, "{} files were made for 40 segments", disk.creates());
    assert!(disk.paths().len() <= 6, "{:?}", disk.paths());

    let read = read_all(&journal)?;
    let again = read_all(&open(&disk.after_kill(), 2)?)?;
    assert!(again[..read.len()] == read[..]);
    assert_eq!(again.len(), read.len() + 1);
    Ok(())
}

/// A recycled file is full of whole records. Where the new ones end, the old ones must not go on.
#[test]
fn what_was_in_a_recycled_file_is_not_read() -> Result<()> {
    let disk = TestDisk::new();
    let journal = open(&disk, 1)?;
    let n = fill(&journal, 0, 2)?;
    journal.retire_oldest()?;
    fill(&journal, n, 3)?;
    let read = read_all(&journal)?;
    for cut in 0..3 {
        let killed = disk.after_kill();
        if cut > 0 {
            let newest = killed.paths().into_iter().filter(|p| segment::number(&name(p)).is_some()).max();
            let Some(newest) = newest else { continue };
            killed.damage(&newest, |bytes| bytes[64 + cut] ^= 1);
        }
        let again = read_all(&open(&killed, 2)?)?;
        let kept = again.len() - 1;
        assert!(kept <= read.len());
        assert!(again[..kept] == read[..kept]);
        assert_eq!(again[kept].1, Kind::Opened);
    }
    Ok(())
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The last segment is never given up, however often one asks.
#[test]
fn the_segment_in_use_stays() -> Result<()> {
    let journal = open(&TestDisk::new(), 1)?;
    journal.begin(&samples::begin(1))?;
    journal.retire_oldest()?;
    assert_eq!(journal.segment_count(), 1);
    assert!(journal.oldest_complete().is_none());
    assert_eq!(read_all(&journal)?.len(), 2);
    Ok(())
}
