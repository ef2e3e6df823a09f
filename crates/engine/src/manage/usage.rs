//! What was used: requests, attempts, tokens and cost, grouped.

use std::{collections::HashMap, time::Duration};

use insula_model::{Error, Overhead, Result, TenantScope, Timestamp, Window};
use insula_store::{CacheHitSums, PricedPart, UsageQuery};
pub use insula_store::{CacheHits, GroupBy, UsageRow};

use crate::{
    Engine, cache,
    directory::{ManagedTenant, Operator},
    end_users,
    statement::SellPrices,
};

/// The longest span that one answer covers, in days.
pub const USAGE_DAYS_MAX: u64 = 400;

/// Which usage is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageAsk {
    /// From here on; absent: from the start of the running month.
    pub from: Option<Timestamp>,
    /// Up to, but without, this moment; absent: now.
    pub to: Option<Timestamp>,
    /// One row per what.
    pub group_by: GroupBy,
}

/// Usage of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// What was asked of providers.
    pub usage: UsageRow,
    /// What the answer cache answered in their place, in the hours that begin in the span; absent where that is not counted by
    /// what is grouped by.
    pub cache: Option<CacheHits>,
}

/// A tenant's usage. Requests that have ended are in it. What a tenant itself asks for has in the place of the cost what it is
/// charged, as its statements have it.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] when the span is empty or longer than [`USAGE_DAYS_MAX`].
pub async fn of_tenant(engine: &Engine, tenant: &ManagedTenant, ask: UsageAsk) -> Result<Vec<Used>> {
    sum(engine, Some(tenant.scope), &engine.prices_shown_to(&tenant.by), ask).await
}

/// The usage of all tenants together.
///
/// # Errors
/// As for one tenant.
pub async fn of_all(engine: &Engine, _by: &Operator, ask: UsageAsk) -> Result<Vec<Used>> {
    sum(engine, None, &SellPrices::default(), ask).await
}

async fn sum(engine: &Engine, tenant: Option<TenantScope>, sell: &SellPrices, ask: UsageAsk) -> Result<Vec<Used>> {
    let now = engine.clock.now();
    // An attempt that is settled at this very microsecond still counts.
    let to = ask.to.unwrap_or(now.plus(Duration::from_micros(1)));
    let from = ask.from.unwrap_or(Window::Month.span(now).start);
    if from >= to {
        return Err(Error::invalid("`from` must lie before `to`").at("from"));
    }
    if to.since(from) > Duration::from_secs(USAGE_DAYS_MAX * 24 * 60 * 60) {
        return Err(Error::invalid(format!("ask for at most {USAGE_DAYS_MAX} days at once")).at("from"));
    }
    // What is still in the journal only would be missing.
    engine.store.flush_ledger().await?;
    cache::write_hits(engine).await?;
    let query = UsageQuery { tenant, from, to, group_by: ask.group_by };
    let mut rows = summed(engine, sell, &query).await?;
    if let (Some(scope), GroupBy::EndUser) = (tenant, &query.group_by) {
        name_end_users(engine, &scope, &query, &mut rows).await?;
    }
    let hits = engine.store.control().cache_hits(&query).await?;
    Ok(with_hits(rows, hits))
}

/// Puts hits beside the usage of their group. Where there were nothing but hits the group has a row too.
fn with_hits(rows: Vec<UsageRow>, hits: Option<Vec<CacheHitSums>>) -> Vec<Used> {
    let Some(hits) = hits else { return rows.into_iter().map(|usage| Used { usage, cache: None }).collect() };
    let mut hits: HashMap<Option<String>, CacheHits> = hits.into_iter().map(|sums| (sums.group, sums.hits)).collect();
    let with = |usage: UsageRow, hits: Option<CacheHits>| Used { usage, cache: Some(hits.unwrap_or_default()) };
    let mut all: Vec<Used> = rows
        .into_iter()
        .map(|usage| {
            let hits = hits.remove(&usage.group);
            with(usage, hits)
        })
        .collect();
    all.extend(hits.into_iter().map(|(group, hits)| with(UsageRow::nothing(group), Some(hits))));
    all.sort_by(|one, other| one.usage.group.cmp(&other.usage.group));
    all
}

/// The sums, by these prices.
async fn summed(engine: &Engine, sell: &SellPrices, query: &UsageQuery) -> Result<Vec<UsageRow>> {
    let control = engine.store.control();
    if sell.is_empty() {
        return control.usage(query).await;
    }
    let rows = control.usage_parts(query, sell.dates()).await?;
    let charged = |(row, parts): (UsageRow, Vec<PricedPart>)| {
        let cost = parts.iter().map(|part| sell.amount(part)).sum();
        let mut isolation = Overhead::default();
        parts.iter().for_each(|part| isolation += sell.isolation(part));
        UsageRow { cost, isolation, ..row }
    };
    Ok(rows.into_iter().map(charged).collect())
}

/// Puts what the product calls an end user in the place of its id. Over all tenants together the ids stay: a name is its tenant's.
async fn name_end_users(engine: &Engine, scope: &TenantScope, query: &UsageQuery, rows: &mut [UsageRow]) -> Result<()> {
    let known = engine.store.control().end_users_between(scope, query.from, query.to).await?;
    let known = end_users::opened(engine, scope, known).await?;
    let mut names: HashMap<String, String> = known.into_iter().map(|user| (user.id.to_string(), user.name)).collect();
    for row in rows.iter_mut() {
        if let Some(group) = &mut row.group
            && let Some(name) = names.remove(group)
        {
            *group = name;
        }
    }
    rows.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(())
}
