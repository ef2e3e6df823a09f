//! The fold without crashes.

use std::time::{Duration, Instant};

use insula_model::{AttemptOutcome, Result};

use super::{super::pending, TestDisk, TestTarget, samples, start};

fn write(run: &super::Run, n: u64, content: usize) {
    while run.journal.begin(&samples::begin(n)).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    run.journal.end(&samples::end(n), Some(&samples::trace(n, content)));
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn rows_come_by_themselves_and_traces_on_demand() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    for n in 0..30 {
        write(&run, n, 100);
    }
    run.journal.release(samples::attempt(77));
    eventually("the rows come within the interval", || target.with(|t| t.rows.len()) == 30).await;
    target.with(|t| {
        assert!(t.traces.is_empty(), "nobody asked for traces yet");
        assert_eq!(t.rows[&samples::attempt(4)].begin, samples::begin(4));
        assert_eq!(t.rows[&samples::attempt(4)].end, samples::end(4));
    });

    run.fold.fold_tenant(samples::tenant(1)).await?;
    target.with(|t| {
        assert_eq!(t.trace_batches, [10]);
        assert!(t.traces.values().all(|trace| trace.tenant == samples::tenant(1)));
    });
    run.fold.fold_tenant(samples::tenant(1)).await?;
    write(&run, 30, 100);
    run.fold.flush().await?;
    target.with(|t| {
        assert_eq!((t.traces.len(), t.rows.len()), (31, 31));
        assert_eq!(t.traces[&samples::request(30)], samples::trace(30, 100));
    });
    run.fold.stop().await
}

#[tokio::test]
async fn the_ledger_does_not_wait_for_traces() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    for n in 0..30 {
        write(&run, n, 100);
        run.fold.flush_ledger().await?;
        assert_eq!(target.with(|t| t.rows.len() as u64), n + 1);
    }
    assert!(target.with(|t| t.traces.is_empty()));
    run.fold.stop().await
}

#[tokio::test]
async fn traces_are_written_when_full_or_old() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    for n in 0..3 * pending::TENANT_ROWS_MAX as u64 + 3 {
        write(&run, n, 10);
    }
    eventually("three full buffers", || target.with(|t| t.trace_batches.clone()) == [pending::TENANT_ROWS_MAX; 3]).await;
    // All were read, and none of the rest is old yet.
    run.fold.flush_ledger().await?;
    run.clock.advance(pending::AGE_MAX);
    // The folder looks at the clock when it has something else to do, too.
    write(&run, 1_000, 10);
    eventually("the old ones", || target.with(|t| t.trace_batches.len()) >= 6).await;
    run.fold.stop().await?;
    assert_eq!(target.with(|t| t.traces.len()), 3 * pending::TENANT_ROWS_MAX + 4);
    Ok(())
}

#[tokio::test]
async fn stopping_folds_everything_and_refuses_what_is_new() -> Result<()> {
    let (disk, target) = (TestDisk::new(), TestTarget::default());
    let run = start(&disk, &target, 1).await?;
    for n in 0..50 {
        write(&run, n, 10);
    }
    run.fold.stop().await?;
    target.with(|t| {
        assert_eq!((t.rows.len(), t.traces.len()), (50, 50));
        assert_eq!(t.position.seq, run.journal.written().get());
        assert_eq!(t.position.traces_seq, t.position.seq);
    });
    assert!(run.journal.begin(&samples::begin(99)).is_err());
    assert!(run.fold.flush().await.is_err());
    assert!(run.fold.stop().await.is_err());

    // Nothing is repeated after an orderly end.
    let batches = target.with(|t| t.trace_batches.len());
    start(&disk.after_kill(), &target, 2).await?.fold.stop().await?;
    assert_eq!(target.with(|t| (t.trace_batches.len(), t.rows.len())), (batches, 50));
    Ok(())
}

#[tokio::test]
async fn segments_are_given_up_and_open_attempts_carried() -> Result<()> {
    let (disk, target) = (TestDisk::new(), TestTarget::default());
    let run = start(&disk, &target, 1).await?;
    run.journal.begin(&samples::begin(900_001))?;
    run.journal.begin(&samples::begin(900_002))?;
    run.journal.begin(&samples::begin(900_004))?;
    for n in 0..400 {
        write(&run, n, 500);
    }
    run.fold.flush().await?;
    eventually("old segments are given up", || run.journal.segment_count() == 1).await;
    assert_eq!(target.with(|t| t.carried.len()), 3);
    assert!(disk.paths().len() < 6, "{:?}", disk.paths());

    run.journal.end(&samples::end(900_001), None);
    run.journal.release(samples::attempt(900_002));
    run.fold.flush().await?;
    eventually("what ended is not carried any more", || target.with(|t| t.carried.len()) == 1).await;

    let (target, disk) = (target.after_kill(), disk.after_kill());
    start(&disk, &target, 2).await?.fold.flush().await?;
    let (target, disk) = (target.after_kill(), disk.after_kill());
    start(&disk, &target, 3).await?.fold.flush().await?;
    target.with(|t| {
        assert!(t.carried.is_empty());
        assert_eq!(t.rows.len(), 402);
        assert_eq!(t.rows[&samples::attempt(900_004)].end.outcome, AttemptOutcome::Lost);
    });
    Ok(())
}

#[tokio::test]
async fn a_broken_file_holds_up_nobody_else() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    target.with(|t| t.broken.insert(samples::tenant(2)));
    for n in 0..300 {
        write(&run, n, 20);
    }
    assert!(run.fold.fold_tenant(samples::tenant(2)).await.is_err());
    run.fold.fold_tenant(samples::tenant(1)).await?;
    target.with(|t| {
        assert_eq!(t.traces.len(), 100 + 64);
        t.broken.clear();
    });
    run.fold.flush().await?;
    assert_eq!(target.with(|t| t.traces.len()), 300);
    run.fold.stop().await
}

#[tokio::test]
async fn a_ledger_without_room_is_tried_again() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    target.with(|t| t.ledger_broken = true);
    write(&run, 1, 20);
    assert!(run.fold.flush().await.is_err());
    write(&run, 2, 20);
    target.with(|t| t.ledger_broken = false);
    eventually("it is tried again", || target.with(|t| t.rows.len()) == 2).await;
    run.fold.stop().await
}

#[tokio::test]
async fn a_journal_that_lacks_what_the_ledger_has_is_refused() -> Result<()> {
    let target = TestTarget::default();
    let run = start(&TestDisk::new(), &target, 1).await?;
    write(&run, 1, 20);
    run.fold.stop().await?;
    let Err(error) = start(&TestDisk::new(), &target, 2).await else { panic!("accepted an empty journal") };
    assert!(error.message().contains("the ledger has the journal up to record"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_behind_is_refused() -> Result<()> {
    let (disk, target) = (TestDisk::new(), TestTarget::default());
    let run = start(&disk, &target, 1).await?;
    let mut begin = samples::begin(1);
    begin.reserved_at = samples::time(1_000_000).plus(Duration::from_secs(3_601));
    run.journal.begin(&begin)?;
    let Err(error) = start(&disk.after_kill(), &target.after_kill(), 2).await else { panic!("accepted the future") };
    assert!(error.message().contains("set the clock"), "{error}");
    Ok(())
}
