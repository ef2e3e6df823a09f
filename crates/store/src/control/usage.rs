//! Usage: sums over the ledger.

use std::collections::{BTreeMap, HashMap};

use insula_model::{
    Cause, CredentialOwner, EndUserId, KeyId, Money, Operation, Overhead, Result, TenantId, TenantScope, Timestamp,
    TokenCounts, WindowSpan,
};

use super::{Control, PriceDates, PricedPart};
use crate::query::{Field, Rec, Row, Tx, args, aside, rec};

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
    /// By whose account at the provider it was made.
    Credential,
}

/// Usage of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key's, tenant's or end user's id, the model, the day (`2026-01-31`), the operation, the cause, the plan, the credential's owner or
    /// the label's value; absent without grouping, for attempts by a tenant token when grouped by key, and for those without a plan, an end
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
    /// What of these tokens and of this cost kept tenants apart.
    pub isolation: Overhead,
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
    /// What of these tokens and of this cost kept tenants apart.
    pub isolation: Overhead,
}

/// A query over all tenants and the same over one, and over one by model and plan too; the bounds stand in the order of an index of
/// each.
#[derive(Clone, Copy)]
pub(super) struct UsageSql {
    pub(super) all: &'static str,
    pub(super) one: &'static str,
    pub(super) parts: &'static str,
}

/// The columns of [`Sums`]. Amounts are summed in two parts, so that no sum overflows however many rows there are; counts are
/// bounded row by row. Corrections are summed, not counted.
macro_rules! sums_sql {
    () => {
        "COUNT(CASE correction WHEN 0 THEN 1 END) AS attempts, \
         CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens, \
         CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens, \
         CAST(SUM(cache_write_1h_tokens) AS BIGINT) AS cache_write_1h_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
         CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(cost / 1000000) AS BIGINT) AS cost_high, \
         CAST(SUM(cost % 1000000) AS BIGINT) AS cost_low, CAST(SUM(estimated) AS BIGINT) AS estimated, \
         CAST(SUM(isolation_input_tokens) AS BIGINT) AS isolation_input_tokens, \
         CAST(SUM(isolation_cache_read_tokens) AS BIGINT) AS isolation_cache_read_tokens, \
         CAST(SUM(isolation_cache_write_tokens) AS BIGINT) AS isolation_cache_write_tokens, \
         CAST(SUM(isolation_cache_write_1h_tokens) AS BIGINT) AS isolation_cache_write_1h_tokens, \
         CAST(SUM(isolation_cost / 1000000) AS BIGINT) AS isolation_cost_high, \
         CAST(SUM(isolation_cost % 1000000) AS BIGINT) AS isolation_cost_low"
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
    (@parts $group:literal) => {
        concat!(
            "SELECT ", $group, " AS grp, plan, model, ", sums_sql!(),
            " FROM ledger WHERE tenant = $3 AND reserved_at >= $1 AND reserved_at < $2 GROUP BY 1, plan, model"
        )
    };
    ($group:literal) => {
        UsageSql {
            all: usage_sql!(@ $group, ""),
            one: usage_sql!(@ $group, "tenant = $3 AND "),
            parts: usage_sql!(@parts $group),
        }
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

struct TagSetsSql {
    all: &'static str,
    one: &'static str,
}

/// The sets of labels that the rows of [`BY_TAG_SET`] stand for. The same set of two tenants has one id.
const TAG_SETS: TagSetsSql = TagSetsSql {
    all: "SELECT DISTINCT id, tags FROM tag_sets WHERE id IN \
          (SELECT tag_set FROM ledger WHERE reserved_at >= $1 AND reserved_at < $2)",
    one: "SELECT id, tags FROM tag_sets WHERE tenant = $3 AND id IN \
          (SELECT tag_set FROM ledger WHERE tenant = $3 AND reserved_at >= $1 AND reserved_at < $2)",
};
const BY_CAUSE: UsageSql = usage_sql!("cause");
const BY_PLAN: UsageSql = usage_sql!("plan");
const BY_CREDENTIAL: UsageSql = usage_sql!("credential");

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
        let rows = self.summed(query.clone(), None).await?;
        Ok(rows.into_iter().map(|(row, _)| row).collect())
    }

    /// The same of one tenant, and all as of one moment what each row is made of: a change of prices cuts its parts.
    pub async fn usage_parts(&self, query: &UsageQuery, dates: PriceDates) -> Result<Vec<(UsageRow, Vec<PricedPart>)>> {
        self.summed(query.clone(), Some(dates)).await
    }

    async fn summed(&self, query: UsageQuery, dates: Option<PriceDates>) -> Result<Vec<(UsageRow, Vec<PricedPart>)>> {
        let _turn = self.sum_turn(query.tenant.as_ref()).await?;
        let db = query.tenant.map_or_else(|| self.db.clone(), |scope| self.db.on_behalf(&scope));
        // A month of a busy tenant is hundreds of thousands of rows.
        aside(async move {
            let mut sum = Summing { tx: db.read().await?, dates, query: &query };
            match &query.group_by {
                GroupBy::None => sum.by(TOTAL, |_: i64| None).await,
                GroupBy::Key => sum.by(BY_KEY, |key: Option<KeyId>| key.map(|key| key.to_string())).await,
                GroupBy::Model => sum.by(BY_MODEL, Some).await,
                GroupBy::Tenant => sum.by(BY_TENANT, |tenant: TenantId| Some(tenant.to_string())).await,
                GroupBy::Day => sum.by(BY_DAY, |day| Some(date(day))).await,
                GroupBy::Operation => sum.by(BY_OPERATION, |word: Operation| Some(word.name().to_owned())).await,
                GroupBy::EndUser => sum.by(BY_END_USER, |user: Option<EndUserId>| Some(user?.to_string())).await,
                GroupBy::Tag(name) => sum.by_tag(name).await,
                GroupBy::Cause => sum.by(BY_CAUSE, |word: Cause| Some(word.name().to_owned())).await,
                GroupBy::Plan => sum.by(BY_PLAN, |plan: Option<String>| plan).await,
                GroupBy::Credential => sum.by(BY_CREDENTIAL, |owner: CredentialOwner| Some(owner.name().to_owned())).await,
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
            cache_write_1h: counted(row, "cache_write_1h_tokens")?,
            output: counted(row, "output_tokens")?,
            reasoning: counted(row, "reasoning_tokens")?,
        };
        let apart = TokenCounts {
            input: counted(row, "isolation_input_tokens")?,
            cache_read: counted(row, "isolation_cache_read_tokens")?,
            cache_write: counted(row, "isolation_cache_write_tokens")?,
            cache_write_1h: counted(row, "isolation_cache_write_1h_tokens")?,
            ..TokenCounts::default()
        };
        let apart_cost = joined(row.get("isolation_cost_high")?, row.get("isolation_cost_low")?);
        Ok(Sums {
            attempts: row.get("attempts")?,
            estimated: counted(row, "estimated")?,
            tokens,
            cost: joined(row.get("cost_high")?, row.get("cost_low")?),
            isolation: Overhead { tokens: apart, cost: apart_cost },
        })
    }
}

struct Grouped<G> {
    group: G,
    usage: UsageRow,
}

impl<G: Field> Rec for Grouped<G> {
    fn read(row: &Row<'_>) -> Result<Self> {
        let Sums { attempts, estimated, tokens, cost, isolation } = Sums::read(row)?;
        let usage = UsageRow { group: None, requests: row.get("requests")?, attempts, tokens, cost, estimated, isolation };
        Ok(Grouped { group: row.get("grp")?, usage })
    }
}

struct GroupedPart<G> {
    group: G,
    part: PricedPart,
}

impl<G: Field> Rec for GroupedPart<G> {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(GroupedPart { group: row.get("grp")?, part: PricedPart::read(row, Timestamp::default())? })
    }
}

/// Rows with what they are made of.
type Summed = Vec<(UsageRow, Vec<PricedPart>)>;

/// A sum under way.
struct Summing<'a> {
    tx: Tx,
    query: &'a UsageQuery,
    dates: Option<PriceDates>,
}

struct Labels {
    id: [u8; 16],
    tags: BTreeMap<String, String>,
}
rec!(Labels { id, tags });

impl Summing<'_> {
    async fn by<G: Field>(&mut self, sql: UsageSql, name: impl Fn(G) -> Option<String>) -> Result<Summed> {
        let rows: Vec<Grouped<G>> = self.rows(sql.all, sql.one).await?;
        let mut groups: BTreeMap<Option<String>, (UsageRow, Vec<PricedPart>)> = BTreeMap::new();
        for row in rows {
            let group = name(row.group);
            match groups.get_mut(&group) {
                Some((known, _)) => known.add(&row.usage),
                None => drop(groups.insert(group.clone(), (UsageRow { group, ..row.usage }, Vec::new()))),
            }
        }
        for GroupedPart { group, part } in self.parts(sql.parts).await? {
            groups.entry(name(group)).and_modify(|(_, parts)| parts.push(part));
        }
        // In this order, because engines disagree on where NULL stands, and on the order of text.
        Ok(groups.into_values().collect())
    }

    /// Sums each set of labels, and then those that have the same value of this one. All attempts of a request have the same set,
    /// so that no request is counted twice.
    async fn by_tag(&mut self, name: &str) -> Result<Summed> {
        let sets: Vec<Labels> = self.rows(TAG_SETS.all, TAG_SETS.one).await?;
        let values: HashMap<[u8; 16], String> =
            sets.into_iter().filter_map(|mut set| Some((set.id, set.tags.remove(name)?))).collect();
        self.by(BY_TAG_SET, |set: Option<[u8; 16]>| values.get(&set?).cloned()).await
    }

    /// The rows of a query, over one tenant or over all.
    async fn rows<T: Rec>(&mut self, all: &'static str, one: &'static str) -> Result<Vec<T>> {
        let query = self.query;
        match query.tenant {
            Some(scope) => self.tx.all(one, args![query.from, query.to, scope.tenant()]).await,
            None => self.tx.all(all, args![query.from, query.to]).await,
        }
    }

    /// What one tenant's rows are made of, where that is asked for.
    async fn parts<G: Field>(&mut self, sql: &'static str) -> Result<Vec<GroupedPart<G>>> {
        let (Some(dates), Some(scope)) = (&self.dates, self.query.tenant) else { return Ok(Vec::new()) };
        let whole = WindowSpan { start: self.query.from, end: self.query.to };
        let mut found = Vec::new();
        for span in dates.parts(&mut self.tx, &scope, whole).await? {
            let parts: Vec<GroupedPart<G>> = self.tx.all(sql, args![span.start, span.end, scope.tenant()]).await?;
            let at = |GroupedPart { group, part }| GroupedPart { group, part: PricedPart { at: span.start, ..part } };
            found.extend(parts.into_iter().map(at));
        }
        Ok(found)
    }
}

impl UsageRow {
    /// A group that used nothing.
    pub fn nothing(group: Option<String>) -> Self {
        let (tokens, cost, isolation) = (TokenCounts::default(), Money::ZERO, Overhead::default());
        Self { group, requests: 0, attempts: 0, tokens, cost, estimated: 0, isolation }
    }

    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.estimated += other.estimated;
        self.cost += other.cost;
        self.isolation += other.isolation;
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
        for usage in [
            TOTAL,
            BY_KEY,
            BY_MODEL,
            BY_TENANT,
            BY_DAY,
            BY_OPERATION,
            BY_CAUSE,
            BY_PLAN,
            BY_END_USER,
            BY_TAG_SET,
            BY_CREDENTIAL,
        ] {
            let one = plan(&control, usage.one, args![at, at, tenant]).await;
            assert!(
                one.contains("SEARCH ledger USING INDEX ledger_by_tenant (tenant=? AND reserved_at>? AND reserved_at<?)"),
                "{one}"
            );
            let parts = plan(&control, usage.parts, args![at, at, tenant]).await;
            assert!(parts.contains("SEARCH ledger USING INDEX ledger_by_tenant (tenant=?"), "{parts}");
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
