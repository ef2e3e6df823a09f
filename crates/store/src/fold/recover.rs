//! What a start does before anything is served.

use insula_model::Result;

use super::{folder::Folder, lost};
use crate::{records::Begin, store::raise_clock};

impl Folder {
    /// Folds everything that an earlier run left and settles what died with it. Nothing is decided but by records: the
    /// ENDs of lost attempts go through the journal like any others, so a start that is cut short is simply repeated.
    pub(super) fn recover(&mut self) -> Result<()> {
        self.catch_up()?;
        raise_clock(&*self.clock, self.sorter.latest)?;
        let lost: Vec<Begin> = self.sorter.open.all().cloned().collect();
        let now = self.clock.now();
        for begin in &lost {
            self.journal.end_lost(&lost::end(begin, now), &lost::trace(begin, begin.reserved))?;
        }
        // An attempt may have been settled and its trace not written yet: its key must not be executed again either.
        let mut requests = 0;
        for (begin, cost) in self.sorter.open.untraced() {
            self.journal.trace(&lost::trace(begin, cost));
            requests += 1;
        }
        if !lost.is_empty() || requests > 0 {
            let attempts = lost.len();
            tracing::warn!(attempts, requests, "the last run ended under open attempts: they are settled as estimates");
            self.catch_up()?;
        }
        self.inbox.pending.lock().started();
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
}
