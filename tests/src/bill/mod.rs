//! Mixed requests at a provider that fails in many ways, by callers who leave; then every book about them is laid beside the
//! others: ledger, accounts, usage, statement, export and the provider's own log. A picodollar too much or too little is a panic.
//!
//! - [`load`]: the requests;
//! - [`rows`]: the export, read row by row;
//! - [`verdict`]: what must agree.

mod load;
pub(crate) mod rows;
mod verdict;

use std::fmt;
use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use serde_json::json;

use crate::config::ServeConfig;
use crate::node::{Node, Setup};
use crate::tenant::TestTenant;
use crate::wait::eventually_within;
use rows::Row;

/// How long the server waits for a provider that says nothing.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long the export may wait for transactions of others on the database server.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);
/// Whose budget ends in the middle.
const POOR: Money = Money::from_pico(300_000_000_000);
/// Who is kept apart at a provider that has no word for it.
const APART: &str = "globex";
/// Of each prompt the provider has so many tokens in its cache, where it has as many.
const CACHED_TOKENS: u64 = 5;
const RICH: Money = Money::from_pico(1_000_000_000_000_000);

/// What was compared.
#[derive(Debug)]
pub struct Bill {
    /// Requests that were sent.
    pub requests: usize,
    /// Attempts that the ledger has.
    pub attempts: usize,
    /// How many of them are estimates.
    pub estimates: usize,
    /// What all cost.
    pub total: Money,
    /// How long the requests took, all together.
    pub took: Duration,
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, attempts, estimates, total, took } = self;
        write!(
            f,
            "{requests} requests in {took:.0?}: {attempts} attempts, {estimates} of them estimates, {total} USD in all books"
        )
    }
}

/// Sends so many requests and compares all books.
pub async fn check(setup: Setup, requests: usize, seed: u64) -> Bill {
    let config = ServeConfig { patience: Some(PATIENCE), ..ServeConfig::default() };
    let node = setup.serve(config).start().await;
    let mut tenants = Vec::new();
    for (slug, budget) in [("acme", RICH), ("globex", RICH), ("initech", RICH), ("hooli", POOR)] {
        let tenant = node.tenant(slug).await;
        tenant.set_budgets(json!([{"window": "month", "limit_usd": budget.to_string()}])).await;
        if slug == APART {
            tenant.set_limits(json!({"provider_isolation": "prefixed"})).await;
        }
        tenants.push(tenant);
    }
    node.scenario(scenario(seed));
    let started = Instant::now();
    load::send(&tenants, requests, seed).await;
    let took = started.elapsed();
    for tenant in &tenants {
        tenant.settled().await;
    }
    let rows = compare(&node, &tenants).await;
    let estimates = rows.iter().filter(|row| row.estimated == 1).count();
    let total = rows.iter().map(|row| row.cost).sum();
    Bill { requests, attempts: rows.len(), estimates, total, took }
}

/// A tenth of the requests meets a fault. Half of an answer is enough words for its estimate to cover all of it.
fn scenario(seed: u64) -> Scenario {
    let faults = [
        // Each asks for a second of peace, which all get.
        Fault::new(FaultKind::RateLimit, 0.001),
        Fault::new(FaultKind::ServerError, 0.03),
        Fault::new(FaultKind::Reset, 0.01),
        Fault { after_chunks: Some(0), ..Fault::new(FaultKind::Reset, 0.005) },
        Fault::new(FaultKind::Stall, 0.005),
        Fault::new(FaultKind::TruncatedChunk, 0.01),
        Fault::new(FaultKind::NoDone, 0.005),
        Fault::new(FaultKind::MissingUsage, 0.02),
        Fault::new(FaultKind::ErrorInStream, 0.005),
    ];
    Scenario {
        chunks: 2,
        gap_ms: 1,
        output_tokens: 48,
        cached_tokens: CACHED_TOKENS,
        reasoning_tokens: 7,
        faults: faults.to_vec(),
        seed,
        ..Scenario::default()
    }
}

async fn compare(node: &Node, tenants: &[TestTenant]) -> Vec<Row> {
    let proof = verdict::proof(node).await;
    let rows = eventually_within(COMPLETE_WITHIN, "all rows are exported", || async {
        Some(rows::of_all(node).await).filter(|rows| rows.len() as u64 >= proof.rows)
    })
    .await;
    verdict::ids_are_unique(&rows);
    verdict::ledger_agrees(&proof, &rows);
    for tenant in tenants {
        let own: Vec<&Row> = rows.iter().filter(|row| row.tenant == tenant.id).collect();
        verdict::tenants_export_agrees(&own, &rows::of_tenant(tenant).await);
        verdict::isolation_agrees(&own, tenant.slug == APART, CACHED_TOKENS);
        verdict::usage_agrees(tenant, &own).await;
        verdict::statement_agrees(tenant, &own).await;
    }
    verdict::provider_agrees(&rows, &node.simulator().requests());
    rows
}
