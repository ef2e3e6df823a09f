//! Keeps segments prepared ahead of need, and takes those that are not needed any more back into use.

use std::{
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
    thread,
    time::Duration,
};

use insula_model::{Error, Result};

use super::{
    Shared, open,
    segment::{self, Segment},
};

/// How soon a preparation that failed, most likely for want of room, is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Recycled segments beyond this many are removed.
const READY_MAX: usize = 2;

/// The number of the next segment to prepare. Held while one is prepared, so that they become ready in order.
pub(super) struct Stock {
    pub(super) next_number: u64,
}

/// Prepares segments until the journal stops.
pub(super) fn run(shared: &Arc<Shared>) {
    while !shared.stopping() {
        shared.keeper.sleep(None, || shared.stopping() || shared.writer.lock().wants_segment());
        while !shared.stopping() && shared.writer.lock().wants_segment() {
            if prepare(shared).is_err() {
                shared.keeper.sleep(Some(RETRY_AFTER), || shared.stopping());
            }
        }
    }
}

/// Prepares a segment if one is wanted, or waits for the one that is under way.
pub(super) fn prepare(shared: &Shared) -> io::Result<()> {
    let mut stock = shared.stock.lock();
    if !shared.writer.lock().wants_segment() {
        return Ok(());
    }
    match open::create(&*shared.disk, &shared.dir, stock.next_number, shared.segment_bytes) {
        Ok(segment) => {
            stock.next_number += 1;
            shared.no_room.store(false, SeqCst);
            shared.writer.lock().add_ready(segment);
            Ok(())
        }
        Err(error) => {
            if !shared.no_room.swap(true, SeqCst) {
                let dir = shared.dir.display();
                tracing::error!(%error, %dir, "the journal's next segment cannot be prepared: requests are refused when the present one is full");
            }
            Err(error)
        }
    }
}

/// Takes the oldest segment out of the journal. Its file becomes the next prepared one or is removed.
pub(super) fn retire(shared: &Shared) -> Result<()> {
    let mut stock = shared.stock.lock();
    let (old, recycle) = {
        let writer = shared.writer.lock();
        match writer.begun.front() {
            Some(old) if writer.begun.len() >= 2 => (old.segment.clone(), writer.ready_count() < READY_MAX),
            _ => return Ok(()),
        }
    };
    let from = segment::path(&shared.dir, old.number);
    let recycle = recycle && old.bytes == shared.segment_bytes;
    let renamed = segment::path(&shared.dir, stock.next_number);
    let done = if recycle { shared.disk.rename(&from, &renamed) } else { shared.disk.remove(&from) };
    done.map_err(Error::internal)?;
    // Before the file is used again: a name that is lost with the power would take its new records with it.
    if let Err(error) = shared.disk.sync_dir(&shared.dir) {
        super::fatal("the journal's folder could not be synced", &error);
    }
    let mut writer = shared.writer.lock();
    writer.begun.pop_front();
    if recycle {
        writer.add_ready(Segment { number: stock.next_number, ..old });
        stock.next_number += 1;
    }
    Ok(())
}

/// Starts a thread of the journal.
pub(super) fn spawn(name: &str, shared: &Arc<Shared>, work: fn(&Arc<Shared>)) -> Result<thread::JoinHandle<()>> {
    let shared = shared.clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared)).map_err(Error::internal)
}
