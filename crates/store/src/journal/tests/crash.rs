//! What is found after a crash is what was written, up to some point behind everything that was promised.

use insula_model::SeededRandom;
use proptest::prelude::*;

use super::{
    super::{Kind, segment::RECORDS_START, test_disk::TestDisk},
    Read, open, read_all, samples, segment_path, wait,
};

/// Writes `count` attempts with their ENDs.
fn write_some(journal: &super::FileJournal, from: u64, count: u64) {
    for n in from..from + count {
        journal.begin(&samples::begin(n)).unwrap();
        journal.end(&samples::end(n), Some(&samples::trace(n, 30)));
    }
}

/// Sequence numbers without a gap, and nothing that was not written.
fn assert_continues(before: &Read, after: &Read) {
    let common = before.len().min(after.len());
    assert!(before[..common] == after[..common]);
    assert!(after.iter().zip(after.iter().skip(1)).all(|(a, b)| a.0 + 1 == b.0));
}

#[test]
fn what_was_written_survives_a_kill() {
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    write_some(&journal, 0, 300);
    journal.release(samples::attempt(9_999));
    let before = read_all(&journal).unwrap();
    assert_eq!(before.len(), 1 + 3 * 300 + 1);
    assert!(journal.segment_count() > 1, "the test should cross segments");

    let after = read_all(&open(&disk.after_kill(), 2).unwrap()).unwrap();
    assert!(after[..before.len()] == before[..]);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[before.len()].1, Kind::Opened);
}

/// Cuts the last records at every byte, with zeros and with garbage behind the cut, and goes on from there.
#[test]
fn the_tail_may_be_torn_at_every_byte() {
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    write_some(&journal, 0, 3);
    let before = read_all(&journal).unwrap();
    let path = segment_path(1);
    let whole = disk.bytes(&path);
    let end = whole.iter().rposition(|b| *b != 0).unwrap() + 1;
    for cut in RECORDS_START as usize..=end {
        let torn = disk.after_kill();
        let garbage = if cut % 2 == 0 { 0xff } else { 0 };
        torn.damage(&path, |bytes| bytes[cut..].iter_mut().for_each(|byte| *byte = !*byte & garbage));
        let journal = open(&torn, 2).unwrap();
        let opened = read_all(&journal).unwrap();
        let kept = opened.len() - 1;
        assert!(opened[..kept] == before[..kept], "cut at {cut}");
        assert_eq!(opened[kept].1, Kind::Opened);
        write_some(&journal, 50, 1);
        let grown = read_all(&journal).unwrap();
        assert_continues(&opened, &grown);
        // And again: nothing of the first run may come back behind what the second wrote.
        let again = read_all(&open(&torn.after_kill(), 3).unwrap()).unwrap();
        assert_eq!(again.len(), grown.len() + 1, "cut at {cut}");
        assert_continues(&grown, &again);
    }
}

/// A record is lost with the power while later ones survive. A new record of the same length takes its place: those
/// behind it are whole, stand where a record is expected and have the right numbers, and still must not come back.
#[test]
fn stale_records_with_fitting_numbers_are_not_taken() {
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    let release = |n| journal.release(samples::attempt(n));
    release(0);
    let lost = release(1);
    release(2);
    release(3);
    let record = 24 + 16;
    let at = RECORDS_START as usize + record * lost.get() as usize - record;
    let first_run = disk.after_kill();
    first_run.damage(&segment_path(1), |bytes| bytes[at + 30] ^= 1);

    // The second run's first record is as long as the one that was lost.
    let second = open(&first_run, 2).unwrap();
    let read = read_all(&second).unwrap();
    let kinds: Vec<_> = read.iter().map(|r| r.1).collect();
    assert_eq!(kinds, [Kind::Opened, Kind::Release, Kind::Opened]);
    assert_eq!(second.written(), lost);
    let third = read_all(&open(&first_run.after_kill(), 3).unwrap()).unwrap();
    assert_eq!(third.iter().map(|r| r.1).collect::<Vec<_>>(), [kinds, vec![Kind::Opened]].concat());
}

#[test]
fn damage_before_the_last_segment_is_refused_with_its_place() {
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    write_some(&journal, 0, 400);
    assert!(journal.segment_count() >= 3);
    let before = read_all(&journal).unwrap();

    let damaged = disk.after_kill();
    damaged.damage(&segment_path(2), |bytes| bytes[5_000] ^= 4);
    let journal = open(&damaged, 2).unwrap();
    let message = read_all(&journal).unwrap_err().to_string();
    assert!(message.contains("/journal/000000000002.seg at offset "), "{message}");

    let damaged = disk.after_kill();
    damaged.damage(&segment_path(2), |bytes| bytes[3] ^= 4);
    let message = open(&damaged, 2).unwrap_err().to_string();
    assert!(message.contains("/journal/000000000002.seg at offset 0"), "{message}");

    let missing = disk.after_kill();
    super::super::Disk::remove(&missing, &segment_path(2)).unwrap();
    let message = open(&missing, 2).unwrap_err().to_string();
    assert!(message.contains("000000000002.seg at offset 0: the file is missing"), "{message}");

    let torn = disk.after_kill();
    let last = journal.segment_count() as u64;
    torn.damage(&segment_path(last), |bytes| bytes[RECORDS_START as usize + 10..].fill(9));
    let kept = read_all(&open(&torn, 2).unwrap()).unwrap();
    assert_continues(&before, &kept[..kept.len() - 1].to_vec());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Runs that end in a kill or a loss of power, one after the other: each run finds a piece of what was written before,
    /// at least everything that was synced, and goes on behind it.
    #[test]
    fn synced_records_survive_any_crashes(
        runs in proptest::collection::vec((0u64..60, any::<bool>(), any::<bool>(), any::<u64>()), 1..6)
    ) {
        let mut disk = TestDisk::new();
        let mut known: Read = Vec::new();
        let mut promised = 0;
        for (run, (count, power, sync, seed)) in runs.into_iter().enumerate() {
            let journal = open(&disk, run as u64 ^ seed).unwrap();
            let found = read_all(&journal).unwrap();
            prop_assert!(found.len() > promised, "{} of {promised} promised records", found.len());
            assert_continues(&known, &found[..found.len() - 1].to_vec());
            write_some(&journal, run as u64 * 100, count);
            if sync {
                wait(&journal, journal.written());
                promised = journal.written().get() as usize;
            } else {
                promised = found.len() - 1;
            }
            known = read_from(&journal);
            let random = SeededRandom::new(seed);
            let coin = || { let mut b = [0u8]; insula_model::Random::fill(&random, &mut b); b[0] & 1 == 1 };
            disk = if power { disk.after_power_loss(|_| coin()) } else { promised = known.len(); disk.after_kill() };
        }
    }
}

/// What is written, synced or not.
fn read_from(journal: &super::FileJournal) -> Read {
    let mut reader = journal.reader().unwrap();
    let mut read = Vec::new();
    while reader.next_seq() <= journal.written().get() {
        let record = journal.read(&mut reader).unwrap();
        read.push((record.seq, record.kind, record.payload.to_vec()));
    }
    read
}
