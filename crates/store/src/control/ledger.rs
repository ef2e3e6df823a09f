//! The ledger: one row per attempt, only ever inserted, and the accounts that its rows move.
//!
//! Where the truth comes after an estimate was written, a second row holds the differences: its `correction` is 1, the
//! attempt's own is 0. Whoever sums adds up both; whoever counts attempts counts the first.
//!
//! The fold is the only writer. A batch of the journal goes in as one transaction together with the position that it
//! reaches, so a batch that is applied twice changes nothing: its rows are there already, and only a row that was inserted
//! moves an account.

use std::{collections::BTreeMap, time::Duration};

use insula_model::{
    AttemptId, EndUserId, Error, KeyId, Money, Overhead, RequestId, Result, Subject, TenantId, TenantScope, Timestamp,
    TokenCounts, Window,
};

use super::{Control, tag_sets::TagSet};
use crate::{
    Attribution, Begin, End, LedgerRow,
    query::{Field, Rec, Row, Tx, Val, args, rec},
};

/// One batch of the journal, applied to the control database in one transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoldBatch {
    /// Attempts that ended.
    pub(crate) rows: Vec<LedgerRow>,
    /// Still open in segments that are about to be recycled.
    pub(crate) carried: Vec<Begin>,
    /// No longer open: forgotten from `open_attempts`.
    pub(crate) closed: Vec<AttemptId>,
    /// How far the journal is folded once the batch is applied.
    pub(crate) position: Position,
    /// The latest time in the batch.
    pub(crate) latest_time: Timestamp,
}

/// How far the journal is folded, in numbers of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    /// Everything up to this record is in the control database.
    pub(crate) seq: u64,
    /// Every trace up to this record is in its tenant's file.
    pub(crate) traces_seq: u64,
}

rec!(Position { seq, traces_seq });

/// No attempt has this many tokens of one class, whatever a provider reports: a larger count is kept as this, so that no sum
/// of rows overflows.
const TOKENS_MAX: u64 = 1_000_000_000;

/// How long before and after the time that a caller gives its attempts are looked for.
const NEAR_BEFORE: Duration = Duration::from_secs(60);
const NEAR_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

impl Control {
    /// Applies one batch, all of it or nothing.
    pub(crate) async fn apply_fold(&self, batch: &FoldBatch) -> Result<()> {
        let mut tx = self.db.write().await?;
        let mut moves: BTreeMap<(Subject, Timestamp), (Money, u64)> = BTreeMap::new();
        for row in &batch.rows {
            if !insert(&mut tx, row, batch.position.seq).await? {
                continue;
            }
            let hour = Window::Hour.span(row.begin.reserved_at).start;
            let tokens = kept(&row.end.tokens).total();
            for subject in accounts(&row.begin) {
                let moved = moves.entry((subject, hour)).or_default();
                moved.0 += row.end.cost;
                moved.1 += tokens;
            }
        }
        for ((subject, hour), (money, tokens)) in moves {
            move_account(&mut tx, subject, hour, money, tokens).await?;
        }
        carry(&mut tx, batch).await?;
        tx.exec(
            "UPDATE fold SET seq = $1, traces_seq = $2, \
             latest_time = CASE WHEN latest_time < $3 THEN $3 ELSE latest_time END WHERE id = 1",
            args![batch.position.seq, batch.position.traces_seq, batch.latest_time],
        )
        .await?;
        tx.commit().await
    }

    /// Up to where the journal is applied.
    pub(crate) async fn fold_position(&self) -> Result<Position> {
        self.db.read().await?.one("SELECT seq, traces_seq FROM fold WHERE id = 1", &[]).await
    }

    /// The latest time that a batch brought.
    pub(crate) async fn latest_time(&self) -> Result<Timestamp> {
        struct Latest {
            latest_time: Timestamp,
        }
        rec!(Latest { latest_time });
        let latest: Latest = self.db.read().await?.one("SELECT latest_time FROM fold WHERE id = 1", &[]).await?;
        Ok(latest.latest_time)
    }

    /// Attempts that were still open when their journal segment was recycled.
    pub(crate) async fn open_attempts(&self) -> Result<Vec<Begin>> {
        struct Open {
            record: Vec<u8>,
        }
        rec!(Open { record });
        let open: Vec<Open> = self.db.read().await?.all("SELECT record FROM open_attempts ORDER BY attempt", &[]).await?;
        open.iter().map(|open| Begin::from_kept(&open.record)).collect()
    }

    /// The attempts of a request, oldest first. `near` is when the request arrived: attempts reserved more than a minute before
    /// or two hours after are not found. The rows carry no idempotency mark.
    pub async fn attempts(&self, scope: &TenantScope, request: RequestId, near: Timestamp) -> Result<Vec<LedgerRow>> {
        let from = near.minus(NEAR_BEFORE);
        self.db.on_behalf(scope).read().await?.all(ATTEMPTS, args![scope.tenant(), from, near.plus(NEAR_AFTER), request]).await
    }
}

/// Attempts of a tenant as they are known by now: each row and what was corrected since, as one. The bounds stand in the order of
/// the index `ledger_by_tenant`.
macro_rules! attempts_sql {
    ($which:literal) => {
        concat!(
            "SELECT a.attempt, a.request, a.tenant, a.key_id, a.reserved_at, a.operation, a.cause, \
             a.provider, a.model, a.price_row, a.reserved, a.input_tokens_max, a.output_tokens_max, \
             a.end_user, a.plan, a.queued_us, a.credential, COALESCE(t.tags, '{}') AS tags, \
             COALESCE(c.settled_at, a.settled_at) AS settled_at, COALESCE(c.outcome, a.outcome) AS outcome, \
             a.input_tokens + COALESCE(c.input_tokens, 0) AS input_tokens, \
             a.cache_read_tokens + COALESCE(c.cache_read_tokens, 0) AS cache_read_tokens, \
             a.cache_write_tokens + COALESCE(c.cache_write_tokens, 0) AS cache_write_tokens, \
             a.cache_write_1h_tokens + COALESCE(c.cache_write_1h_tokens, 0) AS cache_write_1h_tokens, \
             a.output_tokens + COALESCE(c.output_tokens, 0) AS output_tokens, \
             a.reasoning_tokens + COALESCE(c.reasoning_tokens, 0) AS reasoning_tokens, \
             a.cost + COALESCE(c.cost, 0) AS cost, a.estimated + COALESCE(c.estimated, 0) AS estimated, \
             a.isolation_input_tokens + COALESCE(c.isolation_input_tokens, 0) AS isolation_input_tokens, \
             a.isolation_cache_read_tokens + COALESCE(c.isolation_cache_read_tokens, 0) AS isolation_cache_read_tokens, \
             a.isolation_cache_write_tokens + COALESCE(c.isolation_cache_write_tokens, 0) AS isolation_cache_write_tokens, \
             a.isolation_cache_write_1h_tokens + COALESCE(c.isolation_cache_write_1h_tokens, 0) \
             AS isolation_cache_write_1h_tokens, a.isolation_cost + COALESCE(c.isolation_cost, 0) AS isolation_cost \
             FROM ledger a LEFT JOIN ledger c ON c.attempt = a.attempt AND c.correction = 1 \
             LEFT JOIN tag_sets t ON t.tenant = a.tenant AND t.id = a.tag_set \
             WHERE a.tenant = $1 AND a.reserved_at >= $2 AND a.reserved_at < $3 AND a.correction = 0 AND ",
            $which
        )
    };
}
pub(super) use attempts_sql;

pub(super) const ATTEMPTS: &str = attempts_sql!("a.request = $4 ORDER BY a.reserved_at, a.attempt");

/// Whose accounts an attempt moves.
pub(crate) fn accounts(begin: &Begin) -> impl Iterator<Item = Subject> {
    subjects(begin.tenant, begin.key, begin.attribution.end_user)
}

/// Whose accounts it moves what a tenant spends with a key and for an end user.
pub(super) fn subjects(tenant: TenantId, key: Option<KeyId>, end_user: Option<EndUserId>) -> impl Iterator<Item = Subject> {
    let key = key.map(|key| Subject::Key(tenant, key));
    let end_user = end_user.map(|end_user| Subject::EndUser(tenant, end_user));
    [Subject::Platform, Subject::Tenant(tenant)].into_iter().chain(key).chain(end_user)
}

/// The counts as they are kept.
pub(crate) fn kept(tokens: &TokenCounts) -> TokenCounts {
    TokenCounts {
        input: tokens.input.min(TOKENS_MAX),
        cache_read: tokens.cache_read.min(TOKENS_MAX),
        cache_write: tokens.cache_write.min(TOKENS_MAX),
        cache_write_1h: tokens.cache_write_1h.min(TOKENS_MAX),
        output: tokens.output.min(TOKENS_MAX),
        reasoning: tokens.reasoning.min(TOKENS_MAX),
    }
}

/// Inserts a row; false when it is there already. Rows of one batch have the same `entry`, and later batches higher ones.
async fn insert(tx: &mut Tx, row: &LedgerRow, entry: u64) -> Result<bool> {
    let attribution = &row.begin.attribution;
    let tag_set = TagSet::of(&attribution.tags);
    if let Some(set) = &tag_set {
        let keep = "INSERT INTO tag_sets (tenant, id, tags) SELECT id, $2, $3 FROM tenants WHERE id = $1 \
                    ON CONFLICT (tenant, id) DO NOTHING";
        tx.exec(keep, args![row.begin.tenant, set.id, set.text]).await?;
    }
    let tag_set = tag_set.map(|set| set.id);
    let (begin, end, tokens) = (&row.begin, &row.end, kept(&row.end.tokens));
    let isolation = kept(&end.isolation.tokens);
    let values: &[Val<'_>] = args![
        begin.attempt,
        begin.request,
        begin.tenant,
        begin.key,
        begin.reserved_at,
        begin.operation,
        begin.cause,
        begin.provider,
        begin.model,
        begin.price_row,
        begin.reserved,
        begin.input_tokens_max,
        begin.output_tokens_max,
        end.settled_at,
        end.outcome,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write,
        tokens.output,
        tokens.reasoning,
        end.cost,
        end.estimated,
        entry,
        attribution.end_user,
        attribution.plan,
        tag_set,
        attribution.queued_us,
        tokens.cache_write_1h,
        isolation.input,
        isolation.cache_read,
        isolation.cache_write,
        isolation.cache_write_1h,
        end.isolation.cost,
        attribution.credential,
    ];
    let inserted = tx
        .exec(
            "INSERT INTO ledger (attempt, correction, request, tenant, key_id, reserved_at, operation, cause, provider, model, price_row, \
             reserved, input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens, \
             cache_write_tokens, output_tokens, reasoning_tokens, cost, estimated, entry, end_user, plan, tag_set, queued_us, \
             cache_write_1h_tokens, isolation_input_tokens, isolation_cache_read_tokens, isolation_cache_write_tokens, \
             isolation_cache_write_1h_tokens, isolation_cost, credential) VALUES \
             ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
             $25, $26, $27, $28, $29, $30, $31, $32, $33, $34) ON CONFLICT (attempt, correction) DO NOTHING",
            values,
        )
        .await?;
    Ok(inserted == 1)
}

async fn move_account(tx: &mut Tx, subject: Subject, hour: Timestamp, money: Money, tokens: u64) -> Result<()> {
    tx.exec(
        "INSERT INTO spend_hour (subject, hour, money, tokens) VALUES ($1, $2, $3, $4) ON CONFLICT (subject, hour) DO UPDATE \
         SET money = CASE WHEN spend_hour.money > $5 - excluded.money THEN $5 ELSE spend_hour.money + excluded.money END, \
         tokens = CASE WHEN spend_hour.tokens > $5 - excluded.tokens THEN $5 ELSE spend_hour.tokens + excluded.tokens END",
        // An hour beyond all bounds stops at the largest number: it must not keep the rest of the journal from being folded.
        args![subject, hour, money, tokens, i64::MAX],
    )
    .await?;
    Ok(())
}

/// Keeps what is still open in segments that go, forgets what ended.
async fn carry(tx: &mut Tx, batch: &FoldBatch) -> Result<()> {
    for begin in &batch.carried {
        let record = postcard::to_stdvec(begin).map_err(Error::internal)?;
        let keep = "INSERT INTO open_attempts (attempt, record) VALUES ($1, $2) ON CONFLICT (attempt) DO NOTHING";
        tx.exec(keep, args![begin.attempt, record]).await?;
    }
    for attempt in &batch.closed {
        tx.exec("DELETE FROM open_attempts WHERE attempt = $1", &[attempt.bind()]).await?;
    }
    Ok(())
}

impl Rec for Begin {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Begin {
            attempt: row.get("attempt")?,
            request: row.get("request")?,
            tenant: row.get("tenant")?,
            key: row.get("key_id")?,
            reserved_at: row.get("reserved_at")?,
            operation: row.get("operation")?,
            cause: row.get("cause")?,
            provider: row.get("provider")?,
            model: row.get("model")?,
            price_row: row.get("price_row")?,
            reserved: row.get("reserved")?,
            input_tokens_max: row.get("input_tokens_max")?,
            output_tokens_max: row.get("output_tokens_max")?,
            idempotency: None,
            attribution: Attribution {
                end_user: row.get("end_user")?,
                plan: row.get("plan")?,
                tags: row.get("tags")?,
                queued_us: row.get("queued_us")?,
                credential: row.get("credential")?,
            },
        })
    }
}

impl Rec for LedgerRow {
    fn read(row: &Row<'_>) -> Result<Self> {
        let begin = Begin::read(row)?;
        let tokens = TokenCounts {
            input: row.get("input_tokens")?,
            cache_read: row.get("cache_read_tokens")?,
            cache_write: row.get("cache_write_tokens")?,
            cache_write_1h: row.get("cache_write_1h_tokens")?,
            output: row.get("output_tokens")?,
            reasoning: row.get("reasoning_tokens")?,
        };
        let end = End {
            attempt: begin.attempt,
            settled_at: row.get("settled_at")?,
            outcome: row.get("outcome")?,
            tokens,
            cost: row.get("cost")?,
            estimated: row.get("estimated")?,
            isolation: Overhead {
                tokens: TokenCounts {
                    input: row.get("isolation_input_tokens")?,
                    cache_read: row.get("isolation_cache_read_tokens")?,
                    cache_write: row.get("isolation_cache_write_tokens")?,
                    cache_write_1h: row.get("isolation_cache_write_1h_tokens")?,
                    ..TokenCounts::default()
                },
                cost: row.get("isolation_cost")?,
            },
        };
        Ok(LedgerRow { begin, end })
    }
}
