//! The windows of budgets and the nodes' shares of them: statements of PostgreSQL alone.

use insula_model::{Error, Money, Result, Subject, Timestamp};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    cluster::{LEDGER_LOCK, WindowColumns, WindowKey, subject_bytes},
    postgres::{Access, Mode, PgPool, PgTx},
    query::{args, rec},
};

/// How a window stands: picodollars or tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowState {
    /// The most that may be spent.
    pub cap: i64,
    /// What is spent.
    pub settled: i64,
    /// What all nodes lease together.
    pub leased: i64,
}

/// Windows as the columns of `unnest`, with their ends, and with amounts where there are any.
pub(super) struct Columns {
    keys: WindowColumns,
    ends: Vec<i64>,
    amounts: Vec<i64>,
}

impl Columns {
    pub fn of<'a>(windows: impl Iterator<Item = &'a WindowKey> + Clone) -> Self {
        Self {
            keys: WindowColumns::of(windows.clone()),
            ends: windows.map(|key| key.window.span(key.starts_at).end.micros()).collect(),
            amounts: Vec::new(),
        }
    }

    pub fn with_amounts(amounts: &[(WindowKey, i64)]) -> Self {
        let columns = Self::of(amounts.iter().map(|(key, _)| key));
        Self { amounts: amounts.iter().map(|(_, amount)| *amount).collect(), ..columns }
    }

    fn keys(&self) -> [&(dyn ToSql + Sync); 4] {
        self.keys.params()
    }

    fn keys_and_amounts(&self) -> [&(dyn ToSql + Sync); 5] {
        let [subjects, spans, units, starts] = self.keys();
        [subjects, spans, units, starts, &self.amounts]
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    Aborted,
    UnderWay,
    /// The server does not know any more.
    Forgotten,
}

/// Whether the node still stands as it did at `epoch`; nobody fences it before this transaction is over. Its beats go on.
pub(super) async fn stand(tx: &PgTx, node: &[u8; 16], epoch: u64) -> Result<bool> {
    let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
    let rows = tx.rows("SELECT 1 FROM nodes WHERE id = $1 AND epoch = $2 FOR KEY SHARE", &[&node.as_slice(), &epoch]).await?;
    Ok(!rows.is_empty())
}

/// Locks the windows, in the order of their keys, and says how each stands that exists.
pub(super) async fn lock(tx: &PgTx, columns: &Columns, windows: &[WindowKey]) -> Result<Vec<Option<WindowState>>> {
    let lock = "SELECT a.place, w.cap, w.settled, w.leased FROM budget_windows w \
        JOIN unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY \
        AS a (subject, span, unit, starts_at, place) \
        ON (w.subject, w.span, w.unit, w.starts_at) = (a.subject, a.span, a.unit, a.starts_at) \
        ORDER BY w.subject, w.span, w.unit, w.starts_at FOR UPDATE OF w";
    let mut states = vec![None; windows.len()];
    for row in tx.rows(lock, &columns.keys()).await? {
        let state = WindowState { cap: int(&row, 1)?, settled: int(&row, 2)?, leased: int(&row, 3)? };
        if let Some(place) = states.get_mut(place(&row)?) {
            *place = Some(state);
        }
    }
    Ok(states)
}

/// For which of the windows the stored budgets have a hard one. Asked after they are locked, so that it sees what whoever held
/// the locks before made of the budgets.
pub(super) async fn hard_caps(tx: &PgTx, columns: &Columns, windows: &[WindowKey]) -> Result<Vec<bool>> {
    let capped = "SELECT a.place FROM budgets b \
        JOIN unnest($1::bytea[], $2::text[], $3::text[]) WITH ORDINALITY AS a (subject, span, unit, place) \
        ON (b.subject, b.span, b.unit) = (a.subject, a.span, a.unit) WHERE b.mode = 'hard'";
    let mut hard = vec![false; windows.len()];
    for row in tx.rows(capped, &columns.keys()[..3]).await? {
        if let Some(hard) = hard.get_mut(place(&row)?) {
            *hard = true;
        }
    }
    Ok(hard)
}

/// Makes what is missing of the windows for which there is a hard budget, and forgets those before them that nobody leases.
///
/// Nobody settles meanwhile: what is settled before is in `spend_hour`, what is settled later finds the window.
pub(super) async fn make(pool: &PgPool, columns: &Columns) -> Result<()> {
    let tx = pool.begin(Access::Control, Mode::Batch).await?;
    tx.run("SELECT pg_advisory_xact_lock($1)", &[&LEDGER_LOCK]).await?;
    // Another statement than the lock, so that it sees what was settled while that was waited for.
    let make = "INSERT INTO budget_windows (subject, span, unit, starts_at, cap, settled, leased, overdrawn) \
        SELECT b.subject, b.span, b.unit, a.starts_at, b.cap, s.settled, 0, GREATEST(0, s.settled - b.cap) \
        FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) \
        AS a (subject, span, unit, starts_at, ends_at) \
        JOIN budgets b ON (b.subject, b.span, b.unit) = (a.subject, a.span, a.unit) AND b.mode = 'hard' \
        CROSS JOIN LATERAL (SELECT CAST(LEAST(COALESCE(SUM(CASE a.unit WHEN 'usd' THEN h.money ELSE h.tokens END), 0), \
        9000000000000000000) AS BIGINT) AS settled FROM spend_hour h WHERE h.subject = a.subject AND h.hour >= a.starts_at AND h.hour < a.ends_at) s \
        ORDER BY 1, 2, 3, 4 ON CONFLICT (subject, span, unit, starts_at) DO NOTHING";
    let [subjects, spans, units, starts] = columns.keys();
    tx.run(make, &[subjects, spans, units, starts, &columns.ends]).await?;
    forget_ended(&tx, columns).await?;
    tx.commit().await
}

/// Forgets the windows before these that nobody leases any more; what was spent in them stands in `spend_hour`. Passes over
/// those that somebody works on.
async fn forget_ended(tx: &PgTx, columns: &Columns) -> Result<()> {
    let forget = "WITH ended AS (SELECT w.subject, w.span, w.unit, w.starts_at FROM budget_windows w \
        JOIN unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) AS a (subject, span, unit, starts_at) \
        ON (w.subject, w.span, w.unit) = (a.subject, a.span, a.unit) AND w.starts_at < a.starts_at \
        WHERE w.leased = 0 FOR UPDATE OF w SKIP LOCKED), \
        shares AS (DELETE FROM budget_leases l USING ended e \
        WHERE (l.subject, l.span, l.unit, l.starts_at) = (e.subject, e.span, e.unit, e.starts_at)) \
        DELETE FROM budget_windows w USING ended e \
        WHERE (w.subject, w.span, w.unit, w.starts_at) = (e.subject, e.span, e.unit, e.starts_at)";
    tx.run(forget, &columns.keys()).await.map(drop)
}

/// Leases more of windows that are locked. Never above the cap: the table itself refuses that.
pub(super) async fn raise_leased(tx: &PgTx, columns: &Columns) -> Result<()> {
    let raise = "UPDATE budget_windows w SET leased = w.leased + a.amount \
        FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS a (subject, span, unit, starts_at, amount) \
        WHERE (w.subject, w.span, w.unit, w.starts_at) = (a.subject, a.span, a.unit, a.starts_at)";
    tx.run(raise, &columns.keys_and_amounts()).await.map(drop)
}

/// Notes the same as the node's own.
pub(super) async fn raise_own(tx: &PgTx, node: &[u8; 16], columns: &Columns) -> Result<()> {
    let raise = "INSERT INTO budget_leases (subject, span, unit, starts_at, amount, node) \
        SELECT a.*, $6::bytea FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS a \
        ON CONFLICT (node, subject, span, unit, starts_at) DO UPDATE SET amount = budget_leases.amount + excluded.amount";
    let [subjects, spans, units, starts, amounts] = columns.keys_and_amounts();
    tx.run(raise, &[subjects, spans, units, starts, amounts, &node.as_slice()]).await.map(drop)
}

/// Leases less of windows that are locked.
pub(super) async fn lower_leased(tx: &PgTx, columns: &Columns) -> Result<()> {
    let lower = "UPDATE budget_windows w SET leased = w.leased - a.amount, \
        overdrawn = GREATEST(0, w.settled + w.leased - a.amount - w.cap) \
        FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS a (subject, span, unit, starts_at, amount) \
        WHERE (w.subject, w.span, w.unit, w.starts_at) = (a.subject, a.span, a.unit, a.starts_at)";
    tx.run(lower, &columns.keys_and_amounts()).await.map(drop)
}

/// Notes the same as no longer the node's own.
pub(super) async fn lower_own(tx: &PgTx, node: &[u8; 16], columns: &Columns) -> Result<()> {
    let lower = "UPDATE budget_leases l SET amount = l.amount - a.amount \
        FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS a (subject, span, unit, starts_at, amount) \
        WHERE l.node = $6 AND (l.subject, l.span, l.unit, l.starts_at) = (a.subject, a.span, a.unit, a.starts_at)";
    let [subjects, spans, units, starts, amounts] = columns.keys_and_amounts();
    tx.run(lower, &[subjects, spans, units, starts, amounts, &node.as_slice()]).await.map(drop)
}

/// The number under which the server knows this transaction.
pub(super) async fn transaction(tx: &PgTx) -> Result<String> {
    let rows = tx.rows("SELECT CAST(pg_current_xact_id() AS TEXT)", &[]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("a transaction has no number"))?;
    row.try_get(0).map_err(Error::internal)
}

/// How another transaction ended.
pub(super) async fn outcome(tx: &PgTx, transaction: &str) -> Result<Outcome> {
    let rows = tx.rows("SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS XID8))", &[&transaction]).await?;
    let status = rows.first().map(|row| row.try_get::<_, Option<String>>(0)).transpose().map_err(Error::internal)?.flatten();
    Ok(match status.as_deref() {
        Some("committed") => Outcome::Committed,
        Some("aborted") => Outcome::Aborted,
        Some(_) => Outcome::UnderWay,
        None => Outcome::Forgotten,
    })
}

struct Reserved {
    money: Money,
    tokens: u64,
}

rec!(Reserved { money, tokens });

/// What open attempts of all nodes have reserved for a subject since a moment.
pub(super) async fn reserved(tx: &mut PgTx, subject: &Subject, since: Timestamp) -> Result<(Money, u64)> {
    let (key, end_user) = match subject {
        Subject::Key(_, key) => (Some(*key), None),
        Subject::EndUser(_, end_user) => (None, Some(*end_user)),
        Subject::Platform | Subject::Tenant(_) => (None, None),
    };
    let sum = "SELECT CAST(LEAST(COALESCE(SUM(reserved), 0), 9000000000000000000) AS BIGINT) AS money, \
        CAST(LEAST(COALESCE(SUM(tokens_max), 0), 9000000000000000000) AS BIGINT) AS tokens FROM begun_attempts \
        WHERE reserved_at >= $1 AND ($2 IS NULL OR tenant = $2) AND ($3 IS NULL OR key_id = $3) \
        AND ($4 IS NULL OR end_user = $4)";
    let sums: Vec<Reserved> = tx.all(sum, args![since, subject.tenant(), key, end_user]).await?;
    Ok(sums.first().map_or((Money::ZERO, 0), |sum| (sum.money, sum.tokens)))
}

/// The stored budgets of a subject are about to change: nobody makes windows of them before this transaction is over.
pub(crate) async fn before_budgets_change(tx: &PgTx) -> Result<()> {
    tx.run("SELECT pg_advisory_xact_lock_shared($1)", &[&LEDGER_LOCK]).await.map(drop)
}

/// Waits for all settlements under way; none begins before this transaction is over.
pub(crate) async fn after_settlements(tx: &PgTx) -> Result<()> {
    tx.run("SELECT pg_advisory_xact_lock($1)", &[&LEDGER_LOCK]).await.map(drop)
}

/// The windows of a subject that exist get the caps of its hard budgets. What is settled and leased above a lowered cap is
/// overdrawn until it is given back or the window ends.
pub(crate) async fn follow_budgets(tx: &PgTx, subject: &Subject) -> Result<()> {
    let subject = subject_bytes(subject);
    let lock = "SELECT 1 FROM budget_windows WHERE subject = $1 ORDER BY subject, span, unit, starts_at FOR UPDATE";
    tx.rows(lock, &[&subject]).await?;
    let follow = "UPDATE budget_windows w SET cap = b.cap, overdrawn = GREATEST(0, w.settled + w.leased - b.cap) \
        FROM budgets b WHERE w.subject = $1 AND (b.subject, b.span, b.unit) = (w.subject, w.span, w.unit) AND b.mode = 'hard'";
    tx.run(follow, &[&subject]).await.map(drop)
}

fn int(row: &Row, column: usize) -> Result<i64> {
    row.try_get(column).map_err(Error::internal)
}

/// The place in the list that was asked for, counted from nothing.
fn place(row: &Row) -> Result<usize> {
    Ok(usize::try_from(int(row, 0)? - 1).unwrap_or(usize::MAX))
}
