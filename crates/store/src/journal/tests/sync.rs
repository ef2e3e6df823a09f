//! Waiting for durability.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{FileJournal, Location, RealDisk, test_disk::TestDisk},
    SEGMENT_BYTES, open, read_all, samples,
};

/// Many tasks on several threads append and wait: every wait returns, and every record is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let random = insula_model::SeededRandom::new(1);
    let dir_path = dir.path().to_owned();
    let location = Location { disk: Arc::new(RealDisk), dir: dir_path, segment_bytes: SEGMENT_BYTES, held: Arc::new(()) };
    let journal = FileJournal::open(location, &random).unwrap();
    let tasks: Vec<_> = (0..64u64)
        .map(|task| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for i in 0..20 {
                    let n = task * 1_000 + i;
                    // The keeper may be a moment behind with these tiny segments.
                    let seq = loop {
                        match journal.begin(&samples::begin(n)) {
                            Ok(seq) => break seq,
                            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                        }
                    };
                    journal.synced(seq).await;
                    assert!(journal.is_synced(seq));
                    journal.end(&samples::end(n), Some(&samples::trace(n, 10)));
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    let read = read_all(&journal).unwrap();
    assert_eq!(read.len(), 1 + 64 * 20 * 3);
}

#[tokio::test]
async fn syncs_are_spaced() {
    let journal = open(&TestDisk::new(), 1).unwrap();
    let begun = Instant::now();
    for n in 0..20 {
        let seq = journal.begin(&samples::begin(n)).unwrap();
        journal.synced(seq).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(19 * 2));
}

/// Runs in a process of its own: see below.
#[test]
fn child_with_a_failing_sync() {
    if std::env::var_os("INSULA_TEST_FAILING_SYNC").is_none() {
        return;
    }
    let disk = TestDisk::new();
    let journal = open(&disk, 1).unwrap();
    disk.fail_syncs();
    journal.begin(&samples::begin(1)).unwrap();
    std::thread::sleep(Duration::from_secs(20));
}

#[test]
fn a_failed_sync_ends_the_process() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::sync::child_with_a_failing_sync", "--nocapture"])
        .env("INSULA_TEST_FAILING_SYNC", "1")
        .output()
        .unwrap();
    assert!(std::os::unix::process::ExitStatusExt::signal(&child.status).is_some(), "{child:?}");
}
