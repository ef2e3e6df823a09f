//! How far a lane has come, and who waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// What the lane has passed without doing it: it comes later.
    held: BTreeSet<u64>,
}

impl Progress {
    /// Up to where everything is done, but what is held.
    pub(super) fn done(&self) -> u64 {
        self.done.load(SeqCst)
    }

    /// Whether this number is done: everything up to it is, but what is held.
    pub(super) fn is_done(&self, seq: u64) -> bool {
        self.done() >= seq && !self.waiting.lock().held.contains(&seq)
    }

    /// Everything up to `to` is done.
    pub(super) fn advance(&self, to: u64) {
        self.advance_but(to, BTreeSet::new());
    }

    /// Everything up to `to` is done, but `held`, which are [released](Self::release) later.
    pub(super) fn advance_but(&self, to: u64, held: impl IntoIterator<Item = u64>) {
        let mut waiting = self.waiting.lock();
        // Before the number rises: nobody takes what is held for done.
        waiting.held.extend(held.into_iter().filter(|seq| *seq <= to));
        if self.done.fetch_max(to, SeqCst) >= to {
            return;
        }
        let later = waiting.wakers.split_off(&(to + 1, 0));
        // Who waits for what is held comes back.
        let woken = std::mem::replace(&mut waiting.wakers, later);
        drop(waiting);
        woken.into_values().for_each(Waker::wake);
    }

    /// What was held is done.
    pub(super) fn release(&self, seqs: &[u64]) {
        let mut waiting = self.waiting.lock();
        let mut woken = Vec::new();
        for seq in seqs {
            if waiting.held.remove(seq) {
                woken.extend(waiting.wakers.extract_if((*seq, 0)..=(*seq, u64::MAX), |_, _| true));
            }
        }
        drop(waiting);
        woken.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// The first number that is held.
    pub(super) fn first_held(&self) -> Option<u64> {
        self.waiting.lock().held.first().copied()
    }

    /// Returns once the lane has passed `seq`, which it may hold.
    pub(super) fn passed(&self, seq: u64) -> Reached<'_> {
        Reached { progress: self, seq, ticket: None, counts_held: true }
    }

    /// Returns once `seq` is done, and everything before it but what is held.
    pub(super) fn reached(&self, seq: u64) -> Reached<'_> {
        Reached { progress: self, seq, ticket: None, counts_held: false }
    }
}

/// Waits for a lane. Dropped early, it leaves nothing behind.
pub(super) struct Reached<'a> {
    progress: &'a Progress,
    seq: u64,
    ticket: Option<u64>,
    /// Whether it is enough that the lane has passed it.
    counts_held: bool,
}

impl Future for Reached<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.progress.done() >= self.seq && self.counts_held {
            return Poll::Ready(());
        }
        let mut waiting = self.progress.waiting.lock();
        // Under the lock: who advances holds it while the number rises, and so finds this waker.
        if self.progress.done() >= self.seq && (self.counts_held || !waiting.held.contains(&self.seq)) {
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

    #[tokio::test]
    async fn what_is_held_keeps_nobody_else() {
        let progress = Progress::default();
        let (mut held, mut other) = (Box::pin(progress.reached(3)), Box::pin(progress.reached(4)));
        let mut passed = Box::pin(progress.passed(3));
        let early =
            std::future::poll_fn(|cx| Poll::Ready((held.as_mut().poll(cx), other.as_mut().poll(cx), passed.as_mut().poll(cx))));
        assert_eq!(early.await, (Poll::Pending, Poll::Pending, Poll::Pending));
        progress.advance_but(5, [3, 9]);
        other.await;
        passed.await;
        assert!(progress.is_done(4) && !progress.is_done(3) && !progress.is_done(9));
        assert_eq!(progress.first_held(), Some(3));
        let again = std::future::poll_fn(|cx| Poll::Ready(held.as_mut().poll(cx)));
        assert_eq!(again.await, Poll::Pending);
        progress.release(&[1, 3]);
        held.await;
        assert!(progress.is_done(3) && progress.first_held().is_none());
    }
}
