//! The fold while it runs, and after it was killed.

mod crash;
mod running;
mod store;
mod target;

use std::sync::Arc;

use insula_model::{ManualClock, Result, SeededRandom};

use self::target::TestTarget;
use super::{Fold, inbox::Inbox, spawn};
use crate::journal::{FileJournal, Location, test_disk::TestDisk, tests::samples};

const SEGMENT_BYTES: u64 = 64 << 10;

/// One life of a process.
struct Run {
    journal: FileJournal,
    fold: Fold,
    clock: Arc<ManualClock>,
}

async fn start(disk: &TestDisk, target: &TestTarget, run: u64) -> Result<Run> {
    let clock = Arc::new(ManualClock::at(samples::time(1_000_000)));
    let disk = Arc::new(disk.clone());
    let location = Location { disk, dir: "/journal".into(), segment_bytes: SEGMENT_BYTES, held: Arc::new(()) };
    let open = move || FileJournal::open(location, &SeededRandom::new(run));
    let (journal, fold) = spawn(open, Arc::new(target.clone()), clock.clone(), Arc::new(Inbox::default())).await?;
    Ok(Run { journal, fold, clock })
}
