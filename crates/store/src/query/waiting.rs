//! Where work that waits for the disk runs.
//!
//! A statement on a file takes microseconds and runs inline. Opening a file, a commit that must reach the disk and a long
//! scan take milliseconds and would hold up every other task of the thread, so they move to the runtime's blocking pool.
//! On a thread that exists to wait (the fold's own, or one of that pool) they run right there: see [`block_on`].

use std::{
    cell::Cell,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use insula_model::{Error, Result};

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one that may wait, for as long as the mark lives.
struct Mark {
    before: bool,
}

impl Mark {
    fn set() -> Self {
        Self { before: MAY_WAIT.replace(true) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        MAY_WAIT.set(self.before);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs database work to its end on this thread, which may wait and needs no runtime. Never call it from a task.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    let _mark = Mark::set();
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // A wake-up between the poll and here makes `park` return at once.
            Poll::Pending => thread::park(),
        }
    }
}

/// Runs a function that waits for the disk. It runs to its end even if the caller's future is dropped.
pub(crate) async fn waiting<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if MAY_WAIT.get() {
        return work();
    }
    let work = move || {
        let _mark = Mark::set();
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// Runs database work that takes long off the runtime's own threads.
pub(crate) async fn aside<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    waiting(move || block_on(work)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn needs_no_runtime() {
        let lock = Arc::new(tokio::sync::Mutex::new(1));
        let held = lock.clone().try_lock_owned().unwrap();
        let waiter = thread::spawn(move || block_on(async { waiting(|| Ok(2)).await.unwrap() + *lock.lock().await }));
        thread::sleep(Duration::from_millis(20));
        drop(held);
        assert_eq!(waiter.join().unwrap(), 3);
        assert!(!MAY_WAIT.get());
    }

    #[tokio::test]
    async fn moves_off_the_runtime() {
        let here = thread::current().id();
        let (there, again) = waiting(move || {
            let there = thread::current().id();
            Ok((there, block_on(async { waiting(|| Ok(thread::current().id())).await })?))
        })
        .await
        .unwrap();
        assert_ne!(there, here);
        assert_eq!(there, again, "a thread that may wait does not hand on");
    }
}
