//! How often the answer cache answered in the place of a provider, and what that saved.
//!
//! Each run of a process has rows of its own and writes the whole count of an hour into them, so that writing the same again
//! (after an answer that was lost) counts nothing twice.

use insula_model::{Money, Result, TenantId, TenantScope, Timestamp, WindowSpan};

use super::{
    Control,
    usage::{GroupBy, UsageQuery, date, joined},
};
use crate::query::{Field, Rec, Row, args};

/// One run of one process, by a random id.
pub type CacheWriter = [u8; 16];

/// How often the cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheHits {
    /// How often.
    pub hits: u64,
    /// The tokens that the answers had taken, all classes.
    pub tokens: u64,
    /// What the answers had cost.
    pub saved: Money,
}

impl CacheHits {
    /// Adds to it.
    pub fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.tokens += other.tokens;
        self.saved += other.saved;
    }
}

/// All that one process has counted for a tenant and a model in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheHitRow {
    /// Whose.
    pub tenant: TenantId,
    /// When the hour began.
    pub hour: Timestamp,
    /// The model as the price book names it.
    pub model: String,
    /// How often.
    pub hits: CacheHits,
}

/// Hits of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheHitSums {
    /// The model, the tenant's id or the day; absent without grouping.
    pub group: Option<String>,
    /// How often.
    pub hits: CacheHits,
}

/// A query over all tenants and the same over one.
#[derive(Clone, Copy)]
struct HitsSql {
    all: &'static str,
    one: &'static str,
}

macro_rules! hits_sql {
    (@ $group:literal, $whose:literal) => {
        concat!(
            "SELECT ", $group, " AS grp, CAST(SUM(hits) AS BIGINT) AS hits, CAST(SUM(tokens) AS BIGINT) AS tokens, \
             CAST(SUM(saved / 1000000) AS BIGINT) AS saved_high, CAST(SUM(saved % 1000000) AS BIGINT) AS saved_low \
             FROM cache_hits WHERE ", $whose, "hour >= $1 AND hour < $2 GROUP BY 1"
        )
    };
    ($group:literal) => {
        HitsSql { all: hits_sql!(@ $group, ""), one: hits_sql!(@ $group, "tenant = $3 AND ") }
    };
}

const TOTAL: HitsSql = hits_sql!("0");
const BY_MODEL: HitsSql = hits_sql!("model");
const BY_TENANT: HitsSql = hits_sql!("tenant");
const BY_DAY: HitsSql = hits_sql!("hour / 86400000000");

struct Grouped<G> {
    group: G,
    hits: CacheHits,
}

impl<G: Field> Rec for Grouped<G> {
    fn read(row: &Row<'_>) -> Result<Self> {
        let saved = joined(row.get("saved_high")?, row.get("saved_low")?);
        let hits = CacheHits { hits: row.get("hits")?, tokens: row.get("tokens")?, saved };
        Ok(Grouped { group: row.get("grp")?, hits })
    }
}

impl Control {
    /// Keeps what a process has counted so far. A tenant that is gone has none.
    pub async fn keep_cache_hits(&self, writer: CacheWriter, rows: &[CacheHitRow]) -> Result<()> {
        let keep = "INSERT INTO cache_hits (tenant, hour, model, writer, hits, tokens, saved) \
                    SELECT id, $2, $3, $4, $5, $6, $7 FROM tenants WHERE id = $1 \
                    ON CONFLICT (tenant, hour, model, writer) DO UPDATE SET hits = excluded.hits, tokens = excluded.tokens, \
                    saved = excluded.saved";
        let mut tx = self.db.write().await?;
        for CacheHitRow { tenant, hour, model, hits: CacheHits { hits, tokens, saved } } in rows {
            tx.exec(keep, args![*tenant, *hour, model, writer, *hits, *tokens, *saved]).await?;
        }
        tx.commit().await
    }

    /// Sums hits, ordered by group; `None` where they are not counted by what the query groups by. An hour belongs to the span in
    /// which it begins.
    pub async fn cache_hits(&self, query: &UsageQuery) -> Result<Option<Vec<CacheHitSums>>> {
        Ok(Some(match &query.group_by {
            GroupBy::None => self.sum_hits(query, TOTAL, |_: i64| None).await?,
            GroupBy::Model => self.sum_hits(query, BY_MODEL, Some).await?,
            GroupBy::Tenant => self.sum_hits(query, BY_TENANT, |tenant: TenantId| Some(tenant.to_string())).await?,
            GroupBy::Day => self.sum_hits(query, BY_DAY, |day| Some(date(day))).await?,
            _ => return Ok(None),
        }))
    }

    /// All hits of a tenant in a span of whole hours.
    pub async fn cache_hits_in(&self, scope: &TenantScope, span: WindowSpan) -> Result<CacheHits> {
        let query = UsageQuery { tenant: Some(*scope), from: span.start, to: span.end, group_by: GroupBy::None };
        let sums = self.sum_hits(&query, TOTAL, |_: i64| None).await?;
        Ok(sums.first().map(|sums| sums.hits).unwrap_or_default())
    }

    async fn sum_hits<G: Field>(
        &self,
        query: &UsageQuery,
        sql: HitsSql,
        name: fn(G) -> Option<String>,
    ) -> Result<Vec<CacheHitSums>> {
        let db = query.tenant.map_or_else(|| self.db.clone(), |scope| self.db.on_behalf(&scope));
        let mut tx = db.read().await?;
        let rows: Vec<Grouped<G>> = match query.tenant {
            Some(scope) => tx.all(sql.one, args![query.from, query.to, scope.tenant()]).await?,
            None => tx.all(sql.all, args![query.from, query.to]).await?,
        };
        let sums = rows.into_iter().map(|row| CacheHitSums { group: name(row.group), hits: row.hits });
        let mut sums: Vec<CacheHitSums> = sums.collect();
        sums.sort_by(|one, other| one.group.cmp(&other.group));
        Ok(sums)
    }
}
