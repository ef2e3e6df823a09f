//! The rhythm of the folder's thread.

use std::time::{Duration, Instant};

use insula_model::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::{
    folder::{FoldError, Folder},
    inbox::Request,
};
use crate::journal::fatal;

/// Records wait at most this long to be folded,
const INTERVAL: Duration = Duration::from_millis(100);
/// or until there are this many: about as many as make one full batch.
const RECORDS_MAX: u64 = 6_000;
/// How soon what failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Folds until asked to stop, or until nobody is left to ask.
pub(super) fn run(mut folder: Folder) {
    let mut waiting_since = None;
    let mut failing = false;
    loop {
        let due = rest(&folder, &mut waiting_since);
        if folder.inbox.is_abandoned() {
            return;
        }
        let asked = folder.inbox.take();
        let wants_ledger = due || asked.iter().any(|(request, _)| !matches!(request, Request::Tenant(_)));
        let mut folded = folder.read_synced();
        if wants_ledger && folded.is_ok() {
            folded = folder.apply();
            waiting_since = None;
        }
        for (request, answer) in asked {
            let done = match (request, &folded) {
                (Request::Stop, _) => return finish(folder, answer),
                (Request::Ledger, Ok(())) => Ok(()),
                (Request::Tenant(tenant), Ok(())) => folder.write_traces(tenant),
                (Request::All, Ok(())) => folder.write_all(),
                (_, Err(_)) => Err(not_now()),
            };
            // Who asked may not wait for it any more.
            let _ = answer.send(done);
        }
        folder.write_due();
        folder.keep_bound();
        let folded = folded.and_then(|()| folder.retire());
        if let Err(error) = &folded {
            complain(error, failing);
            folder.journal.sleep_until_synced(u64::MAX, Some(RETRY_AFTER), || folder.inbox.has_work());
        }
        failing = folded.is_err();
    }
}

/// Rests until something is due or asked for; whether it is due. Parked without a timer while there is nothing to do.
fn rest(folder: &Folder, waiting_since: &mut Option<Instant>) -> bool {
    loop {
        if folder.inbox.has_work() {
            return false;
        }
        let (now, next) = (Instant::now(), folder.reader.next_seq());
        let synced = folder.journal.synced_seq();
        let waiting = synced >= next || !folder.sorter.batch.rows.is_empty();
        let batch_in = waiting.then(|| INTERVAL.saturating_sub(now - *waiting_since.get_or_insert(now)));
        let traces_in = folder.inbox.pending.lock().next_due().map(|at| at.saturating_sub(folder.clock.elapsed()));
        let at_most = batch_in.into_iter().chain(traces_in).min();
        if at_most == Some(Duration::ZERO) || synced >= next + RECORDS_MAX {
            return true;
        }
        let wake_at = if waiting { next + RECORDS_MAX } else { next };
        folder.journal.sleep_until_synced(wake_at, at_most, || folder.inbox.has_work());
    }
}

/// Folds what is left, stops the journal and says so.
fn finish(mut folder: Folder, answer: oneshot::Sender<Result<()>>) {
    folder.journal.refuse();
    let settled = folder.catch_up().and_then(|()| {
        let written = folder.write_all();
        folder.apply_anyway()?;
        folder.retire()?;
        written
    });
    folder.journal.close();
    // Gives the data directory back before anybody takes it again.
    drop(folder);
    let _ = answer.send(settled);
}

fn complain(error: &FoldError, again: bool) {
    match error {
        // What was read once and cannot be read any more was damaged since: a start will say what there is to say.
        FoldError::Damaged(error) => fatal("the journal was damaged while it was in use", error),
        FoldError::Failed(_) if again => {}
        FoldError::Failed(error) => {
            let cause = error.private_source().map(ToString::to_string);
            tracing::error!(%error, cause, "the ledger cannot be brought up to date; it is tried again every second");
        }
    }
}

fn not_now() -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, "the ledger could not be brought up to date just now")
}
