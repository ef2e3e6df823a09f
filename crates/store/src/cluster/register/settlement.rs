//! Ledger rows and everything that moves with them, in one transaction.

use std::collections::BTreeMap;

use insula_model::{Error, Result, Subject, Timestamp, Window};

use super::rows::{self, Amounts, Entry};
use crate::{
    cluster::{LeaseMove, Unit, WindowColumns, WindowKey, subject_bytes},
    control::accounts,
    postgres::PgTx,
    records::{Begin, End},
};

/// What a window's budgets count.
const UNITS: [Unit; 2] = [Unit::Usd, Unit::Tokens];
const WINDOWS: [Window; 3] = [Window::Hour, Window::Day, Window::Month];

/// Rows to insert, and what they move. A row that is not inserted moves nothing: see [`Settlement::write`].
#[derive(Default)]
pub(crate) struct Settlement<'a> {
    entries: Vec<Entry<'a>>,
    /// Per account and hour: money and tokens.
    spend: BTreeMap<(Subject, Timestamp), (i128, i128)>,
    /// Per window: what this node leases less of it.
    freed: BTreeMap<WindowKey, i128>,
}

/// A window's parts of a settlement.
#[derive(Default)]
struct Move {
    settled: i128,
    freed: i128,
}

const UPSERT_SPEND: &str = "INSERT INTO spend_hour (subject, hour, money, tokens) \
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[]) \
    ON CONFLICT (subject, hour) DO UPDATE SET \
    money = CASE WHEN excluded.money > 0 AND spend_hour.money > $5::bigint - excluded.money THEN $5 \
        ELSE spend_hour.money + excluded.money END, \
    tokens = CASE WHEN excluded.tokens > 0 AND spend_hour.tokens > $5 - excluded.tokens THEN $5 \
        ELSE spend_hour.tokens + excluded.tokens END";

/// The place of each window that exists among those that were asked for.
const LOCK_WINDOWS: &str = "SELECT k.place FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY \
    AS k (subject, span, unit, starts_at, place) JOIN budget_windows w USING (subject, span, unit, starts_at) \
    ORDER BY w.subject, w.span, w.unit, w.starts_at FOR NO KEY UPDATE OF w";

/// What a node leases never falls below nothing, and a window's `leased` falls by exactly what the node's does. `settled` stops
/// where the sum would no longer fit.
const MOVE_WINDOWS: &str = "WITH moved AS (SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], \
    $6::bigint[]) AS m (subject, span, unit, starts_at, settled, freed)), \
    taken AS (SELECT m.*, COALESCE(LEAST(l.amount, m.freed), 0) AS given FROM moved m LEFT JOIN budget_leases l \
        ON (l.node, l.subject, l.span, l.unit, l.starts_at) = ($7::bytea, m.subject, m.span, m.unit, m.starts_at)), \
    lowered AS (UPDATE budget_leases l SET amount = l.amount - t.given FROM taken t WHERE t.given > 0 \
        AND (l.node, l.subject, l.span, l.unit, l.starts_at) = ($7, t.subject, t.span, t.unit, t.starts_at)), \
    state AS (SELECT t.subject, t.span, t.unit, t.starts_at, w.leased - t.given AS leased, \
        LEAST(w.settled::numeric + t.settled, 9223372036854775807 - (w.leased - t.given))::bigint AS settled \
        FROM taken t JOIN budget_windows w USING (subject, span, unit, starts_at)) \
    UPDATE budget_windows w SET settled = s.settled, leased = s.leased, overdrawn = GREATEST(0, s.settled + s.leased - w.cap) \
    FROM state s WHERE (w.subject, w.span, w.unit, w.starts_at) = (s.subject, s.span, s.unit, s.starts_at)";

impl<'a> Settlement<'a> {
    /// Adds an attempt that ended.
    pub(crate) fn end(&mut self, begin: &'a Begin, end: &'a End) {
        self.add(Entry { begin, end, amounts: Amounts::of(end), is_correction: false });
    }

    /// Adds a row, which moves the accounts of its subjects in the hour and the windows in which it was reserved.
    pub(super) fn add(&mut self, entry: Entry<'a>) {
        let hour = Window::Hour.span(entry.begin.reserved_at).start;
        let Amounts { cost, .. } = entry.amounts;
        for subject in accounts(entry.begin) {
            let moved = self.spend.entry((subject, hour)).or_default();
            moved.0 += i128::from(cost);
            moved.1 += i128::from(entry.amounts.tokens_total());
        }
        self.entries.push(entry);
    }

    /// Adds what a node leases less of some windows.
    pub(crate) fn free(&mut self, moves: &[LeaseMove]) {
        for LeaseMove { key, consumed, returned } in moves {
            *self.freed.entry(*key).or_default() += i128::from(*consumed.max(&0)) + i128::from(*returned.max(&0));
        }
    }

    /// Writes it all. The transaction holds the ledger's lock, shared, and the rows that were given up for these.
    ///
    /// # Errors
    /// [`NotAll`] as the private cause where a row was there already: nothing of this may be committed then.
    pub(crate) async fn write(&self, tx: &PgTx, node: &[u8; 16]) -> Result<()> {
        let windows = self.windows();
        // Sent together, but in this order, which is everybody's.
        tx.prepare(&[rows::KEEP_TAGS, rows::INSERT, UPSERT_SPEND, LOCK_WINDOWS]).await?;
        let (keep, insert) = (rows::keep_tags(tx, &self.entries), rows::insert(tx, &self.entries));
        let ((), inserted, (), existing) = tokio::try_join!(keep, insert, self.upsert_spend(tx), lock_windows(tx, &windows))?;
        if inserted != self.entries.len() as u64 {
            return Err(Error::internal(NotAll));
        }
        if existing.is_empty() {
            return Ok(());
        }
        let moved: Vec<&(WindowKey, Move)> = existing.iter().filter_map(|place| windows.get(*place)).collect();
        let keys = WindowColumns::of(moved.iter().map(|(key, _)| key));
        let settled: Vec<i64> = moved.iter().map(|(_, moved)| stored(moved.settled)).collect();
        let freed: Vec<i64> = moved.iter().map(|(_, moved)| stored(moved.freed)).collect();
        let [subjects, spans, units, starts] = keys.params();
        tx.run(MOVE_WINDOWS, &[subjects, spans, units, starts, &settled, &freed, &node.as_slice()]).await.map(drop)
    }

    async fn upsert_spend(&self, tx: &PgTx) -> Result<()> {
        if self.spend.is_empty() {
            return Ok(());
        }
        // In the order of the keys, as everybody locks these rows.
        let subjects: Vec<Vec<u8>> = self.spend.keys().map(|(subject, _)| subject_bytes(subject)).collect();
        let hours: Vec<i64> = self.spend.keys().map(|(_, hour)| hour.micros()).collect();
        let money: Vec<i64> = self.spend.values().map(|(money, _)| stored(*money)).collect();
        let tokens: Vec<i64> = self.spend.values().map(|(_, tokens)| stored(*tokens)).collect();
        tx.run(UPSERT_SPEND, &[&subjects, &hours, &money, &tokens, &i64::MAX]).await.map(drop)
    }

    /// Every window that may exist for what was spent or freed.
    fn windows(&self) -> Vec<(WindowKey, Move)> {
        let mut windows: BTreeMap<WindowKey, Move> = BTreeMap::new();
        for ((subject, hour), (money, tokens)) in &self.spend {
            for window in WINDOWS {
                let starts_at = window.span(*hour).start;
                for unit in UNITS {
                    let spent = match unit {
                        Unit::Usd => *money,
                        Unit::Tokens => *tokens,
                    };
                    windows.entry(WindowKey { subject: *subject, window, unit, starts_at }).or_default().settled += spent;
                }
            }
        }
        for (key, freed) in &self.freed {
            windows.entry(*key).or_default().freed += freed;
        }
        windows.into_iter().collect()
    }
}

/// A ledger row that was to be inserted is there already.
#[derive(Debug, thiserror::Error)]
#[error("an attempt that was open has a ledger row already")]
pub(crate) struct NotAll;

/// Locks those of the windows that exist, in the order of their keys; their places in the list.
async fn lock_windows(tx: &PgTx, windows: &[(WindowKey, Move)]) -> Result<Vec<usize>> {
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let places = tx.rows(LOCK_WINDOWS, &WindowColumns::of(windows.iter().map(|(key, _)| key)).params()).await?;
    let place = |row: &tokio_postgres::Row| row.try_get::<_, i64>(0).map_err(Error::internal);
    places.iter().map(|row| Ok(usize::try_from(place(row)? - 1).unwrap_or(usize::MAX))).collect()
}

/// A sum as its column can hold it.
fn stored(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
}
