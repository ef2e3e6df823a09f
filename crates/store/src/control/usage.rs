//! Usage: sums over the ledger.

use insula_model::{Cause, KeyId, Money, Operation, Result, TenantId, TenantScope, Timestamp, TokenCounts};

use super::Control;
use crate::query::{Db, Field, Rec, Row, args, aside};

/// What usage to sum.
#[derive(Debug, Clone, Copy)]
pub struct UsageQuery {
    /// Whose; absent for all tenants together (operators only).
    pub tenant: Option<TenantScope>,
    /// Attempts reserved at or after this.
    pub from: Timestamp,
    /// Attempts reserved before this.
    pub to: Timestamp,
    /// One row for each of these.
    pub group_by: GroupBy,
}

/// What a row of usage stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// One row for everything; no row when there was nothing.
    None,
    /// A key.
    Key,
    /// A model.
    Model,
    /// A tenant.
    Tenant,
    /// A UTC day.
    Day,
    /// A kind of call.
    Operation,
    /// Why an attempt was made.
    Cause,
    /// The plan under which it was made.
    Plan,
}

/// Usage of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key's or tenant's id, the model, the day (`2026-01-31`), the operation, the cause or the plan; absent without
    /// grouping, for attempts by a tenant token when grouped by key, and for those without a plan when grouped by plan.
    pub group: Option<String>,
    /// Distinct requests.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Tokens by class.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost: Money,
    /// How many of the attempts are estimates.
    pub estimated: u64,
}

/// A query over all tenants and the same over one; the bounds stand in the order of an index of each.
#[derive(Clone, Copy)]
pub(super) struct UsageSql {
    pub(super) all: &'static str,
    pub(super) one: &'static str,
}

/// Amounts are summed in two parts, so that no sum overflows however many rows there are; counts are bounded row by row.
/// Corrections are summed, not counted.
macro_rules! usage_sql {
    (@ $group:literal, $whose:literal) => {
        concat!(
            "SELECT ", $group, " AS grp, COUNT(DISTINCT CASE correction WHEN 0 THEN request END) AS requests, \
             COUNT(CASE correction WHEN 0 THEN 1 END) AS attempts, \
             CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens, \
             CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
             CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(cost / 1000000) AS BIGINT) AS cost_high, \
             CAST(SUM(cost % 1000000) AS BIGINT) AS cost_low, CAST(SUM(estimated) AS BIGINT) AS estimated \
             FROM ledger WHERE ", $whose, "reserved_at >= $1 AND reserved_at < $2 GROUP BY 1"
        )
    };
    ($group:literal) => {
        UsageSql { all: usage_sql!(@ $group, ""), one: usage_sql!(@ $group, "tenant = $3 AND ") }
    };
}

pub(super) const TOTAL: UsageSql = usage_sql!("0");
const BY_KEY: UsageSql = usage_sql!("key_id");
const BY_MODEL: UsageSql = usage_sql!("model");
const BY_TENANT: UsageSql = usage_sql!("tenant");
const BY_DAY: UsageSql = usage_sql!("reserved_at / 86400000000");
const BY_OPERATION: UsageSql = usage_sql!("operation");
const BY_CAUSE: UsageSql = usage_sql!("cause");
const BY_PLAN: UsageSql = usage_sql!("plan");

/// The sum of picodollars that were summed in two parts.
pub(super) fn joined(high: i64, low: i64) -> Money {
    Money::from_pico(i128::from(high) * 1_000_000 + i128::from(low))
}

impl Control {
    /// Sums usage, ordered by group. What is not folded yet is not in it: flush the store first where that matters.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        let _turn = self.sum_turn().await?;
        let query = *query;
        let db = query.tenant.map_or_else(|| self.db.clone(), |scope| self.db.on_behalf(&scope));
        // A month of a busy tenant is hundreds of thousands of rows.
        aside(async move {
            match query.group_by {
                GroupBy::None => sum(&db, &query, TOTAL, |_: i64| None).await,
                GroupBy::Key => sum(&db, &query, BY_KEY, |key: Option<KeyId>| key.map(|key| key.to_string())).await,
                GroupBy::Model => sum(&db, &query, BY_MODEL, Some).await,
                GroupBy::Tenant => sum(&db, &query, BY_TENANT, |tenant: TenantId| Some(tenant.to_string())).await,
                GroupBy::Day => sum(&db, &query, BY_DAY, |day| Some(date(day))).await,
                GroupBy::Operation => sum(&db, &query, BY_OPERATION, |word: Operation| Some(word.name().to_owned())).await,
                GroupBy::Cause => sum(&db, &query, BY_CAUSE, |word: Cause| Some(word.name().to_owned())).await,
                GroupBy::Plan => sum(&db, &query, BY_PLAN, |plan: Option<String>| plan).await,
            }
        })
        .await
    }
}

/// The date of a day that is counted from 1970.
fn date(day: i64) -> String {
    let moment = Timestamp::from_micros(day.saturating_mul(86_400_000_000)).to_string();
    moment.split('T').next().unwrap_or_default().to_owned()
}

/// A sum of counts and of their corrections, which may be negative; both together never are.
fn counted(row: &Row<'_>, column: &'static str) -> Result<u64> {
    Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default())
}

struct Grouped<G> {
    group: G,
    usage: UsageRow,
}

impl<G: Field> Rec for Grouped<G> {
    fn read(row: &Row<'_>) -> Result<Self> {
        let tokens = TokenCounts {
            input: counted(row, "input_tokens")?,
            cache_read: counted(row, "cache_read_tokens")?,
            cache_write: counted(row, "cache_write_tokens")?,
            output: counted(row, "output_tokens")?,
            reasoning: counted(row, "reasoning_tokens")?,
        };
        let usage = UsageRow {
            group: None,
            requests: row.get("requests")?,
            attempts: row.get("attempts")?,
            tokens,
            cost: joined(row.get("cost_high")?, row.get("cost_low")?),
            estimated: counted(row, "estimated")?,
        };
        Ok(Grouped { group: row.get("grp")?, usage })
    }
}

async fn sum<G: Field>(db: &Db, query: &UsageQuery, sql: UsageSql, name: fn(G) -> Option<String>) -> Result<Vec<UsageRow>> {
    let mut tx = db.read().await?;
    let rows: Vec<Grouped<G>> = match query.tenant {
        Some(scope) => tx.all(sql.one, args![query.from, query.to, scope.tenant()]).await?,
        None => tx.all(sql.all, args![query.from, query.to]).await?,
    };
    let mut rows: Vec<UsageRow> = rows.into_iter().map(|row| UsageRow { group: name(row.group), ..row.usage }).collect();
    // Here, because engines disagree on where NULL stands, and on the order of text.
    rows.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use insula_model::ScopeSource;

    use super::*;
    use crate::control::{explained::plan, ledger::ATTEMPTS};

    #[tokio::test]
    async fn sums_and_attempts_use_their_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let at = Timestamp::from_micros(1);
        let tenant = TenantScope::mint(TenantId::from_bytes([1; 16]), ScopeSource::Job("test")).tenant();
        for usage in [TOTAL, BY_KEY, BY_MODEL, BY_TENANT, BY_DAY, BY_OPERATION, BY_CAUSE, BY_PLAN] {
            let one = plan(&control, usage.one, args![at, at, tenant]).await;
            assert!(
                one.contains("SEARCH ledger USING INDEX ledger_by_tenant (tenant=? AND reserved_at>? AND reserved_at<?)"),
                "{one}"
            );
            let all = plan(&control, usage.all, args![at, at]).await;
            assert!(all.contains("SEARCH ledger USING INDEX ledger_by_time (reserved_at>? AND reserved_at<?)"), "{all}");
        }
        let request = insula_model::RequestId::from_bytes([1; 16]);
        let attempts = plan(&control, ATTEMPTS, args![tenant, at, at, request]).await;
        assert!(attempts.contains("SEARCH a USING INDEX ledger_by_tenant"), "{attempts}");
        assert!(attempts.contains("SEARCH c USING PRIMARY KEY (attempt=? AND correction=?)"), "{attempts}");
    }

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(20_543), "2026-03-31");
    }
}
