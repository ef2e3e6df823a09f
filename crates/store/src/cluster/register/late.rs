//! Ends that come after another node has settled their attempt as an estimate.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use insula_model::{AttemptId, AttemptOutcome, Error, Overhead, Result, TokenCounts};
use tokio_postgres::Row;

use super::{
    Settlement,
    ends::LOCK_LEDGER,
    rows::{Amounts, Entry},
    settlement::NotAll,
};
use crate::{
    cluster::LEDGER_LOCK,
    postgres::{Access, Mode, PgPool, away},
    records::{Begin, End},
};

/// An attempt that was not open when its end was written.
pub(super) struct Late {
    begin: Arc<Begin>,
    end: End,
    /// Whether it must have a row.
    was_sent: bool,
}

impl Late {
    pub(super) fn ended(begin: Arc<Begin>, end: End) -> Self {
        Self { begin, end, was_sent: true }
    }

    /// It never reached its provider: where it has a row, nothing of that is owed.
    pub(super) fn never_sent(begin: Arc<Begin>) -> Self {
        let end = End {
            attempt: begin.attempt,
            settled_at: begin.reserved_at,
            outcome: AttemptOutcome::Rejected,
            tokens: TokenCounts::default(),
            cost: insula_model::Money::ZERO,
            estimated: false,
            isolation: Overhead::default(),
        };
        Self { begin, end, was_sent: false }
    }
}

const FIND: &str = "SELECT attempt, correction, outcome, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, \
    reasoning_tokens, cache_write_1h_tokens, cost, estimated, isolation_input_tokens, isolation_cache_read_tokens, \
    isolation_cache_write_tokens, isolation_cache_write_1h_tokens, isolation_cost FROM ledger WHERE attempt = ANY($1::bytea[])";

/// What the ledger says of the attempts.
#[derive(Default)]
struct Known {
    /// The attempt's own rows: how it ended, with what.
    rows: HashMap<AttemptId, (String, Amounts)>,
    corrected: HashSet<AttemptId>,
}

/// Adds the difference to what was estimated. An attempt that an earlier try has written already is passed over; one of which
/// nothing is known gets its row, because it was sent.
pub(super) async fn write(pool: &PgPool, node: &[u8; 16], late: &[Late]) -> Result<()> {
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    let attempts: Vec<&[u8]> = late.iter().map(|late| late.begin.attempt.as_bytes().as_slice()).collect();
    tx.run(LOCK_LEDGER, &[&LEDGER_LOCK]).await?;
    let known = read(&tx.rows(FIND, &[&attempts]).await?)?;
    let mut settlement = Settlement::default();
    let mut corrections = 0;
    for Late { begin, end, was_sent } in late {
        let amounts = Amounts::of(end);
        match known.rows.get(&begin.attempt) {
            None if *was_sent => settlement.end(begin, end),
            Some((outcome, estimate))
                if outcome == AttemptOutcome::Lost.name() && !known.corrected.contains(&begin.attempt) =>
            {
                corrections += 1;
                settlement.add(Entry { begin, end, amounts: amounts.less(estimate), is_correction: true });
            }
            _ => {}
        }
    }
    // A row that came in between is seen by the next try.
    settlement.write(&tx, node).await.map_err(|error| match error.private_source() {
        Some(source) if source.is::<NotAll>() => away().caused_by(error),
        _ => error,
    })?;
    tx.commit().await?;
    if corrections > 0 {
        tracing::warn!(corrections, "attempts that other nodes had taken for lost have ended: their estimates are corrected");
    }
    Ok(())
}

fn read(rows: &[Row]) -> Result<Known> {
    let mut known = Known::default();
    for row in rows {
        let int = |column: &str| row.try_get::<_, i64>(column).map_err(Error::internal);
        let attempt: &[u8] = row.try_get("attempt").map_err(Error::internal)?;
        let attempt = AttemptId::from_bytes(attempt.try_into().map_err(Error::internal)?);
        if int("correction")? != 0 {
            known.corrected.insert(attempt);
            continue;
        }
        let tokens = [
            int("input_tokens")?,
            int("cache_read_tokens")?,
            int("cache_write_tokens")?,
            int("output_tokens")?,
            int("reasoning_tokens")?,
            int("cache_write_1h_tokens")?,
        ];
        let isolation = [
            int("isolation_input_tokens")?,
            int("isolation_cache_read_tokens")?,
            int("isolation_cache_write_tokens")?,
            int("isolation_cache_write_1h_tokens")?,
        ];
        let (cost, estimated, isolation_cost) = (int("cost")?, int("estimated")?, int("isolation_cost")?);
        let amounts = Amounts { tokens, cost, estimated, isolation, isolation_cost };
        known.rows.insert(attempt, (row.try_get("outcome").map_err(Error::internal)?, amounts));
    }
    Ok(known)
}
