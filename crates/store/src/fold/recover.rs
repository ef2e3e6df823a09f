//! What a start does before anything is served.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Result};

use super::{folder::Folder, lost};
use crate::records::Begin;

/// A stored time this far ahead of the clock means that the clock is wrong.
const AHEAD_MAX: Duration = Duration::from_secs(60 * 60);

impl Folder {
    /// Folds everything that an earlier run left and settles what died with it. Nothing is decided but by records: the
    /// ENDs of lost attempts go through the journal like any others, so a start that is cut short is simply repeated.
    pub(super) fn recover(&mut self) -> Result<()> {
        self.catch_up()?;
        self.check_time()?;
        self.clock.raise_to(self.sorter.latest);
        let lost: Vec<Begin> = self.sorter.open.all().cloned().collect();
        let now = self.clock.now();
        for begin in &lost {
            self.journal.end_lost(&lost::end(begin, now), &lost::trace(begin, begin.reserved))?;
        }
        // An attempt may have been settled and its trace not written yet: its key must not be executed again either.
        let untraced = self.sorter.open.take_untraced();
        for (begin, cost) in &untraced {
            self.journal.trace(&lost::trace(begin, *cost));
        }
        if !lost.is_empty() || !untraced.is_empty() {
            let (attempts, requests) = (lost.len(), untraced.len());
            tracing::warn!(attempts, requests, "the last run ended under open attempts: they are settled as estimates");
            self.catch_up()?;
        }
        Ok(())
    }

    /// Folds everything that was written so far into the ledger.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        let last = self.journal.written().get();
        while self.journal.synced_seq() < last {
            self.journal.sleep_until_synced(last, None, || false);
        }
        self.read_synced()?;
        Ok(self.apply()?)
    }

    fn check_time(&self) -> Result<()> {
        let (latest, now) = (self.sorter.latest, self.clock.now());
        if latest <= now.plus(AHEAD_MAX) {
            return Ok(());
        }
        let message =
            format!("the journal holds records of {latest}, but the clock shows {now}: set the clock right, then start again");
        Err(Error::new(ErrorKind::Internal, message))
    }
}
