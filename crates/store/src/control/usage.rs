//! Usage: sums over the ledger.

use std::collections::{BTreeMap, HashMap};

use insula_model::{Cause, EndUserId, KeyId, Money, Operation, Result, TenantId, TenantScope, Timestamp, TokenCounts};

use super::Control;
use crate::query::{Db, Field, Rec, Row, Tx, args, aside, rec};

/// What usage to sum.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// An end user of a tenant.
    EndUser,
    /// A value of the label of this name.
    Tag(String),
    /// Why an attempt was made.
    Cause,
    /// The plan under which it was made.
    Plan,
}

/// Usage of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key's, tenant's or end user's id, the model, the day (`2026-01-31`), the operation, the cause, the plan or the label's
    /// value; absent without grouping, for attempts by a tenant token when grouped by key, and for those without a plan, an end
    /// user or that label.
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

/// What some attempts add up to, their corrections included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Attempts.
    pub attempts: u64,
    /// How many of them are estimates.
    pub estimated: u64,
    /// Tokens by class.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost: Money,
}

/// A query over all tenants and the same over one; the bounds stand in the order of an index of each.
#[derive(Clone, Copy)]
pub(super) struct UsageSql {
    pub(super) all: &'static str,
    pub(super) one: &'static str,
}

/// The columns of [`Sums`]. Amounts are summed in two parts, so that no sum overflows however many rows there are; counts are
/// bounded row by row. Corrections are summed, not counted.
macro_rules! sums_sql {
    () => {
        "COUNT(CASE correction WHEN 0 THEN 1 END) AS attempts, \
         CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens, \
         CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
         CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(cost / 1000000) AS BIGINT) AS cost_high, \
         CAST(SUM(cost % 1000000) AS BIGINT) AS cost_low, CAST(SUM(estimated) AS BIGINT) AS estimated"
    };
}
pub(super) use sums_sql;

macro_rules! usage_sql {
    (@ $group:literal, $whose:literal) => {
        concat!(
            "SELECT ", $group, " AS grp, COUNT(DISTINCT CASE correction WHEN 0 THEN request END) AS requests, ", sums_sql!(),
            " FROM ledger WHERE ", $whose, "reserved_at >= $1 AND reserved_at < $2 GROUP BY 1"
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
const BY_END_USER: UsageSql = usage_sql!("end_user");
const BY_TAG_SET: UsageSql = usage_sql!("tag_set");

/// The sets of labels that the rows of [`BY_TAG_SET`] stand for. The same set of two tenants has one id.
const TAG_SETS: UsageSql = UsageSql {
    all: "SELECT DISTINCT id, tags FROM tag_sets WHERE id IN \
          (SELECT tag_set FROM ledger WHERE reserved_at >= $1 AND reserved_at < $2)",
    one: "SELECT id, tags FROM tag_sets WHERE tenant = $3 AND id IN \
          (SELECT tag_set FROM ledger WHERE tenant = $3 AND reserved_at >= $1 AND reserved_at < $2)",
};
const BY_CAUSE: UsageSql = usage_sql!("cause");
const BY_PLAN: UsageSql = usage_sql!("plan");

/// The sum of picodollars that were summed in two parts.
pub(super) fn joined(high: i64, low: i64) -> Money {
    Money::from_pico(i128::from(high) * 1_000_000 + i128::from(low))
}

/// An amount whose columns are `high` and `low`.
pub(super) struct TwoPartSum(pub(super) Money);

impl Rec for TwoPartSum {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(TwoPartSum(joined(row.get("high")?, row.get("low")?)))
    }
}

impl Control {
    /// Sums usage, ordered by group. What is not folded yet is not in it: flush the store first where that matters.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        let _turn = self.sum_turn().await?;
        let query = query.clone();
        let db = query.tenant.map_or_else(|| self.db.clone(), |scope| self.db.on_behalf(&scope));
        // A month of a busy tenant is hundreds of thousands of rows.
        aside(async move {
            match &query.group_by {
                GroupBy::None => sum(&db, &query, TOTAL, |_: i64| None).await,
                GroupBy::Key => sum(&db, &query, BY_KEY, |key: Option<KeyId>| key.map(|key| key.to_string())).await,
                GroupBy::Model => sum(&db, &query, BY_MODEL, Some).await,
                GroupBy::Tenant => sum(&db, &query, BY_TENANT, |tenant: TenantId| Some(tenant.to_string())).await,
                GroupBy::Day => sum(&db, &query, BY_DAY, |day| Some(date(day))).await,
                GroupBy::Operation => sum(&db, &query, BY_OPERATION, |word: Operation| Some(word.name().to_owned())).await,
                GroupBy::EndUser => sum(&db, &query, BY_END_USER, |user: Option<EndUserId>| Some(user?.to_string())).await,
                GroupBy::Tag(name) => sum_by_tag(&db, &query, name).await,
                GroupBy::Cause => sum(&db, &query, BY_CAUSE, |word: Cause| Some(word.name().to_owned())).await,
                GroupBy::Plan => sum(&db, &query, BY_PLAN, |plan: Option<String>| plan).await,
            }
        })
        .await
    }
}

/// The date of a day that is counted from 1970.
pub(super) fn date(day: i64) -> String {
    let moment = Timestamp::from_micros(day.saturating_mul(86_400_000_000)).to_string();
    moment.split('T').next().unwrap_or_default().to_owned()
}

/// A sum of counts and of their corrections, which may be negative; both together never are.
fn counted(row: &Row<'_>, column: &'static str) -> Result<u64> {
    Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default())
}

impl Rec for Sums {
    fn read(row: &Row<'_>) -> Result<Self> {
        let tokens = TokenCounts {
            input: counted(row, "input_tokens")?,
            cache_read: counted(row, "cache_read_tokens")?,
            cache_write: counted(row, "cache_write_tokens")?,
            output: counted(row, "output_tokens")?,
            reasoning: counted(row, "reasoning_tokens")?,
        };
        Ok(Sums {
            attempts: row.get("attempts")?,
            estimated: counted(row, "estimated")?,
            tokens,
            cost: joined(row.get("cost_high")?, row.get("cost_low")?),
        })
    }
}

struct Grouped<G> {
    group: G,
    usage: UsageRow,
}

impl<G: Field> Rec for Grouped<G> {
    fn read(row: &Row<'_>) -> Result<Self> {
        let Sums { attempts, estimated, tokens, cost } = Sums::read(row)?;
        let usage = UsageRow { group: None, requests: row.get("requests")?, attempts, tokens, cost, estimated };
        Ok(Grouped { group: row.get("grp")?, usage })
    }
}

impl UsageSql {
    /// The rows of a query, over one tenant or over all.
    pub(super) async fn rows<T: Rec>(self, tx: &mut Tx, query: &UsageQuery) -> Result<Vec<T>> {
        match query.tenant {
            Some(scope) => tx.all(self.one, args![query.from, query.to, scope.tenant()]).await,
            None => tx.all(self.all, args![query.from, query.to]).await,
        }
    }
}

async fn sum<G: Field>(db: &Db, query: &UsageQuery, sql: UsageSql, name: fn(G) -> Option<String>) -> Result<Vec<UsageRow>> {
    let rows: Vec<Grouped<G>> = sql.rows(&mut db.read().await?, query).await?;
    let mut rows: Vec<UsageRow> = rows.into_iter().map(|row| UsageRow { group: name(row.group), ..row.usage }).collect();
    // Here, because engines disagree on where NULL stands, and on the order of text.
    rows.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(rows)
}

struct Labels {
    id: [u8; 16],
    tags: BTreeMap<String, String>,
}
rec!(Labels { id, tags });

/// Sums each set of labels, and then those that have the same value of this one. All attempts of a request have the same set, so
/// that no request is counted twice.
async fn sum_by_tag(db: &Db, query: &UsageQuery, name: &str) -> Result<Vec<UsageRow>> {
    let mut tx = db.read().await?;
    let sums: Vec<Grouped<Option<[u8; 16]>>> = BY_TAG_SET.rows(&mut tx, query).await?;
    let sets: Vec<Labels> = TAG_SETS.rows(&mut tx, query).await?;
    let mut values: HashMap<[u8; 16], String> =
        sets.into_iter().filter_map(|mut set| Some((set.id, set.tags.remove(name)?))).collect();
    let mut folded: BTreeMap<Option<String>, UsageRow> = BTreeMap::new();
    for Grouped { group, usage } in sums {
        let group = group.and_then(|set| values.remove(&set));
        match folded.get_mut(&group) {
            Some(row) => row.add(&usage),
            None => drop(folded.insert(group.clone(), UsageRow { group, ..usage })),
        }
    }
    Ok(folded.into_values().collect())
}

impl UsageRow {
    /// A group that used nothing.
    pub fn nothing(group: Option<String>) -> Self {
        let (tokens, cost) = (TokenCounts::default(), Money::ZERO);
        Self { group, requests: 0, attempts: 0, tokens, cost, estimated: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.estimated += other.estimated;
        self.cost += other.cost;
    }
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
        for usage in [TOTAL, BY_KEY, BY_MODEL, BY_TENANT, BY_DAY, BY_OPERATION, BY_CAUSE, BY_PLAN, BY_END_USER, BY_TAG_SET] {
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
