//! Attempts that are over.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use insula_model::{AttemptId, Result};
use tokio_postgres::types::ToSql;

use super::{
    Settlement, Shared, begins, late,
    persist::persist,
    rows::int,
    state::{Ending, Refusal},
};
use crate::{
    cluster::LEDGER_LOCK,
    postgres::{Access, Mode, PgTx},
};

/// ENDs and RELEASEs in one transaction.
const BATCH_MAX: usize = 1_000;

/// Windows are made under this lock alone, summed from `spend_hour`: nobody settles meanwhile.
pub(super) const LOCK_LEDGER: &str = "SELECT pg_advisory_xact_lock_shared($1)";

/// Keeps the sweeper out until this transaction is over.
const LOCK_NODE: &str = "SELECT 1 FROM nodes WHERE id = $1 FOR KEY SHARE";

/// Whoever deletes the row settles the attempt.
const TAKE: &str = "DELETE FROM begun_attempts WHERE attempt = ANY($1::bytea[]) AND node = $2 RETURNING attempt";

/// Writes batch after batch, each of what has gathered meanwhile.
pub(super) async fn run(shared: Arc<Shared>) {
    // Those whose trace was put back: they stay open until it is written, and hold up nobody else.
    let mut held: Vec<Ending> = Vec::new();
    loop {
        let mut batch = shared.state.lock().take_ends(BATCH_MAX);
        let last = batch.last().map_or(0, |ending| ending.seq);
        let is_written = |ending: &mut Ending| shared.traces.done().is_done(ending.behind_trace);
        let later: Vec<Ending> = held.extract_if(.., is_written).collect();
        if batch.is_empty() && later.is_empty() {
            shared.ends_wanted.notified().await;
            continue;
        }
        // A RELEASE may overtake its BEGIN, which is decided within a bounded time.
        shared.begins_done.reached(batch.iter().map(|ending| ending.begun).max().unwrap_or(0)).await;
        shared.traces.passed(batch.iter().map(|ending| ending.behind_trace).max().unwrap_or(0)).await;
        held.extend(batch.extract_if(.., |ending| !shared.traces.done().is_done(ending.behind_trace)));
        batch.extend(later);
        write_all(&shared, &batch).await;
        let mut state = shared.state.lock();
        state.ending -= batch.len();
        batch.iter().for_each(|ending| state.forget_refusal(ending.begun));
        drop(state);
        shared.ends_done.advance_but(last, held.iter().map(|ending| ending.seq));
        shared.ends_done.release(&batch.iter().map(|ending| ending.seq).collect::<Vec<_>>());
    }
}

/// Writes a batch, whatever it takes.
async fn write_all(shared: &Shared, batch: &[Ending]) {
    if batch.is_empty() {
        return;
    }
    if let Err(error) = persist!("released attempts", anchor(shared, batch)) {
        tracing::error!(%error, "leases of attempts that were not sent stay with this node until it leaves");
    }
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match persist!("the ends of attempts", write(shared, part)) {
            Ok(ended) => correct(shared, part, &ended).await,
            Err(_) if part.len() > 1 => {
                // One of them is refused by the tables; the others must not wait for it.
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            Err(error) => {
                let cause = error.private_source().map(ToString::to_string);
                let attempt = part.first().map(|ending| ending.attempt.to_string());
                tracing::error!(%error, cause, attempt, "the end of an attempt is refused: it stays open and becomes an estimate");
            }
        }
    }
}

/// Gives those RELEASEs a row to delete that may have none, but move leases: only with the row do they move, and so only once,
/// however often it is tried. A BEGIN in doubt is waited for by the same statement. A row without a record bills nothing.
async fn anchor(shared: &Shared, batch: &[Ending]) -> Result<()> {
    let mut by_epoch: BTreeMap<u64, Vec<&Ending>> = BTreeMap::new();
    for ending in batch.iter().filter(|ending| wants_anchor(shared, ending)) {
        by_epoch.entry(ending.epoch).or_default().push(ending);
    }
    for (epoch, endings) in by_epoch {
        let tx = shared.pool.begin(Access::Control, Mode::Batch).await?;
        let (node, epoch) = (shared.node.as_slice(), int(&epoch));
        if tx.rows(begins::STANDS, &[&node, &epoch]).await?.is_empty() {
            // What it leased then is returned already.
            continue;
        }
        insert_anchors(&tx, node, epoch, &endings).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn wants_anchor(shared: &Shared, ending: &Ending) -> bool {
    let refusal = shared.state.lock().refusal(ending.begun);
    ending.end.is_none()
        && match refusal {
            Some(Refusal::InDoubt) => true,
            Some(Refusal::NoStanding) => false,
            Some(Refusal::Twin | Refusal::Away) => !ending.moves.is_empty(),
            None => ending.begin.is_none() && !ending.moves.is_empty(),
        }
}

async fn insert_anchors(tx: &PgTx, node: &[u8], epoch: i64, endings: &[&Ending]) -> Result<()> {
    let nobody = [0; 16];
    let tenant = |ending: &&Ending| ending.begin.as_ref().map_or(nobody, |begin| *begin.tenant.as_bytes());
    let tenants: Vec<[u8; 16]> = endings.iter().map(tenant).collect();
    let tenants: Vec<&[u8]> = tenants.iter().map(|tenant| tenant.as_slice()).collect();
    let attempts: Vec<&[u8]> = endings.iter().map(|ending| ending.attempt.as_bytes().as_slice()).collect();
    let (nothing, zeros, records) =
        (vec![None::<&[u8]>; endings.len()], vec![0i64; endings.len()], vec![&[][..]; endings.len()]);
    tx.rows(
        begins::INSERT,
        &[&node, &epoch, &attempts, &tenants, &nothing, &zeros, &zeros, &zeros, &nothing, &records as &Vec<&[u8]>, &nothing],
    )
    .await
    .map(drop)
}

/// Settles those of a batch that are open; which these were.
async fn write(shared: &Shared, batch: &[Ending]) -> Result<HashSet<AttemptId>> {
    let tx = shared.pool.begin(Access::Control, Mode::Batch).await?;
    tx.prepare(&[LOCK_LEDGER, LOCK_NODE, TAKE]).await?;
    let taken = take(&tx, &shared.node, batch).await?;
    let mut settlement = Settlement::default();
    for ending in batch.iter().filter(|ending| taken.contains(&ending.attempt)) {
        settlement.free(&ending.moves);
        if let (Some(begin), Some(end)) = (&ending.begin, &ending.end) {
            settlement.end(begin, end);
        }
    }
    settlement.write(&tx, &shared.node).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Deletes the rows of those that are open, in one round trip with the locks that come first; which these were.
async fn take(tx: &PgTx, node: &[u8; 16], batch: &[Ending]) -> Result<HashSet<AttemptId>> {
    let attempts: Vec<&[u8]> = batch.iter().map(|ending| ending.attempt.as_bytes().as_slice()).collect();
    let node = node.as_slice();
    let these: [&(dyn ToSql + Sync); 2] = [&attempts, &node];
    let ledger: [&(dyn ToSql + Sync); 1] = [&LEDGER_LOCK];
    let (_, _, taken) = tokio::try_join!(tx.run(LOCK_LEDGER, &ledger), tx.rows(LOCK_NODE, &these[1..]), tx.rows(TAKE, &these))?;
    begins::ids(&taken)
}

/// Sees to those that were not open any more: an earlier try has settled them, or another node.
async fn correct(shared: &Shared, batch: &[Ending], ended: &HashSet<AttemptId>) {
    let left = batch.iter().filter(|ending| !ended.contains(&ending.attempt));
    let late: Vec<late::Late> = left.filter_map(|ending| late_one(shared, ending)).collect();
    if late.is_empty() {
        return;
    }
    if let Err(error) = persist!("corrections", late::write(&shared.pool, &shared.node, &late)) {
        let cause = error.private_source().map(ToString::to_string);
        tracing::error!(%error, cause, attempts = late.len(), "attempts stay as others estimated them");
    }
}

fn late_one(shared: &Shared, ending: &Ending) -> Option<late::Late> {
    let begin = ending.begin.clone()?;
    match (&ending.end, shared.state.lock().refusal(ending.begun)) {
        (Some(end), _) => Some(late::Late::ended(begin, end.clone())),
        (None, None | Some(Refusal::InDoubt)) => Some(late::Late::never_sent(begin)),
        // Never written, so that nobody settled it.
        (None, Some(_)) => None,
    }
}
