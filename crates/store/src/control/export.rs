//! The ledger row by row, for those who keep a copy of it.
//!
//! Rows are only ever inserted, so whoever remembers how far he has read reads each of them exactly once, whatever is written
//! meanwhile and on whichever node. The order is that of writing: rows of one transaction have the same `entry`, and inside of it
//! stand by attempt. What is still being written is not read before nothing can appear in front of it.

use insula_model::{AttemptId, AttemptOutcome, Error, Money, Result, TenantScope, Timestamp, TokenCounts};
use serde::{Deserialize, Serialize};

use super::Control;
use crate::{
    Begin,
    query::{Db, Rec, Row, args, aside},
};

/// How far a reader of the ledger has come: behind this row. The default is before all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LedgerCursor {
    entry: u64,
    attempt: AttemptId,
    is_correction: bool,
}

impl Default for LedgerCursor {
    fn default() -> Self {
        Self { entry: 0, attempt: AttemptId::from_bytes([0; 16]), is_correction: false }
    }
}

impl LedgerCursor {
    /// Behind all rows whose `entry` is below this.
    fn behind_all_below(entry: u64) -> Self {
        match entry.checked_sub(1) {
            None => Self::default(),
            Some(entry) => Self { entry, attempt: AttemptId::from_bytes([0xff; 16]), is_correction: true },
        }
    }
}

/// One row of the ledger as it was written: an attempt, or what was found to differ from it later.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// Where it stands.
    pub cursor: LedgerCursor,
    /// What was held for the attempt, and for whom.
    pub begin: Begin,
    /// When the attempt, or its correction, was settled.
    pub settled_at: Timestamp,
    /// How the attempt ended, as far as was known.
    pub outcome: AttemptOutcome,
    /// The attempt's tokens, or what to add to them.
    pub tokens: TokenDifferences,
    /// The attempt's cost, or what to add to it.
    pub cost: Money,
    /// 1 for an estimate, 0 otherwise; in a correction what to add.
    pub estimated: i64,
    /// What of its tokens and its cost kept its tenant apart, or what to add to that.
    pub isolation: OverheadDifference,
}

impl LedgerEntry {
    /// Whether it holds differences to its attempt's row.
    pub fn is_correction(&self) -> bool {
        self.cursor.is_correction
    }
}

/// Tokens by class, which in a correction may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenDifferences {
    /// Input that was read afresh.
    pub input: i64,
    /// Input from the provider's cache.
    pub cache_read: i64,
    /// Input written to the provider's cache.
    pub cache_write: i64,
    /// Input written to it for an hour.
    pub cache_write_1h: i64,
    /// Visible output.
    pub output: i64,
    /// Hidden reasoning.
    pub reasoning: i64,
}

impl TokenDifferences {
    /// All input classes together.
    pub fn input_total(&self) -> i64 {
        [self.cache_read, self.cache_write, self.cache_write_1h].into_iter().fold(self.input, i64::saturating_add)
    }

    /// What is added, and what is taken away.
    pub fn sides(&self) -> (TokenCounts, TokenCounts) {
        let side = |sign: i64| {
            let count = |tokens: i64| u64::try_from(tokens.saturating_mul(sign)).unwrap_or_default();
            TokenCounts {
                input: count(self.input),
                cache_read: count(self.cache_read),
                cache_write: count(self.cache_write),
                cache_write_1h: count(self.cache_write_1h),
                output: count(self.output),
                reasoning: count(self.reasoning),
            }
        };
        (side(1), side(-1))
    }
}

/// Tokens that kept a tenant apart and what they cost, which in a correction may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OverheadDifference {
    /// By class; none of them is output.
    pub tokens: TokenDifferences,
    /// Their cost.
    pub cost: Money,
}

/// Some rows of the ledger, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerPage {
    /// The rows.
    pub rows: Vec<LedgerEntry>,
    /// Where to go on. Behind the last row; where there are no more, behind all that there could be by now.
    pub next: LedgerCursor,
    /// Whether there may be more rows already.
    pub more: bool,
}

/// The rows behind `$1` to `$3` whose `entry` is at most `$4`; of all tenants, and of one.
macro_rules! page_sql {
    ($whose:literal) => {
        concat!(
            "SELECT l.entry, l.correction, l.attempt, l.request, l.tenant, l.key_id, l.reserved_at, l.operation, l.cause, \
             l.provider, l.model, l.price_row, l.reserved, l.input_tokens_max, l.output_tokens_max, l.end_user, l.plan, \
             l.queued_us, l.credential, COALESCE(t.tags, '{}') AS tags, l.settled_at, l.outcome, l.input_tokens, l.cache_read_tokens, \
             l.cache_write_tokens, l.cache_write_1h_tokens, l.output_tokens, l.reasoning_tokens, l.cost, l.estimated, \
             l.isolation_input_tokens, l.isolation_cache_read_tokens, l.isolation_cache_write_tokens, \
             l.isolation_cache_write_1h_tokens, l.isolation_cost \
             FROM ledger l LEFT JOIN tag_sets t ON t.tenant = l.tenant AND t.id = l.tag_set \
             WHERE ",
            $whose,
            "(l.entry, l.attempt, l.correction) > ($1, $2, $3) AND l.entry <= $4 \
             ORDER BY l.entry, l.attempt, l.correction LIMIT $5"
        )
    };
}

const OF_ALL: &str = page_sql!("");
const OF_ONE: &str = page_sql!("l.tenant = $6 AND ");

impl Control {
    /// At most `limit` rows of the ledger behind `after`, of one tenant or of all. What is not folded yet is not in it: flush the
    /// store first where that matters. `Invalid` for a cursor ahead of the ledger.
    pub async fn ledger_page(&self, tenant: Option<TenantScope>, after: LedgerCursor, limit: u32) -> Result<LedgerPage> {
        let _turn = self.sum_turn(tenant.as_ref()).await?;
        let db = tenant.map_or_else(|| self.db.clone(), |scope| self.db.on_behalf(&scope));
        aside(async move { page(&db, tenant, after, limit).await }).await
    }
}

async fn page(db: &Db, tenant: Option<TenantScope>, after: LedgerCursor, limit: u32) -> Result<LedgerPage> {
    let mut tx = db.read().await?;
    let complete = LedgerCursor::behind_all_below(tx.complete_below().await?);
    if after > complete {
        let message = "this cursor is ahead of the ledger, which was put back to an earlier state: export it anew; rows keep \
                       their ids";
        return Err(Error::invalid(message).at("cursor"));
    }
    let LedgerCursor { entry, attempt, is_correction } = after;
    let rows: Vec<LedgerEntry> = match tenant {
        Some(scope) => tx.all(OF_ONE, args![entry, attempt, is_correction, complete.entry, limit, scope.tenant()]).await?,
        None => tx.all(OF_ALL, args![entry, attempt, is_correction, complete.entry, limit]).await?,
    };
    let more = rows.len() == limit as usize;
    let next = match rows.last() {
        Some(last) if more => last.cursor,
        _ => complete,
    };
    Ok(LedgerPage { rows, next, more })
}

impl Rec for LedgerEntry {
    fn read(row: &Row<'_>) -> Result<Self> {
        let begin = Begin::read(row)?;
        let cursor = LedgerCursor { entry: row.get("entry")?, attempt: begin.attempt, is_correction: row.get("correction")? };
        let tokens = TokenDifferences {
            input: row.get("input_tokens")?,
            cache_read: row.get("cache_read_tokens")?,
            cache_write: row.get("cache_write_tokens")?,
            cache_write_1h: row.get("cache_write_1h_tokens")?,
            output: row.get("output_tokens")?,
            reasoning: row.get("reasoning_tokens")?,
        };
        Ok(LedgerEntry {
            cursor,
            begin,
            settled_at: row.get("settled_at")?,
            outcome: row.get("outcome")?,
            tokens,
            cost: row.get("cost")?,
            estimated: row.get("estimated")?,
            isolation: OverheadDifference {
                tokens: TokenDifferences {
                    input: row.get("isolation_input_tokens")?,
                    cache_read: row.get("isolation_cache_read_tokens")?,
                    cache_write: row.get("isolation_cache_write_tokens")?,
                    cache_write_1h: row.get("isolation_cache_write_1h_tokens")?,
                    ..TokenDifferences::default()
                },
                cost: row.get("isolation_cost")?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use insula_model::{ScopeSource, TenantId};

    use super::*;
    use crate::control::explained::plan;

    #[tokio::test]
    async fn pages_go_on_in_their_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let attempt = AttemptId::from_bytes([1; 16]);
        let all = plan(&control, OF_ALL, args![1_u64, attempt, false, 9_u64, 10_u32]).await;
        assert!(all.contains("SEARCH l USING INDEX ledger_by_entry ((entry,attempt,correction)>(?,?,?) AND entry<?)"), "{all}");
        let tenant = TenantScope::mint(TenantId::from_bytes([1; 16]), ScopeSource::Job("test")).tenant();
        let one = plan(&control, OF_ONE, args![1_u64, attempt, false, 9_u64, 10_u32, tenant]).await;
        let bounds = "ledger_by_tenant_entry (tenant=? AND (entry,attempt,correction)>(?,?,?) AND entry<?)";
        assert!(one.contains(bounds), "{one}");
        for plan in [all, one] {
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn the_default_is_before_everything() {
        assert_eq!(LedgerCursor::behind_all_below(0), LedgerCursor::default());
        assert!(LedgerCursor::behind_all_below(1) > LedgerCursor::default());
    }
}
