//! The thread that makes the journal durable, and those who wait for it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Shared, sleeper::Sleeper};

/// At most one fdatasync starts in this time.
const SYNC_INTERVAL: Duration = Duration::from_millis(2);

/// How far the journal is written and synced.
#[derive(Default)]
pub(super) struct Progress {
    written: AtomicU64,
    synced: AtomicU64,
    waiting: Notify,
    pub(super) syncer: Sleeper,
    folder: Sleeper,
    /// The folder wants to be woken when this record is synced; 0 if it does not.
    folder_wants: AtomicU64,
}

impl Progress {
    /// Everything up to `seq` is on the disk already.
    pub(super) fn starting_at(seq: u64) -> Self {
        Self { written: AtomicU64::new(seq), synced: AtomicU64::new(seq), ..Self::default() }
    }

    /// The last record written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    /// The last record that survives a loss of power.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(SeqCst)
    }

    /// Records up to `seq` were written. Called under the writer's lock, so that it only rises.
    pub(super) fn set_written(&self, seq: u64) {
        self.written.store(seq, SeqCst);
    }

    /// Returns once `seq` is synced. One pass wakes all who wait; who is not covered yet waits for the next.
    pub(super) async fn wait(&self, seq: u64) {
        while self.synced() < seq {
            let mut woken = pin!(self.waiting.notified());
            // Registered before looking again: a sync that finishes in between is not missed.
            woken.as_mut().enable();
            if self.synced() >= seq {
                return;
            }
            woken.await;
        }
    }

    fn publish(&self, seq: u64) {
        self.synced.store(seq, SeqCst);
        self.waiting.notify_waiters();
        let wanted = self.folder_wants.load(SeqCst);
        if wanted != 0 && seq >= wanted {
            self.folder.wake();
        }
    }

    /// Lets the folder's thread sleep until record `seq` is synced, for `at_most`, or until [`Progress::wake_folder`];
    /// not at all if `has_work`.
    pub(super) fn sleep_folder(&self, seq: u64, at_most: Option<Duration>, has_work: impl FnOnce() -> bool) {
        self.folder_wants.store(seq, SeqCst);
        self.folder.sleep(at_most, || self.synced() >= seq || has_work());
        self.folder_wants.store(0, SeqCst);
    }

    /// Wakes the folder.
    pub(super) fn wake_folder(&self) {
        self.folder.wake();
    }
}

/// Syncs until the journal stops: as soon as something was written, but at most once in the interval.
pub(super) fn run(shared: &Arc<Shared>) {
    let progress = &shared.progress;
    let mut last = None::<Instant>;
    loop {
        let dirty = || progress.written() > progress.synced();
        progress.syncer.sleep(None, || dirty() || shared.stopping());
        if !dirty() {
            if shared.stopping() {
                return;
            }
            continue;
        }
        if let Some(rest) = last.and_then(|at| SYNC_INTERVAL.checked_sub(at.elapsed())) {
            thread::sleep(rest);
        }
        last = Some(Instant::now());
        let (file, seq) = shared.writer.lock().written();
        // After a failed fsync nobody knows what is on the disk: the kernel may have dropped the pages. Going on would
        // promise what cannot be kept; a new start reads what is really there.
        if let Err(error) = file.sync_data() {
            super::fatal("the journal could not be synced", &error);
        }
        progress.publish(seq);
    }
}
