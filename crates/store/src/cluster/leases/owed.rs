//! What this node must give back whatever happens.
//!
//! A commit whose answer was lost may have happened or not. The server knows by the number of the transaction; until it was
//! asked, an amount in such a doubt is neither spent nor given back.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::statements::Outcome;
use crate::cluster::WindowKey;

/// Amounts to give back, and those of which that is not known yet.
#[derive(Default)]
pub(super) struct Owed {
    entries: Mutex<Vec<Entry>>,
    next_id: AtomicU64,
    turn: tokio::sync::Mutex<()>,
}

struct Entry {
    id: u64,
    epoch: u64,
    amounts: Vec<(WindowKey, i64)>,
    doubt: Option<(String, Waits)>,
    /// Whoever commits it still waits for the answer.
    is_committing: bool,
}

/// What a doubtful transaction did.
#[derive(Clone, Copy)]
enum Waits {
    /// It leased the amounts: they are owed if it was committed.
    Leased,
    /// It gave them back: they are owed if it was not.
    Returned,
}

/// An entry whose transaction's outcome is to be asked for.
pub(super) struct Doubt {
    pub id: u64,
    pub transaction: String,
}

/// A commit under way. Dropped unconfirmed, what it leased is in doubt.
pub(super) struct Unconfirmed<'a> {
    owed: &'a Owed,
    id: u64,
}

impl Unconfirmed<'_> {
    pub fn confirmed(self) {
        self.owed.drop_all(&[self.id]);
    }
}

impl Drop for Unconfirmed<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.owed.entries.lock().iter_mut().find(|entry| entry.id == self.id) {
            entry.is_committing = false;
        }
    }
}

impl Owed {
    pub fn is_empty(&self) -> bool {
        self.entries.lock().is_empty()
    }

    /// Gives back what is owed, one caller after the other.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub fn add(&self, epoch: u64, amounts: &[(WindowKey, i64)]) {
        let amounts: Vec<_> = amounts.iter().filter(|(_, amount)| *amount > 0).copied().collect();
        if !amounts.is_empty() {
            self.push(epoch, amounts, None, false);
        }
    }

    /// Notes what a transaction leases before it is committed: whoever drops this future leaves a doubt behind, not a leak.
    pub fn unless_confirmed(&self, epoch: u64, amounts: Vec<(WindowKey, i64)>, transaction: String) -> Unconfirmed<'_> {
        Unconfirmed { owed: self, id: self.push(epoch, amounts, Some((transaction, Waits::Leased)), true) }
    }

    fn push(&self, epoch: u64, amounts: Vec<(WindowKey, i64)>, doubt: Option<(String, Waits)>, is_committing: bool) -> u64 {
        let id = self.next_id.fetch_add(1, Relaxed);
        self.entries.lock().push(Entry { id, epoch, amounts, doubt, is_committing });
        id
    }

    /// What is to be asked for. Whatever an earlier epoch left is forgotten: the sweeper takes all of that back.
    pub fn doubts(&self, epoch: u64) -> Vec<Doubt> {
        let mut entries = self.entries.lock();
        entries.retain(|entry| entry.epoch >= epoch);
        let doubt = |entry: &Entry| Some(Doubt { id: entry.id, transaction: entry.doubt.as_ref()?.0.clone() });
        entries.iter().filter(|entry| !entry.is_committing).filter_map(doubt).collect()
    }

    /// Notes how a doubtful transaction ended, once it did.
    pub fn resolve(&self, id: u64, outcome: Outcome) {
        let mut entries = self.entries.lock();
        let Some(at) = entries.iter().position(|entry| entry.id == id) else { return };
        let waits = entries[at].doubt.as_ref().map(|(_, waits)| *waits);
        match (waits, outcome) {
            (None, _) | (_, Outcome::UnderWay) => {}
            (Some(Waits::Leased), Outcome::Committed) | (Some(Waits::Returned), Outcome::Aborted) => entries[at].doubt = None,
            // Too old to be known: giving back twice would let too much be spent, not giving back lets too little.
            (Some(_), Outcome::Forgotten | Outcome::Committed | Outcome::Aborted) => drop(entries.remove(at)),
        }
    }

    /// What is to be given back now, each window once, and the entries that it stands in.
    pub fn due(&self, epoch: u64) -> (Vec<u64>, Vec<(WindowKey, i64)>) {
        let (mut ids, mut amounts) = (Vec::new(), BTreeMap::new());
        for entry in self.entries.lock().iter().filter(|entry| entry.epoch == epoch && entry.doubt.is_none()) {
            ids.push(entry.id);
            for (window, amount) in &entry.amounts {
                *amounts.entry(*window).or_default() += amount;
            }
        }
        (ids, amounts.into_iter().collect())
    }

    /// From here on only the server knows whether these were given back.
    pub fn in_doubt(&self, ids: &[u64], transaction: &str) {
        for entry in self.entries.lock().iter_mut().filter(|entry| ids.contains(&entry.id)) {
            entry.doubt = Some((transaction.to_owned(), Waits::Returned));
        }
    }

    pub fn drop_all(&self, ids: &[u64]) {
        self.entries.lock().retain(|entry| !ids.contains(&entry.id));
    }
}
