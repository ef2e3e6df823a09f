//! Attempts that are about to be sent.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use insula_model::{AttemptId, Error, Result};
use tokio_postgres::types::ToSql;

use super::{
    Shared,
    persist::pause,
    rows::int,
    state::{Beginning, Refusal},
};
use crate::postgres::{Access, Mode, PgPool, PgTx};

/// BEGINs in one transaction.
const BATCH_MAX: usize = 1_000;

/// How long a batch is tried before it is refused.
const TRIED_MAX: Duration = Duration::from_secs(3);

/// The node stands as it did, and nobody fences it before this transaction is over. Its beats go on.
pub(super) const STANDS: &str = "SELECT 1 FROM nodes WHERE id = $1 AND epoch = $2 FOR KEY SHARE";

pub(super) const INSERT: &str = "INSERT INTO begun_attempts (attempt, node, epoch, tenant, key_id, reserved_at, reserved, \
    tokens_max, idempotency, record, end_user) SELECT b.attempt, $1::bytea, $2::bigint, b.tenant, b.key_id, b.reserved_at, b.reserved, \
    b.tokens_max, b.idempotency, b.record, b.end_user FROM unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], \
    $8::bigint[], $9::bytea[], $10::bytea[], $11::bytea[]) AS b (attempt, tenant, key_id, reserved_at, reserved, tokens_max, idempotency, \
    record, end_user) ON CONFLICT DO NOTHING RETURNING attempt";

const FIND: &str = "SELECT attempt FROM begun_attempts WHERE attempt = ANY($1::bytea[]) AND node = $2";

/// Writes batch after batch, each of what has gathered meanwhile.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let taken = shared.state.lock().take_begins(BATCH_MAX);
        let Some((last, batch)) = taken else {
            shared.begins_wanted.notified().await;
            continue;
        };
        if !batch.is_empty() {
            let decided = decide(&shared, &batch).await;
            shared.state.lock().decide(&batch, |attempt| match &decided {
                Ok(begun) if begun.contains(attempt) => None,
                Ok(_) => Some(Refusal::Twin),
                Err(refusal) => Some(*refusal),
            });
        }
        shared.begins_done.advance(last);
    }
}

/// Which of the batch have begun; nobody has, where it is refused.
async fn decide(shared: &Shared, batch: &[Beginning]) -> Result<HashSet<AttemptId>, Refusal> {
    let begun_at = Instant::now();
    let (mut failures, mut in_doubt) = (0, false);
    loop {
        let failed = match shared.standing.may_spend() {
            Ok(()) => match write(&shared.pool, &shared.node, batch).await {
                Ok(begun) => return Ok(begun),
                Err(Failed::NoStanding) if !in_doubt => return Err(Refusal::NoStanding),
                // Fenced in between: whatever was committed is settled by others.
                Err(Failed::NoStanding) => return Err(Refusal::InDoubt),
                Err(Failed::Before(error)) => error,
                Err(Failed::Committing(error)) => {
                    in_doubt = true;
                    error
                }
            },
            Err(error) => error,
        };
        if begun_at.elapsed() + pause(failures) > TRIED_MAX {
            let cause = failed.private_source().map(ToString::to_string);
            tracing::warn!(error = %failed, cause, refused = batch.len(), "attempts cannot be noted in shared storage");
            return Err(if in_doubt { Refusal::InDoubt } else { Refusal::Away });
        }
        tokio::time::sleep(pause(failures)).await;
        failures += 1;
    }
}

enum Failed {
    /// The node was declared dead.
    NoStanding,
    /// Nothing was written.
    Before(Error),
    /// Nobody knows whether it was written.
    Committing(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Before(error)
    }
}

/// Writes a batch of one epoch; which attempts of it have begun. Repeated after a commit in doubt it finds its own rows: while
/// the node stands nobody else has taken them away.
async fn write(pool: &PgPool, node: &[u8; 16], batch: &[Beginning]) -> Result<HashSet<AttemptId>, Failed> {
    let epoch = batch.first().map_or(0, |first| int(&first.epoch));
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    tx.prepare(&[STANDS, INSERT]).await?;
    let rows = Columns::of(batch)?;
    let node = node.as_slice();
    let this: [&(dyn ToSql + Sync); 2] = [&node, &epoch];
    let (stands, mut begun) = tokio::try_join!(tx.rows(STANDS, &this), rows.insert(&tx, node, epoch))?;
    if stands.is_empty() {
        return Err(Failed::NoStanding);
    }
    if begun.len() < batch.len() {
        // Twins, or rows that an earlier try has committed.
        let missing: Vec<&[u8]> = rows.attempts.iter().copied().filter(|attempt| !contains(&begun, attempt)).collect();
        begun.extend(ids(&tx.rows(FIND, &[&missing, &node]).await?)?);
    }
    tx.commit().await.map_err(Failed::Committing)?;
    Ok(begun)
}

fn contains(begun: &HashSet<AttemptId>, attempt: &[u8]) -> bool {
    attempt.try_into().is_ok_and(|id| begun.contains(&AttemptId::from_bytes(id)))
}

/// The ids in the first column.
pub(super) fn ids(rows: &[tokio_postgres::Row]) -> Result<HashSet<AttemptId>> {
    let id = |row: &tokio_postgres::Row| {
        let bytes: &[u8] = row.try_get(0).map_err(Error::internal)?;
        bytes.try_into().map(AttemptId::from_bytes).map_err(Error::internal)
    };
    rows.iter().map(id).collect()
}

/// A batch as columns, in the order of tenants and keys: two nodes with the same keys wait for each other in one order.
struct Columns<'a> {
    attempts: Vec<&'a [u8]>,
    tenants: Vec<&'a [u8]>,
    keys: Vec<Option<&'a [u8]>>,
    reserved_at: Vec<i64>,
    reserved: Vec<i64>,
    tokens_max: Vec<i64>,
    marks: Vec<Option<&'a [u8]>>,
    records: Vec<Vec<u8>>,
    end_users: Vec<Option<&'a [u8]>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Beginning]) -> Result<Self> {
        let mut begins: Vec<_> = batch.iter().map(|beginning| &*beginning.begin).collect();
        begins.sort_unstable_by_key(|begin| (begin.tenant, begin.idempotency.map(|mark| mark.key_hash)));
        let records: Result<_, _> = begins.iter().map(postcard::to_stdvec).collect();
        Ok(Self {
            attempts: begins.iter().map(|begin| begin.attempt.as_bytes().as_slice()).collect(),
            tenants: begins.iter().map(|begin| begin.tenant.as_bytes().as_slice()).collect(),
            keys: begins.iter().map(|begin| begin.key.as_ref().map(|key| key.as_bytes().as_slice())).collect(),
            reserved_at: begins.iter().map(|begin| begin.reserved_at.micros()).collect(),
            reserved: begins.iter().map(|begin| int(&begin.reserved)).collect(),
            tokens_max: begins
                .iter()
                .map(|begin| int(&begin.input_tokens_max.saturating_add(begin.output_tokens_max)))
                .collect(),
            marks: begins.iter().map(|begin| begin.idempotency.as_ref().map(|mark| mark.key_hash.as_slice())).collect(),
            records: records.map_err(Error::internal)?,
            end_users: begins
                .iter()
                .map(|begin| begin.attribution.end_user.as_ref().map(|user| user.as_bytes().as_slice()))
                .collect(),
        })
    }

    async fn insert(&self, tx: &PgTx, node: &[u8], epoch: i64) -> Result<HashSet<AttemptId>> {
        let Self { attempts, tenants, keys, reserved_at, reserved, tokens_max, marks, records, end_users } = self;
        let inserted = tx
            .rows(
                INSERT,
                &[&node, &epoch, attempts, tenants, keys, reserved_at, reserved, tokens_max, marks, records, end_users],
            )
            .await?;
        ids(&inserted)
    }
}
