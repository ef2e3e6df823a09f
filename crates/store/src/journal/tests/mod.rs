//! The journal under kills, losses of power, damage and full disks.

mod crash;
mod full;
mod recycle;
pub(crate) mod samples;
mod sync;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use insula_model::SeededRandom;

use super::{FileJournal, Kind, Location, Seq, test_disk::TestDisk};

const SEGMENT_BYTES: u64 = 64 << 10;

/// Opens the journal on `disk`; `run` makes the run's random bytes.
fn open(disk: &TestDisk, run: u64) -> insula_model::Result<FileJournal> {
    let disk = Arc::new(disk.clone());
    let location = Location { disk, dir: "/journal".into(), segment_bytes: SEGMENT_BYTES, held: Arc::new(()) };
    FileJournal::open(location, &SeededRandom::new(run))
}

fn wait(journal: &FileJournal, seq: Seq) {
    while !journal.is_synced(seq) {
        thread::sleep(Duration::from_micros(200));
    }
}

type Read = Vec<(u64, Kind, Vec<u8>)>;

/// Every record that is left, oldest first.
fn read_all(journal: &FileJournal) -> insula_model::Result<Read> {
    let last = journal.written();
    wait(journal, last);
    let mut reader = journal.reader()?;
    let mut read = Vec::new();
    while reader.next_seq() <= last.get() {
        let record = journal.read(&mut reader).map_err(|e| journal.damage(&e))?;
        read.push((record.seq, record.kind, record.payload.to_vec()));
    }
    Ok(read)
}

fn segment_path(number: u64) -> PathBuf {
    super::segment::path(Path::new("/journal"), number)
}
