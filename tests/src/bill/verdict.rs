//! What must agree, and by which rule.

use std::collections::{BTreeMap, HashMap, HashSet};

use insula_model::{Money, Price, TokenCounts};
use insula_simulator::RequestRecord;
use serde_json::{Value, json};

use super::rows::Row;
use crate::amounts::{Prices, usd};
use crate::node::Node;
use crate::tenant::TestTenant;

/// What rows add up to.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    requests: usize,
    attempts: u64,
    estimated: u64,
    tokens: [u64; 6],
    cost: Money,
    isolation_tokens: [u64; 2],
    isolation_cost: Money,
}

fn classes(tokens: &TokenCounts) -> [u64; 6] {
    let TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning } = *tokens;
    [input, cache_read, cache_write, cache_write_1h, output, reasoning]
}

fn sums<'r>(rows: &[&'r Row], group: impl Fn(&'r Row) -> &'r str) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, (Sum, HashSet<&str>)> = BTreeMap::new();
    for row in rows {
        let (sum, requests) = sums.entry(group(row).to_owned()).or_default();
        requests.insert(&row.request);
        sum.attempts += 1;
        sum.estimated += row.estimated;
        sum.tokens.iter_mut().zip(classes(&row.tokens)).for_each(|(sum, count)| *sum += count);
        sum.cost += row.cost;
        sum.isolation_tokens.iter_mut().zip(row.isolation_tokens).for_each(|(sum, count)| *sum += count);
        sum.isolation_cost += row.isolation_cost;
    }
    sums.into_iter().map(|(group, (sum, requests))| (group, Sum { requests: requests.len(), ..sum })).collect()
}

/// Every row is there once.
pub fn ids_are_unique(rows: &[Row]) {
    let ids: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an id was exported twice");
}

/// What the ledger says of itself.
pub struct Proof {
    /// How many rows it has.
    pub rows: u64,
    /// What they cost.
    total: Money,
}

/// The ledger's own proof: every account follows from it.
pub async fn proof(node: &Node) -> Proof {
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!((&proof["difference_usd"], &proof["mismatches"]), (&json!("0.00"), &json!([])), "{proof}");
    Proof { rows: proof["rows"].as_u64().unwrap(), total: usd(&proof["ledger_usd"]) }
}

/// The ledger's rows and their sum.
pub fn ledger_agrees(proof: &Proof, rows: &[Row]) {
    assert_eq!(proof.rows, rows.len() as u64, "rows of the ledger, rows of the export");
    let total: Money = rows.iter().map(|row| row.cost).sum();
    assert_eq!(proof.total, total, "sum of the ledger, sum of the export");
}

/// A tenant is shown the rows that the operator is shown of it, in the same order.
pub fn tenants_export_agrees(own: &[&Row], shown: &[Row]) {
    assert_eq!(own.len(), shown.len());
    for (own, shown) in own.iter().zip(shown) {
        assert_eq!(*own, shown);
    }
}

/// Usage by model and by cause, in every figure.
pub async fn usage_agrees(tenant: &TestTenant, own: &[&Row]) {
    assert_eq!(usage(tenant, "model").await, sums(own, |row| &row.model), "usage by model of {}", tenant.slug);
    assert_eq!(usage(tenant, "cause").await, sums(own, |row| &row.cause), "usage by cause of {}", tenant.slug);
}

async fn usage(tenant: &TestTenant, group_by: &str) -> BTreeMap<String, Sum> {
    let rows = tenant.usage_by(group_by).await;
    rows.iter().map(|row| (name(row), Sum { requests: count(&row["requests"]) as usize, ..figures(row, "cost_usd") })).collect()
}

/// The charges of each month in every figure, and at the end of the last what all rows cost: the tenant is new and has no credits.
pub async fn statement_agrees(tenant: &TestTenant, own: &[&Row]) {
    let mut months: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    own.iter().for_each(|row| months.entry(&row.time[..7]).or_default().push(row));
    let mut total = Money::ZERO;
    for (month, rows) in months {
        let statement = tenant.admin.get(&tenant.path(&format!("/statements/{month}"))).await.expect(200).json();
        let charged: Money = rows.iter().map(|row| row.cost).sum();
        total += charged;
        assert_eq!(usd(&statement["amount_usd"]), charged, "statement of {}: {statement}", tenant.slug);
        assert_eq!(usd(&statement["closing_usd"]), total, "statement of {}: {statement}", tenant.slug);
        let list = |field: &str| statement[field].as_array().unwrap_or_else(|| panic!("no {field}: {statement}")).clone();
        assert_eq!(list("charges").iter().map(|line| usd(&line["amount_usd"])).sum::<Money>(), charged, "{statement}");
        let by_model: BTreeMap<_, _> =
            list("by_model").iter().map(|group| (name(group), figures(group, "amount_usd"))).collect();
        // A statement counts attempts.
        let sums = sums(&rows, |row| &row.model).into_iter().map(|(model, sum)| (model, Sum { requests: 0, ..sum })).collect();
        assert_eq!(by_model, sums, "statement by model of {}", tenant.slug);
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn name(row: &Value) -> String {
    row["group"].as_str().unwrap_or_else(|| panic!("no group: {row}")).to_owned()
}

/// What a group adds up to, without its requests.
fn figures(row: &Value, money: &str) -> Sum {
    Sum {
        requests: 0,
        attempts: count(&row["attempts"]),
        estimated: count(&row["estimated"]),
        tokens: ["input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning"]
            .map(|class| count(&row["tokens"][class])),
        cost: usd(&row[money]),
        isolation_tokens: ["isolation_tokens", "isolation_cached_tokens"].map(|field| count(&row[field])),
        isolation_cost: usd(&row["isolation_usd"]),
    }
}

/// What kept a tenant apart stands in front of each of its chats, the same line every time, and nowhere else: what the provider had in
/// its cache, at most so many tokens, is the beginning of it.
pub fn isolation_agrees(own: &[&Row], is_kept_apart: bool, cached_tokens: u64) {
    let mut lines = HashSet::new();
    for row in own {
        let ([tokens, cached], used) = (row.isolation_tokens, row.tokens.input + row.tokens.cache_read);
        let is_chat = row.model != "sim-embed" && used > 0;
        assert_eq!(tokens > 0, is_chat && is_kept_apart, "{row:?}");
        assert_eq!(cached, tokens.min(row.tokens.cache_read).min(cached_tokens), "{row:?}");
        let part = TokenCounts { input: tokens - cached, cache_read: cached, ..TokenCounts::default() };
        assert_eq!(row.isolation_cost, price(&row.model).sum(&part), "{row:?}");
        lines.extend((tokens > 0).then_some(tokens));
    }
    assert_eq!(lines.len(), usize::from(is_kept_apart), "{lines:?}");
}

/// What the provider logged of an attempt, and what it would bill for it.
struct Billed {
    tokens: TokenCounts,
    finished: bool,
}

/// Each attempt that the provider knows has its row. Where it reported usage, tokens and cost are equal; an estimate is never
/// less than what the provider bills. It bills whole answers in this log, also those that it was kept from finishing: of an
/// answer that its caller did not wait for, the estimate covers the prompt.
pub fn provider_agrees(rows: &[Row], log: &[RequestRecord]) {
    let mut known: HashMap<&str, Billed> = HashMap::with_capacity(log.len());
    for record in log {
        let id = record.attempt_id.as_deref().expect("every attempt tells its id");
        let billed = Billed { tokens: tokens(record), finished: record.finished };
        assert!(known.insert(id, billed).is_none(), "{id} was sent twice");
    }
    let (mut exported, mut logged) = (Money::ZERO, Money::ZERO);
    for row in rows {
        let billed = known.remove(row.id.as_str());
        let Some(Billed { tokens, finished }) = billed else {
            assert_eq!(row.estimated, 1, "the provider knows nothing of {row:?}");
            continue;
        };
        let cost = price(&row.model).cost(&tokens).unwrap();
        if row.estimated == 0 {
            assert_eq!((row.tokens, row.cost), (tokens, cost), "{row:?}");
            exported += row.cost;
            logged += cost;
        } else if finished || row.outcome != "client_gone" {
            assert!(row.cost >= cost, "an estimate below what {cost} bills: {row:?}");
        } else {
            assert!(row.tokens.input >= tokens.input + tokens.cache_read, "{row:?}");
        }
    }
    assert!(known.is_empty(), "usage that no row has: {:?}", known.keys());
    assert_eq!(exported - logged, Money::ZERO);
}

fn price(model: &str) -> Price {
    match model {
        "sim-small" => Prices::small(),
        "sim-large" => Prices::large(),
        "sim-embed" => Prices::embed(),
        other => panic!("a row of {other}"),
    }
}

/// By class, as the ledger counts: the provider's cached and reasoning tokens are parts of the counts beside them.
fn tokens(record: &RequestRecord) -> TokenCounts {
    let Some(usage) = &record.usage else { return TokenCounts::default() };
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let cache_read = count("/prompt_tokens_details/cached_tokens");
    let reasoning = count("/completion_tokens_details/reasoning_tokens");
    TokenCounts {
        input: count("/prompt_tokens") - cache_read,
        cache_read,
        cache_write: 0,
        cache_write_1h: 0,
        output: count("/completion_tokens") - reasoning,
        reasoning,
    }
}
