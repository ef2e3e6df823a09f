//! A batch's lines, several at once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use insula_model::{BatchStatus, Result};
use insula_store::LineRow;
use tokio::task::{JoinError, JoinSet};

use super::{groups::Groups, lines::Lines, run::Running, sender::Sender, together};
use crate::{
    runs::{Stop, Watch},
    turn,
};

/// How often it is looked whether the batch may go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Lines that are kept at once; those of one call are always kept together, so that none of its answer is lost by half.
const KEPT_AT_ONCE: usize = 32;

/// Sends every line that is not done; `None` once all are, else why that had to wait.
pub(super) async fn execute(batch: &Running, lines: Lines, watch: &Watch) -> Result<Option<Stop>> {
    let done: HashSet<u64> = batch.store.lines_done(batch.row.id).await?.into_iter().collect();
    let sender = Arc::new(Sender::new(batch, watch.clone()));
    let (mut under_way, mut looks, mut all_begun) = (JoinSet::new(), tokio::time::interval(LOOK_EVERY), false);
    let mut groups = Groups::new(batch, lines);
    loop {
        while !all_begun && watch.stop().is_none() && under_way.len() < at_once(batch) {
            match groups.next().await? {
                None => all_begun = true,
                Some(mut group) => {
                    group.retain(|line| !done.contains(&line.number));
                    if !group.is_empty() {
                        under_way.spawn(together::perform(Arc::clone(&sender), group));
                    }
                }
            }
        }
        // What is under way goes on without us, and its answers are kept for who takes the batch up.
        if under_way.is_empty() || matches!(watch.stop(), Some(Stop::Node | Stop::Lost)) {
            break;
        }
        tokio::select! {
            Some(ended) = under_way.join_next() => keep(batch, ended, &mut under_way, watch).await?,
            _ = looks.tick() => look(batch, &sender, watch).await?,
        }
    }
    match watch.stop() {
        // The last lines came to their end while it was about to stop.
        Some(Stop::Expired | Stop::Budget | Stop::Withdrawn) if is_done(batch).await? => Ok(None),
        stop => Ok(stop),
    }
}

/// How many lines may be under way: not more than would be refused for the tenant's and the key's own limits.
fn at_once(batch: &Running) -> usize {
    let most = batch.engine.settings.batches.lines_at_once_max;
    let Ok(credential) = batch.credential() else { return most };
    let keys = credential.key.as_ref().and_then(|key| key.limits.concurrency);
    let limits = [credential.tenant.limits.concurrency, keys];
    let own = limits.into_iter().flatten().map(|seats| turn::background_share(seats) as usize).min();
    own.map_or(most, |own| own.clamp(1, most))
}

/// Keeps the lines of a call that ended, and of all others that ended meanwhile.
async fn keep(
    batch: &Running,
    first: Result<Vec<LineRow>, JoinError>,
    under_way: &mut JoinSet<Vec<LineRow>>,
    watch: &Watch,
) -> Result<()> {
    let (mut rows, mut next) = (Vec::new(), Some(first));
    while let Some(ended) = next {
        // A line whose task panicked is not done: the batch comes to a halt over it and begins there again.
        rows.extend(ended.map_err(insula_model::Error::internal)?);
        next = under_way.try_join_next();
        if rows.is_empty() || (next.is_some() && rows.len() < KEPT_AT_ONCE) {
            continue;
        }
        let row = batch.store.keep_lines(batch.row.id, &rows).await?;
        rows.clear();
        if row.is_some_and(|row| row.status == BatchStatus::Cancelling) {
            watch.halt(Stop::Cancelled);
        }
    }
    Ok(())
}

/// Whether the batch may go on; and tells what it waits for.
async fn look(batch: &Running, sender: &Sender, watch: &Watch) -> Result<()> {
    if batch.is_expired() {
        watch.halt(Stop::Expired);
    }
    if batch.credential().is_err() {
        watch.halt(Stop::Withdrawn);
    }
    let Some(row) = batch.store.batch(batch.row.id).await? else { return Ok(()) };
    if row.status == BatchStatus::Cancelling {
        watch.halt(Stop::Cancelled);
    }
    let waits = sender.waits();
    if waits != row.waiting && watch.stop().is_none() {
        batch.store.note_batch_waits(row.id, waits).await?;
    }
    Ok(())
}

async fn is_done(batch: &Running) -> Result<bool> {
    let row = batch.store.batch(batch.row.id).await?;
    Ok(row.is_some_and(|row| row.status == BatchStatus::InProgress && row.completed + row.failed == row.total))
}
