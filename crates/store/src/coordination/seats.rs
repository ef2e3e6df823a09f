//! Concurrency: seats that are held while a request runs.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use insula_model::Subject;
use parking_lot::Mutex;

/// How many seats each subject has given out; subjects with none are not kept.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Mutex<HashMap<Subject, u32>>,
}

/// One seat with each of some subjects, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    subjects: Vec<Subject>,
}

impl Seats {
    /// Takes one seat with each subject or none; the error is the index of the first that is full.
    pub(super) fn take(self: Arc<Self>, wanted: &[(Subject, u32)]) -> Result<Seat, usize> {
        let mut taken = self.taken.lock();
        let full = |(subject, seats): &(Subject, u32)| taken.get(subject).copied().unwrap_or_default() >= *seats;
        if let Some(index) = wanted.iter().position(full) {
            return Err(index);
        }
        let subjects: Vec<Subject> = wanted.iter().map(|(subject, _)| *subject).collect();
        for subject in &subjects {
            *taken.entry(*subject).or_default() += 1;
        }
        drop(taken);
        Ok(Seat { seats: self, subjects })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        for subject in &self.subjects {
            if let Entry::Occupied(mut entry) = taken.entry(*subject) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_model::{KeyId, TenantId};

    use super::*;

    const TENANT: Subject = Subject::Tenant(TenantId::from_bytes([1; 16]));
    const KEY: Subject = Subject::Key(TenantId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));

    #[test]
    fn all_or_none() {
        let seats = Arc::<Seats>::default();
        let first = seats.clone().take(&[(TENANT, 2), (KEY, 1)]).unwrap();
        assert_eq!(seats.clone().take(&[(TENANT, 2), (KEY, 1)]).unwrap_err(), 1);
        // The refused one left nothing behind: the tenant's second seat is still free.
        let second = seats.clone().take(&[(TENANT, 2)]).unwrap();
        assert_eq!(seats.clone().take(&[(TENANT, 2)]).unwrap_err(), 0);
        drop(first);
        let third = seats.clone().take(&[(TENANT, 2), (KEY, 1)]).unwrap();
        drop((second, third));
        assert!(seats.taken.lock().is_empty(), "nothing is kept of idle subjects");
    }

    #[test]
    fn threads_never_hold_more_than_there_are() {
        let seats = Arc::<Seats>::default();
        let work = |_| {
            let seats = seats.clone();
            std::thread::spawn(move || {
                for _ in 0..2_000 {
                    if let Ok(seat) = seats.clone().take(&[(TENANT, 3)]) {
                        assert!(*seats.taken.lock().get(&TENANT).unwrap() <= 3);
                        drop(seat);
                    }
                }
            })
        };
        let threads: Vec<_> = (0..8).map(work).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(seats.taken.lock().is_empty());
    }
}
