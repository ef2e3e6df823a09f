//! The export, read page by page.

use insula_model::{Money, TokenCounts};
use serde_json::Value;

use crate::amounts::usd;
use crate::http::Caller;
use crate::node::Node;
use crate::tenant::TestTenant;

/// One row of the ledger as it is exported. On a node alone there are no corrections, so that nothing is negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: String,
    pub time: String,
    pub tenant: String,
    pub request: String,
    pub model: String,
    pub cause: String,
    pub outcome: String,
    pub tokens: TokenCounts,
    pub cost: Money,
    pub estimated: u64,
    /// What kept its tenant apart: tokens, and those of them from the provider's cache.
    pub isolation_tokens: [u64; 2],
    pub isolation_cost: Money,
}

/// All rows, by pages of a size that does not fit them.
pub async fn of_all(node: &Node) -> Vec<Row> {
    let lines = pages(&node.operator(), "/api/v1/usage/export?format=jsonl&limit=777").await;
    lines.iter().map(|line| read(line, line)).collect()
}

/// A tenant's own, as events.
pub async fn of_tenant(tenant: &TestTenant) -> Vec<Row> {
    let events = pages(&tenant.admin, &tenant.path("/usage/export?format=cloudevents")).await;
    events.iter().map(|event| read(event, &event["data"])).collect()
}

/// All lines that there are by now.
async fn pages(reader: &Caller, path: &str) -> Vec<Value> {
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = reader.get(&format!("{path}{cursor}")).await.expect(200);
        lines.extend(page.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        if page.header("x-has-more") == "false" {
            return lines;
        }
        cursor = format!("&cursor={}", page.header("x-next-cursor"));
    }
}

fn read(envelope: &Value, data: &Value) -> Row {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {envelope}")).to_owned();
    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count in {envelope}"));
    assert_eq!(envelope["type"], "insula.attempt");
    let tokens = &data["tokens"];
    Row {
        id: text(&envelope["id"]),
        time: text(&envelope["time"]),
        tenant: text(&data["tenant"]),
        request: text(&data["request"]),
        model: text(&data["model"]),
        cause: text(&data["cause"]),
        outcome: text(&data["outcome"]),
        tokens: TokenCounts {
            input: count(&tokens["input"]),
            cache_read: count(&tokens["cache_read"]),
            cache_write: count(&tokens["cache_write"]),
            cache_write_1h: count(&tokens["cache_write_1h"]),
            output: count(&tokens["output"]),
            reasoning: count(&tokens["reasoning"]),
        },
        cost: usd(&data["cost_usd"]),
        estimated: count(&data["estimated"]),
        isolation_tokens: ["isolation_tokens", "isolation_cached_tokens"].map(|field| count(&data[field])),
        isolation_cost: usd(&data["isolation_usd"]),
    }
}
