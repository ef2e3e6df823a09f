//! A thread that sleeps until there is work, without a timer and without missing a call.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

/// Lets one thread sleep and any other wake it. Waking one that is awake costs an atomic load.
#[derive(Default)]
pub(crate) struct Sleeper {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Sleeper {
    /// Sleeps until woken, or for `at_most`; not at all if there is work. May return early.
    ///
    /// The order is what keeps a call from being missed: the sleeper says that it sleeps and then looks for work, the
    /// waker leaves the work and then looks for a sleeper.
    pub(crate) fn sleep(&self, at_most: Option<Duration>, has_work: impl FnOnce() -> bool) {
        self.thread.get_or_init(thread::current);
        self.asleep.store(true, SeqCst);
        if !has_work() {
            match at_most {
                Some(time) => thread::park_timeout(time),
                None => thread::park(),
            }
        }
        self.asleep.store(false, SeqCst);
    }

    /// Wakes the thread if it sleeps. Call it after the work can be seen.
    pub(crate) fn wake(&self) {
        if self.asleep.load(SeqCst)
            && self.asleep.swap(false, SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}
