//! How far a lane has come, and who waits for it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Everything up to a number is done. Only those are woken for whom that is enough.
#[derive(Default)]
pub(super) struct Progress {
    done: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By the number that is waited for, then by who waits.
    wakers: BTreeMap<(u64, u64), Waker>,
    last_ticket: u64,
}

impl Progress {
    /// Up to where everything is done.
    pub(super) fn done(&self) -> u64 {
        self.done.load(SeqCst)
    }

    /// Everything up to `to` is done.
    pub(super) fn advance(&self, to: u64) {
        if self.done.fetch_max(to, SeqCst) >= to {
            return;
        }
        let woken = {
            let mut waiting = self.waiting.lock();
            let later = waiting.wakers.split_off(&(to + 1, 0));
            std::mem::replace(&mut waiting.wakers, later)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// Returns once everything up to `seq` is done.
    pub(super) fn reached(&self, seq: u64) -> Reached<'_> {
        Reached { progress: self, seq, ticket: None }
    }
}

/// Waits for a lane. Dropped early, it leaves nothing behind.
pub(super) struct Reached<'a> {
    progress: &'a Progress,
    seq: u64,
    ticket: Option<u64>,
}

impl Future for Reached<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.progress.done() >= self.seq {
            return Poll::Ready(());
        }
        let mut waiting = self.progress.waiting.lock();
        // Under the lock: who advances takes it after the number rose, and so finds this waker.
        if self.progress.done() >= self.seq {
            return Poll::Ready(());
        }
        let ticket = self.ticket.unwrap_or(waiting.last_ticket + 1);
        waiting.last_ticket = waiting.last_ticket.max(ticket);
        waiting.wakers.insert((self.seq, ticket), cx.waker().clone());
        drop(waiting);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.progress.waiting.lock().wakers.remove(&(self.seq, ticket));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_those_are_woken_for_whom_it_is_enough() {
        let progress = Progress::default();
        let (mut first, mut second) = (Box::pin(progress.reached(3)), Box::pin(progress.reached(5)));
        let early = std::future::poll_fn(|cx| Poll::Ready((first.as_mut().poll(cx), second.as_mut().poll(cx))));
        assert_eq!(early.await, (Poll::Pending, Poll::Pending));
        progress.advance(4);
        assert_eq!(progress.waiting.lock().wakers.len(), 1);
        first.await;
        drop(second);
        assert!(progress.waiting.lock().wakers.is_empty(), "who stopped waiting leaves nothing");
        progress.advance(2);
        assert_eq!(progress.done(), 4);
        progress.reached(4).await;
    }
}
